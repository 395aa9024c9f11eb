"""A value is found in sealed content, the reading is an entry, and an erased person is found no more."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.integration.evidence.installation import KEY, Installation

from checkvalve.engine import holds
from checkvalve.engine.errors import EngineError
from checkvalve.evidence.verify import verify_log
from checkvalve.store.segments import LogFiles

LEAK = "Of course: Anna Schmidt, anna.schmidt@example.com, +49 (30) 901-820 17, order 10427."


def told(here: Installation) -> dict[str, int]:
    here.person("customer:7", email="anna.schmidt@example.com", name="Anna Schmidt", phone="030 90182017")
    entries = {"before": here.request(), "order": here.order(10427, "customer:7")}
    entries["leak"] = here.inference("Who ordered last?", LEAK)
    entries["own"] = here.inference("My mail is anna.schmidt@example.com", "Thank you.", ref="customer:7")
    entries["harmless"] = here.inference("Do you sell tea?", "We do. Write to shop@example.com.")
    return entries


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(
    ("value", "places"),
    [
        ("anna.schmidt@example.com", {("leak", "completion"), ("own", "request")}),
        (" ANNA.Schmidt@Example.COM", {("leak", "completion"), ("own", "request")}),
        ("030 90182017", {("leak", "completion")}),
        ("+49 30 901 820 17", {("leak", "completion")}),
        ("Schmidt", {("leak", "completion"), ("own", "request")}),
        ("anna schmidt", {("leak", "completion"), ("own", "request")}),
        ("10427", {("leak", "completion"), ("order", "order")}),
        ("order 10427", {("leak", "completion")}),
        ("order anna", set()),
        ("nobody@example.com", set()),
    ],
)
def test_a_value_is_found_wherever_it_stands(
    here: Installation, sealed: bool, value: str, places: set[tuple[str, str]]
) -> None:
    entries = told(here)
    if sealed:
        for _ in range(30):
            here.request()
        here.seal_all(10)
    found = here.find(value)
    where = {
        (h.entry, next(p for p in ("completion", "request", "order", "web_resources") if p in h.field)) for h in found.hits
    }
    expected = {(entries[name], part) for name, part in places}
    assert where - {(entries["order"], "web_resources")} == expected
    assert found.erased == 0


def test_a_hit_says_where_it_was(here: Installation) -> None:
    entries = told(here)
    [hit] = here.find("030 90182017").hits
    assert (hit.entry, hit.source, hit.session) == (entries["leak"], "llm", "e" * 32)
    assert hit.field == "unmapped.checkvalve.inference.completion"
    assert hit.time_ms is not None and abs(hit.time_ms - here.now_ms) < 60_000
    assert {h.source for h in here.find("10427").hits} == {"llm", "woo"}


def test_a_reading_is_an_entry_that_does_not_say_the_value(here: Installation) -> None:
    entries = told(here)
    found = here.find("anna.schmidt@example.com", reader="user:dpo", purpose="request of the person", case="CV-2026-0001")
    entry = here.core.journal.read(found.access)
    said = json.loads(entry.clear or b"")
    assert (entry.header.kind, said["by"], said["purpose"], said["case"]) == (
        *("access", "user:dpo"),
        *("request of the person", "CV-2026-0001"),
    )
    assert {entries["leak"], entries["own"]} <= set(said["entries"])
    assert b"schmidt" not in (entry.clear or b"").lower()
    nothing = here.find("nobody@example.com")
    assert json.loads(here.core.journal.read(nothing.access).clear or b"")["entries"] == []


def test_nothing_to_look_for_is_said_so(here: Installation) -> None:
    for value in ("", " - ", "!!"):
        with pytest.raises(EngineError, match="bad_value"):
            here.find(value)


def test_no_clear_text_reaches_the_state_or_the_segments(here: Installation, tmp_path: Path) -> None:
    told(here)
    for _ in range(30):
        here.request()
    here.seal_all(10)
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            assert b"chmidt" not in path.read_bytes(), path


def test_an_erased_person_cannot_be_read_and_the_log_verifies(here: Installation) -> None:
    entries = told(here)
    done = here.erase("customer:7")
    assert done.records == 2
    assert {n for n in entries.values() if here.core.journal.read(n).clear is None} == {entries["leak"], entries["own"]}
    found = here.find("anna.schmidt@example.com")
    assert (found.hits, found.erased) == ([], 2)
    with here.core.state.read() as db:
        kept = db.exec_driver_sql("SELECT count(*) FROM exposures WHERE subject = 'customer:7'").scalar()
    assert kept, "pseudonym rows stay"
    said = msgspec.json.decode(here.core.journal.read(done.entry).clear or b"")
    assert (said["type"], said["by"], said["entries"]) == ("erased", "user:dpo", [entries["leak"], entries["own"]])
    identity = here.core.identity
    log = LogFiles(here.core.settings.data / "log")
    assert verify_log(log, origin=identity.origin, public_key=identity.log_public).ok


def test_a_record_that_also_holds_somebody_under_a_legal_hold_is_kept(here: Installation) -> None:
    here.person("customer:1", email="one@example.com")
    here.person("customer:2", email="two@example.com")
    shared = here.inference("Who?", "one@example.com and two@example.com")
    alone = here.inference("Who?", "one@example.com")
    here.working(lambda: here.core.decide([holds.setting("user:dpo", here.now_ms, "a dispute", "customer:2")]))
    done = here.erase("customer:1")
    assert (done.records, done.kept) == (1, 1)
    assert here.core.journal.read(alone).clear is None
    assert here.core.journal.read(shared).clear is not None
    with pytest.raises(EngineError, match="on_hold"):
        here.erase("customer:1")
    with pytest.raises(EngineError, match="on_hold"):
        here.erase("customer:2")


def test_a_person_registered_after_the_leak_is_erased_too(here: Installation) -> None:
    leak = here.inference("Who is new?", "Write to zoe@example.net")
    here.person("customer:9", email="zoe@example.net")
    assert here.erase("customer:9").records == 1
    assert here.core.journal.read(leak).clear is None


def test_a_person_nobody_holds_is_said_so(here: Installation) -> None:
    told(here)
    with pytest.raises(EngineError, match="not_found"):
        here.erase("customer:404")


def test_merging_segments_forgets_the_words_of_erased_entries(here: Installation) -> None:
    entries = told(here)
    here.erase("customer:7")
    for _ in range(200):
        here.request()
    here.seal_all(10)
    found = here.find("anna.schmidt@example.com")
    assert (found.hits, found.erased) == ([], 0)
    assert {h.entry for h in here.find("tea").hits} == {entries["harmless"]}


def test_the_key_of_the_site_is_needed_to_guess_from_the_index(here: Installation) -> None:
    from checkvalve.evidence import blind

    told(here)
    here.digest()
    with here.core.state.read() as db:
        packed = b"".join(row[0] for row in db.exec_driver_sql("SELECT tokens FROM events WHERE tokens IS NOT NULL"))
    known = set(blind.unpack(packed))
    term = ("email", "anna.schmidt@example.com")
    assert blind.token(KEY, term) in known
    assert blind.token(bytes(32), term) not in known
