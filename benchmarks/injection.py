"""How surely attempts to steer a model are told from everyday text, beside the libraries that install here.

`python -m benchmarks.injection --sets DIR [--peers DIR]`; injection_sets.py says what DIR holds, `--peers` installs each
library into an environment of its own. Without --sets only this project's own text is measured. No set that is measured was
learnt from; what stands in both is left out here. Every detector is held to the same rate of false alarms on everyday
text: its threshold is put where 1 % or 0.1 % of it is flagged.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.detection_text import ordinary, people
from benchmarks.injection_sets import HELD_OUT, LEARNT, Labelled, sets
from benchmarks.report import machine, tell

from checkvalve.detection import injection

RATES: Final = {"1 %": 0.01, "0.1 %": 0.001}  # of false alarms
EVERYDAY: Final = ("merged", "bastioncorpus", "XQuAD", "own, other wording", "conversations")
CONVERSATIONS: Final = 20_000
SAMPLE: Final = 3_000  # texts of one set
SAMPLES: Final = {"XQuAD": 1_000}  # whole paragraphs of an encyclopaedia are not what a shop sees most
PATIENCE_S: Final = 900  # of one library
Scores = list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """`setup` defines `f(text)`, a number that grows with suspicion."""

    package: str
    setup: str

    def scores(self, directory: Path, name: str, texts: list[str]) -> Scores:
        home = directory / name
        python = str(home / "bin" / "python")
        if not (home / "bin" / "python").exists():
            uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
            subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *self.package.split()], check=True)
        script = (
            f"import json, sys\n{self.setup}\nout = [float(f(t)) for t in json.load(sys.stdin)]\nprint('\\n' + json.dumps(out))"
        )
        done = subprocess.run(
            [python, "-c", script], input=json.dumps(texts), capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        scores: Scores = json.loads(done.stdout.rsplit("\n", 2)[-2])
        return scores


LIBRARIES: Final = {
    "aicordon (Picket)": Library(
        package="aicordon", setup="from aicordon import picket\nd = picket.load()\nf = lambda t: len(d.check(t).findings)"
    ),
    "forcefield": Library(
        package="forcefield[ml-sklearn] numpy",
        setup="import forcefield\ng = forcefield.Guard()\nf = lambda t: g.scan(t).risk_score",
    ),
    "injectionguard": Library(
        package="injectionguard",
        setup="from injectionguard import detect\no = ['none', 'low', 'medium', 'high', 'critical']\n"
        "f = lambda t: (lambda r: o.index(r.threat_level.value) + len(r.detections) / 100)(detect(t))",
    ),
    "nukon-pi-detect": Library(
        package="nukon-pi-detect", setup="from nukon_pi_detect import scan\nf = lambda t: scan(t).to_dict()['score']"
    ),
    "plumblint": Library(package="plumblint", setup="from plumblint import scan\nf = lambda t: scan(t).score"),
    "prompt-lint-py": Library(
        package="prompt-lint-py",
        setup="from promptlint import Firewall\nw = Firewall(mode='monitor')\nf = lambda t: w.scan(t).risk_score",
    ),
    "ai-injection-guard": Library(
        package="ai-injection-guard",
        setup="from prompt_shield import PromptScanner\ns = PromptScanner(threshold='LOW')\nf = lambda t: s.scan(t).risk_score",
    ),
    "nanoguard": Library(
        package="metatronnanoguard",
        setup="from nanoguard import NanoGuard\nn = NanoGuard()\nf = lambda t: n.scan(t[:8000]).injection_score",
    ),
}


def conversations() -> list[str]:
    """What shops and customers say all day, in six languages."""
    return [str(case.inference["completion"]) for case in ordinary(3, people(3, 300), CONVERSATIONS)]


def held_out(directory: Path) -> tuple[dict[str, list[Labelled]], list[str]]:
    """Sets nobody learnt from, sampled, without what is in a set that was; and the names of those that are missing."""
    found, missing = sets(HELD_OUT, directory)
    learnt = {_beginning(text) for listed in sets(LEARNT, directory)[0].values() for text, _ in listed}
    rng = random.Random(7)
    kept = {name: [one for one in listed if _beginning(one[0]) not in learnt] for name, listed in found.items()}
    kept["conversations"] = [(text, False) for text in conversations()]
    return {name: rng.sample(listed, min(SAMPLES.get(name, SAMPLE), len(listed))) for name, listed in kept.items()}, missing


def everyday(found: dict[str, list[Labelled]]) -> list[str]:
    return [text for name in EVERYDAY for text, attempt in found.get(name, ()) if not attempt]


def flagged_above(scores: Scores, rate: float) -> float:
    """The lowest threshold above which no more than `rate` of the scores lie."""
    return sorted(scores)[-1 - int(rate * len(scores))]


def _beginning(text: str) -> str:
    return " ".join(injection.folded(text[:400])[:12])


def table(found: dict[str, list[Labelled]], scores: dict[str, Scores]) -> dict[str, Any]:
    """By rate: of each set the percentage of attempts found, and of harmless text flagged."""
    quiet = [
        s for name in EVERYDAY for s, (_, attempt) in zip(scores.get(name, ()), found.get(name, ()), strict=True) if not attempt
    ]
    rows: dict[str, Any] = {}
    for title, rate in RATES.items():
        limit = flagged_above(quiet, rate)
        row = {}
        for name, listed in found.items():
            for kind in (True, False):
                said = [s > limit for s, (_, attempt) in zip(scores[name], listed, strict=True) if attempt is kind]
                if said and (kind or name not in EVERYDAY):
                    row[f"{name}{'' if kind else ' (harmless)'}"] = round(100 * sum(said) / len(said), 1)
        rows[title] = row
    return rows


def measured(found: dict[str, list[Labelled]], score: Callable[[list[str]], Scores]) -> dict[str, Any]:
    texts = [text for listed in found.values() for text, _ in listed]
    begun = time.perf_counter()
    flat = score(texts)
    spent = time.perf_counter() - begun
    by_set, at = {}, 0
    for name, listed in found.items():
        by_set[name] = flat[at : at + len(listed)]
        at += len(listed)
    return table(found, by_set) | {"ms a 1,000 code points": round(1e6 * spent / sum(map(len, texts)), 3)}


def ours(texts: Sequence[str]) -> Scores:
    return [injection.score(text).value for text in texts]


def by_default(found: dict[str, list[Labelled]]) -> dict[str, float]:
    """At the threshold that is shipped: percentages flagged."""
    talk = conversations()
    flagged = {"ordinary conversations": 100 * sum(s >= injection.SUSPICIOUS for s in ours(talk)) / len(talk)}
    for name, listed in found.items():
        for kind in (True, False):
            said = [injection.suspicious(injection.score(text)) for text, attempt in listed if attempt is kind]
            if said:
                flagged[f"{name}{'' if kind else ' (harmless)'}"] = 100 * sum(said) / len(said)
    return {name: round(value, 2) for name, value in flagged.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sets", type=Path, default=Path("no-such-directory"))
    parser.add_argument("--peers", type=Path)
    args = parser.parse_args()
    found, missing = held_out(args.sets)
    figures = {"texts": {name: len(listed) for name, listed in found.items()}, "missing": ", ".join(missing)}
    figures |= {"at a score of 0.5": by_default(found)} | measured(found, ours)
    peers: dict[str, Any] = {}
    for name, library in LIBRARIES.items() if args.peers else ():
        try:
            peers[name] = measured(found, lambda texts, n=name, lib=library: lib.scores(args.peers, n.split()[0], texts))  # type: ignore[misc]
        except (subprocess.SubprocessError, ValueError, IndexError) as error:
            peers[name] = {"failed": type(error).__name__}
    tell({"machine": machine(), "figures": figures, "peers": peers}, as_json=args.json)


if __name__ == "__main__":
    main()
