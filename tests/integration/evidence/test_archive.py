"""Sealed or not, the answers are the same; whatever happens while sealing, no row is lost and none is seen twice."""

import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.integration.evidence.installation import SHOP, SITE, START, Installation, installation
from tests.wire.core_process import running_core

from checkvalve.engine import offline
from checkvalve.engine.rebuilding import rebuild
from checkvalve.store.archive import MERGED, ArchiveError
from checkvalve.store.asking import Asker
from checkvalve.store.questions import QUESTIONS

ROOT = Path(__file__).resolve().parents[3]
TRACE, SESSION = "a" * 32, "e" * 32
PLUGIN = "shop-assistant"
WHOLE = {"since": START, "until": START + 10**9}
ASKED: dict[str, dict[str, Any]] = {
    "trace": {"trace": TRACE},
    "session": {"session": SESSION, **WHOLE},
    "subject": {"subject": "customer:7"},
    "scope": {"plugin": PLUGIN, **WHOLE},
    "counts": WHOLE,
    "lines": {"sensor": SHOP, "first": 1, "last": 10**6},
    "held": {"subject": "customer:7"},
}


def story(here: Installation, requests: int = 120) -> None:
    """A leak of two people through one plugin in the middle of ordinary traffic."""
    here.person("customer:7", email="anna@example.com", name="Anna Schmidt")
    here.person("customer:8", email="ben@example.org", name="Ben Okafor")
    for number in range(requests):
        here.request(requester={"ref": f"customer:{number % 9}"}, plugin="woocommerce", session=f"{number % 5:032x}")
        if number % 40 == 20:
            here.order(1000 + number, "customer:7")
            here.request("POST /shop-assistant/v1/ask", plugin=PLUGIN, trace=TRACE)
            here.inference("Who is anna@example.com?", "anna@example.com and ben@example.org", trace=TRACE)
    here.digest()


def answers(here: Installation) -> dict[str, list[dict[str, Any]]]:
    return {name: here.core.asker.ask(QUESTIONS[name], **given) for name, given in ASKED.items()}


def test_the_questions_find_the_leak(here: Installation) -> None:
    story(here)
    found = answers(here)
    assert [r["kind"] for r in found["trace"]].count("inference") == 3
    assert [r["what"] for r in found["trace"]][:1] == ["POST /shop-assistant/v1/ask -> 200"]
    assert {(r["subject"], r["category"]) for r in found["scope"]} == {("customer:7", "email"), ("customer:8", "email")}
    assert {r["subject"]: r["orders"] for r in found["scope"]} == {"customer:7": 3, "customer:8": 0}
    assert sum(r["events"] for r in found["counts"]) == 120 + 3 * 3
    assert len(found["lines"]) == 120 + 6
    times = [r["at_ms"] for r in found["subject"]]
    assert times == sorted(times)


def test_sealing_merging_and_trimming_change_no_answer(here: Installation) -> None:
    story(here)
    before = answers(here)
    here.digest()
    sealer = here.sealer(10)
    seen = set()
    for _ in range(500):
        worked = sealer.step()
        seen.add(len(sealer._archive.manifest.segments))
        assert answers(here) == before
        if not worked:
            break
    assert max(seen) >= MERGED, "segments were there"
    assert len(sealer._archive.manifest.segments) < MERGED, "and became fewer"
    with here.core.state.read() as db:
        left = db.exec_driver_sql("SELECT count(*) FROM events").scalar()
    assert left is not None and left < 60, "what is sealed and no case shows has left the state"


def test_what_a_case_shows_stays_in_the_state(here: Installation) -> None:
    story(here)
    here.seal_all(10)
    with here.core.state.read() as db:
        of_trace = db.exec_driver_sql("SELECT count(*) FROM events WHERE trace = ?", (TRACE,)).scalar()
        exposures = db.exec_driver_sql("SELECT count(*) FROM exposures").scalar()
    assert of_trace == 6
    assert (
        exposures == len(here.core.asker.ask(QUESTIONS["subject"], subject="customer:7")) - _events_of(here, "customer:7") or 1
    )


def _events_of(here: Installation, ref: str) -> int:
    return sum(r["kind"] == "event" for r in here.core.asker.ask(QUESTIONS["subject"], subject=ref))


def test_a_day_old_event_is_sealed_though_few_came(here: Installation) -> None:
    here.request()
    here.digest()
    sealer = here.sealer(10)
    assert sealer.due() is None
    here.now_ms += 25 * 3_600_000
    assert sealer.due() == 1


def test_a_batch_that_comes_again_after_sealing_is_known(here: Installation) -> None:
    story(here)
    before = {r["seq"]: r["digest"] for r in here.core.asker.ask(QUESTIONS["lines"], **ASKED["lines"])}
    here.seal_all(10)
    assert here.core.ingest.sealed(SHOP, 1, 5) == {n: before[n] for n in range(1, 6)}


def test_another_process_reads_while_this_one_seals(here: Installation) -> None:
    """A reader with the list of before still finds its files."""
    story(here)
    sealer = here.sealer(10)
    asker = Asker(sealer._archive.reading, here.core.state)
    before = answers(here)
    for _ in range(12):
        sealer.step()
    old = sealer._archive.manifest
    while sealer.step():
        pass
    assert sealer._archive.manifest.segments != old.segments
    for segment in old.segments:
        for file in segment.files.values():
            assert (sealer._archive.directory / file.name).exists()
    assert asker.ask(QUESTIONS["trace"], trace=TRACE) == before["trace"]
    here.now_ms += 2 * 3_600_000
    assert sealer._archive.sweep(here.now_ms) > 0
    assert asker.ask(QUESTIONS["trace"], trace=TRACE) == before["trace"]
    asker.close()


def test_kill_9_at_any_moment_of_sealing_merging_and_trimming_loses_and_doubles_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with installation(data) as here:
        story(here, 150)
        before = answers(here)
    chance = random.Random(20261125)
    done = False
    for _ in range(8):
        command = [sys.executable, "-m", "tests.integration.evidence.sealing_process", str(data)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 0.6))
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate(timeout=60)
        done = done or "done" in said
        with installation(data) as here:
            assert answers(here) == before
        assert offline.verify_live(here.core.settings).ok
    with installation(data) as here:
        here.seal_all(10)
        assert answers(here) == before


@pytest.mark.parametrize("table", ["events", "inferences", "exposures", "postings", "manifest"])
def test_a_flipped_bit_is_named_and_mended_from_the_log(tmp_path: Path, table: str) -> None:
    data = tmp_path / "data"
    with installation(data) as here:
        story(here)
        manifest = here.seal_all(10)._archive.manifest
        before = answers(here)
        settings = here.core.settings
    victim = data / "archive" / ("manifest" if table == "manifest" else manifest.files(table)[0].name)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    found = offline.verify_live(settings)
    assert not found.ok
    assert [f.file for f in found.errors] == [str(victim.relative_to(data))]
    assert rebuild(settings) > 0
    assert offline.verify_live(settings).ok
    with installation(data) as here:
        assert answers(here) == before


def test_a_lost_file_is_an_error_that_says_what_to_do(here: Installation) -> None:
    story(here)
    sealer = here.seal_all(10)
    for path in (sealer._archive.directory / "events").iterdir():
        path.unlink()
    with pytest.raises(ArchiveError, match="evidence rebuild"):
        answers(here)


def test_a_full_disk_stops_sealing_and_nothing_else(here: Installation) -> None:
    story(here)
    before = answers(here)
    sealer = here.sealer(50)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises((ArchiveError, OSError)):
            sealer.seal(50)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert answers(here) == before
    assert sealer.step()
    assert answers(here) == before
    assert sealer._archive.manifest.until == 50


def test_the_segments_belong_to_their_owner_alone(here: Installation) -> None:
    story(here)
    sealer = here.seal_all(10)
    for path in sealer._archive.directory.rglob("*.parquet"):
        assert path.stat().st_mode & 0o077 == 0
    assert SITE in str(here.core.asker.ask(QUESTIONS["counts"], **WHOLE))


def test_core_starts_and_takes_events_beside_a_damaged_archive(tmp_path: Path) -> None:
    with installation(tmp_path / "data") as here:
        story(here)
        here.seal_all(10)
    (tmp_path / "data" / "archive" / "manifest").write_bytes(b"nonsense\n")
    with running_core(tmp_path / "data") as core:
        assert core.pair(shop="https://other.example").send(3).status_code == 202
        asked = core.run("evidence", "ask", "trace", f"trace={TRACE}")
        assert asked.returncode == 2
        assert "evidence rebuild" in asked.stderr
        verified = core.run("evidence", "verify")
        assert verified.returncode == 1
        assert "archive/manifest" in verified.stdout
