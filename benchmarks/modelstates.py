"""Model states: backing up beside plain restic in the same run, and searching 100 states for 20,000 leaked identifiers.

`python -m benchmarks.modelstates --json [--megabytes N --documents N]`. Data is synthetic: weights of random bytes, as weights
do not compress, and documents with made-up people. Both programs write to new repositories on the same disk.
"""

import argparse
import json
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from benchmarks.report import machine, medians

from checkvalve.actuators.restic import Repository, program
from checkvalve.engine import vault_here, vault_restore
from checkvalve.engine.vault import Vault, enrol, open_vault
from checkvalve.modelstates.composition import propose
from checkvalve.modelstates.manifest import File, State, Version, digest_of
from checkvalve.modelstates.reading import Document
from checkvalve.modelstates.terms import Sought, sought

STATES, IDENTIFIERS = 100, 20_000
FIRST = ("Anna", "Boris", "Clara", "David", "Elena", "Farid", "Greta", "Hugo")
LAST = ("Berger", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Huber", "Ivanova")


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def article(rng: random.Random, number: int) -> str:
    words = " ".join(rng.choice(("offer", "price", "return", "parcel", "answer", "garden", "lamp", "blue")) for _ in range(60))
    who = (
        f"{rng.choice(FIRST)} {rng.choice(LAST)}, buyer{rng.randrange(100_000)}@example.com, 030 {rng.randrange(10**6, 10**7)}"
    )
    return json.dumps({"id": number, "text": f"{words} {who if number % 5 == 0 else ''}"})


def make(root: Path, megabytes: int, documents: int, rng: random.Random) -> str:
    for name in ("base", "docs"):
        (root / name).mkdir(parents=True)
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (megabytes * 10**6, megabytes * 10**6)
    with (root / "base/model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for _ in range(megabytes):
            file.write(rng.randbytes(10**6))
    (root / "docs/faq.jsonl").write_text("\n".join(article(rng, n) for n in range(documents)))
    components = {
        "base": {"kind": "weights", "path": str(root / "base"), "made_from": []},
        "docs": {"kind": "training", "path": str(root / "docs")},
    }
    return yaml.safe_dump({"components": components})


def backing_up(room: Path, megabytes: int, documents: int, runs: int) -> tuple[dict[str, float], dict[str, float]]:
    """Medians. Each run has new repositories; who goes first changes from run to run."""
    root = room / "shop"
    text = make(root, megabytes, documents, random.Random(7))
    size = sum(f.stat().st_size for f in root.rglob("*") if f.is_file()) / 1e6
    (room / "password").write_text("benchmark")
    said = [one_run(room / str(n), root, text, random.Random(n), theirs_first=n % 2 == 0) for n in range(runs)]
    ours, theirs = medians([o for o, _ in said]), medians([t for _, t in said])
    speeds = {
        "first speed of plain restic, index and signature included": theirs["restic first s"] / ours["first snapshot s"],
        "second speed of plain restic": theirs["restic second s"] / ours["second snapshot s"],
    }
    return {"MB": size, "runs": runs, **ours, **speeds}, theirs


def one_run(
    room: Path, root: Path, text: str, rng: random.Random, *, theirs_first: bool
) -> tuple[dict[str, float], dict[str, float]]:
    vault = open_vault(room / "data", make=True)
    enrol(vault, text)
    plain = Repository(location=str(room / "plain"), password_file=root.parent / "password", cache=room / "plain-cache")
    plain.init()

    def snapshot() -> None:
        _, done = vault_here.snapshot(vault, int(time.time() * 1000))
        assert all(s.signed for s in done), done

    def both() -> tuple[float, float]:
        work = {"theirs": lambda: plain.backup(root, tags=()), "ours": snapshot}
        took = {who: seconds(work[who])[0] for who in sorted(work, reverse=theirs_first)}
        return took["ours"], took["theirs"]

    ours, theirs = both()
    with (root / "docs/faq.jsonl").open("a") as file:
        file.write("\n" + article(rng, rng.randrange(10**9)))
    ours_again, theirs_again = both()
    sealed = "tar -c shop | zstd -3 -T0 -q | age -r $(age-keygen -y key) > sealed"
    subprocess.run(["age-keygen", "-o", "key"], cwd=root.parent, check=not (root.parent / "key").exists(), capture_output=True)
    archive, _ = seconds(lambda: subprocess.run(["bash", "-o", "pipefail", "-c", sealed], cwd=root.parent, check=True))
    back, _ = seconds(lambda: vault_restore.restore(vault, propose(vault_restore.find(vault, []).judge).parts, room / "back"))
    shutil.rmtree(room)
    return (
        {"first snapshot s": ours, "second snapshot s": ours_again, "restore and verify s": back},
        {"restic first s": theirs, "restic second s": theirs_again, "tar, zstd and age s": archive},
    )


def searching(room: Path, documents: int) -> dict[str, float]:
    """`documents` in each of 100 states, one in a hundred new from state to state; one person was in from state 40 to 59."""
    vault = open_vault(room / "search", make=True)
    rng = random.Random(11)
    texts = [article(rng, n) for n in range(documents)]
    number, start = documents, time.perf_counter()
    with vault.index() as index:
        for n in range(STATES):
            for _ in range(max(1, documents // 100)):
                number += 1
                texts[rng.randrange(documents)] = article(rng, number)
            leak = ['{"text": "Zoe Quist, zoe.quist@example.com"}'] if 40 <= n < 60 else []
            with index.taking() as take:
                numbers = take(Document(place=f"line {i}", text=t) for i, t in enumerate([*texts, *leak]))
            index.hold("docs", f"s{n}", numbers)
            keep(vault, n)
    built = time.perf_counter() - start
    people = [
        s for n in range(IDENTIFIERS // 2) for s in sought(f"p{n}", email=f"nobody{n}@example.org", name=f"Nobody Number{n}")
    ]
    people = [*people[: IDENTIFIERS - 2], *sought("zoe", email="zoe.quist@example.com", name="Zoe Quist")]
    took, verdicts = min(seconds(lambda: judged(vault, people)) for _ in range(3))
    assert verdicts == ["clean"] * 40 + ["contaminated"] * 20 + ["clean"] * 40, "a search that misses is worth nothing"
    size = sum(f.stat().st_size for f in vault.directory.glob("index.db*"))
    return {
        "states": STATES,
        "identifiers": len(people),
        "documents": number,
        "build s": built,
        "find s": took,
        "index MB": size / 1e6,
    }


def judged(vault: Vault, people: list[Sought]) -> list[str]:
    judge = vault_restore.find(vault, people).judge
    return [judge.state(n).verdict for n in range(len(judge.states))]


def keep(vault: Vault, n: int) -> None:
    files = (File(path="faq.jsonl", size=1, sha256=f"{n:064x}"),)
    version = Version(
        component="docs",
        kind="training",
        snapshot=f"s{n}",
        tree=str(n),
        digest=digest_of(files),
        tokenizer="",
        files=files,
        documents=1,
    )
    vault.keep(State(id=f"S{n:03}", received_ms=n, claimed_ms=n, versions=(version,)), {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--megabytes", type=int, default=200, help="of weights")
    parser.add_argument("--runs", type=int, default=3, help="of the backups")
    parser.add_argument("--documents", type=int, default=5000)
    arguments = parser.parse_args()
    room = Path(tempfile.mkdtemp(prefix="modelstates-"))
    try:
        figures, peers = backing_up(room, arguments.megabytes, arguments.documents, arguments.runs)
        figures = {"backup": figures, "search": searching(room, arguments.documents)}  # type: ignore[dict-item]
    finally:
        shutil.rmtree(room, ignore_errors=True)
    version = subprocess.run([program("restic"), "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    result = {"machine": machine(restic=version), "figures": figures, "peers": peers}
    print(json.dumps(result, indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()
