"""How much registered data is found, plain and disguised, and how often ordinary talk is mistaken for a leak.

`python -m benchmarks.detection --json`. The text is synthetic and seeded (benchmarks/detection_text.py; disguises in many
variations: benchmarks/disguises.py). Also measured: what a second of text costs against 1,000 and against 100,000 registered
people.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from typing import Any

import msgspec
from benchmarks.detection_text import Case, Person, disguised, ordinary, people, plain
from benchmarks.disguises import varied
from benchmarks.report import machine

from checkvalve.detection.inference import Inference, Memory, judge
from checkvalve.detection.register import Register
from checkvalve.events.pseudonym import identifiers

KEY = bytes(range(32))


def register_of(crowd: list[Person]) -> Register:
    register = Register(KEY)
    for rev, p in enumerate(crowd, start=1):
        ids = identifiers(
            KEY, email=p.email, name=p.name, phone=p.phone, address=p.street, postcode=p.postcode, order_numbers=(p.order,)
        )
        register.put(p.ref, ids, rev)
    return register


def judged(case: Case, register: Register, memory: Memory | None = None) -> dict[str, Any]:
    return judge(msgspec.convert(case.inference, Inference), register, 0, memory)


class Table:
    """Counts over cases. An exposure of somebody who has the very same value is neither right nor wrong."""

    def __init__(self, crowd: list[Person], register: Register) -> None:
        self._register = register
        self._people = {p.ref: p for p in crowd}
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.misses: list[str] = []
        self.false: list[str] = []

    def add(self, case: Case, memory: Memory | None = None) -> None:
        result = judged(case, self._register, memory)
        seen = {(e["subject"], e["category"]) for e in result["exposures"]}
        subjects = {ref for ref, _ in case.truth}
        counts = self.counts[case.kind]
        counts["cases"] += 1
        counts["leaks"] += result["verdict"] == "leak"
        counts["suspicious"] += result["verdict"] == "suspicious"
        for ref, category in case.truth:
            hit = (ref, category) in seen
            counts["found" if hit else "missed"] += 1
            if not hit:
                self.misses.append(f"{case.kind}/{category}: {case.inference['completion']!r}  [{self._people[ref].row()}]")
        for ref, category in seen - case.truth:
            if ref in subjects and category in ("postcode_name", "name", "address"):
                continue  # stands in the text as well: a name in an address of e-mail, a postcode beside it
            if any(self._same(ref, mine, category) for mine in subjects):
                continue
            counts["false"] += 1
            self.false.append(f"{case.kind}/{ref}/{category}: {case.inference['completion']!r} [{self._people[ref].row()}]")

    def add_conversation(self, conversation: list[Case]) -> None:
        """Data that is told by the end of a conversation: whichever answer it was seen in."""
        memory = Memory()
        seen = [judged(case, self._register, memory)["exposures"] for case in conversation]
        last = conversation[-1]
        self.counts[last.kind]["cases"] += 1
        found = {(e["subject"], e["category"]) for exposures in seen for e in exposures}
        for ref, category in last.truth:
            self.counts[last.kind]["found" if (ref, category) in found else "missed"] += 1
        for ref, category in found - last.truth:
            of = {mine for mine, _ in last.truth}
            self.counts[last.kind]["false"] += ref not in of and not any(self._same(ref, mine, category) for mine in of)

    def _same(self, ref: str, mine: str, category: str) -> bool:
        attribute = {"name": "name", "address": "street", "phone": "phone", "email": "email", "postcode_name": "last"}.get(
            category
        )
        if attribute is None:
            return False
        return bool(getattr(self._people[ref], attribute).lower() == getattr(self._people[mine], attribute).lower())

    def figures(self, kinds: list[str], name: str) -> dict[str, float]:
        total: Counter[str] = sum((self.counts[k] for k in kinds), Counter())
        found, missed, false = total["found"], total["missed"], total["false"]
        return {
            f"{name}_cases": total["cases"],
            f"{name}_recall": round(found / max(1, found + missed), 5),
            f"{name}_precision": round(found / max(1, found + false), 5),
        }


def speed(register: Register, cases: list[Case], seconds: float = 3.0) -> float:
    """Kilobytes of completions a CPU second."""
    start, size = time.process_time(), 0
    for case in cases:
        judged(case, register)
        size += len(case.inference["completion"])
        if time.process_time() - start > seconds:
            break
    return size / 1000 / (time.process_time() - start)


def measure(scale: float, seed: int) -> tuple[dict[str, Any], Table]:
    crowd = people(seed, 1000)
    register = register_of(crowd)
    table = Table(crowd, register)
    for case in plain(seed + 1, crowd, int(6000 * scale)):
        table.add(case)
    for case in disguised(seed + 2, crowd, int(6000 * scale)):
        table.add(case)
    talk = ordinary(seed + 3, crowd, int(20_000 * scale))
    for case in talk:
        table.add(case)
    kinds = [k for k in table.counts if k not in ("plain", "ordinary")]
    told: dict[str, str] = {}
    for name in ("seen", "unseen"):
        for conversation in varied(seed + 4, crowd, max(1, int(40 * scale)), unseen=name == "unseen"):
            table.add_conversation(conversation)
        new = [k for k in table.counts if "/" in k and k not in told]
        told |= dict.fromkeys(new, name)
    figures: dict[str, Any] = table.figures(["plain"], "plain") | table.figures(kinds, "disguised")
    figures |= {f"recall_{k}": table.figures([k], k)[f"{k}_recall"] for k in kinds}
    for name in ("seen", "unseen"):
        mine = [k for k, of in told.items() if of == name]
        figures |= table.figures(mine, f"variations_{name}")
        for kind in dict.fromkeys(k.partition("/")[0] for k in mine):
            of_kind = [k for k in mine if k.startswith(kind + "/")]
            figures[f"{name}_{kind}"] = table.figures(of_kind, kind)[f"{kind}_recall"]
    figures |= {
        "ordinary_conversations": table.counts["ordinary"]["cases"],
        "ordinary_false_leaks": table.counts["ordinary"]["leaks"],
        "ordinary_suspicious": table.counts["ordinary"]["suspicious"],
        "kb_per_cpu_second_1000_people": round(speed(register, talk)),
    }
    big = register_of(people(7, 1000))
    for number in range(99_000):  # people nobody talks about: what counts is how many there are
        ids = identifiers(KEY, email=f"p{number}@example.org", name=f"Qx{number} Zy{number}", phone=f"+49 30 5{number:08d}",
                          address=f"Weg{number} 1", postcode="99999", order_numbers=(str(10**9 + number),))  # fmt: skip
        big.put(f"customer:{10**6 + number}", ids, number)
    figures["kb_per_cpu_second_100000_people"] = round(speed(big, talk))
    return {"machine": machine(), "figures": figures, "peers": {}}, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the cases to run")
    parser.add_argument("--seed", type=int, default=20261125, help="other people, other text")
    parser.add_argument("--misses", type=int, default=0, help="show so many misses and false finds")
    arguments = parser.parse_args()
    result, table = measure(arguments.scale, arguments.seed)
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result["figures"].items():
        print(f"{name:44} {value:>10}")
    for title, lines in (("missed", table.misses), ("false", table.false)):
        for line in lines[: arguments.misses]:
            print(f"{title} {line}")


if __name__ == "__main__":
    main()
