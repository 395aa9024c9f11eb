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


ANNA = {"email": "anna.schmidt@example.com", "name": "Anna Schmidt", "address": "Musterweg 7"}


def test_whoever_is_only_named_is_erased_too_once_a_record_shows_how_the_name_is_spelt(here: Installation) -> None:
    early = here.inference("Who came?", "It was Schmidt, Anna. She left no number.")  # before she was registered
    address = here.inference("Where to?", "Musterweg 7, second floor")
    here.person("customer:7", **ANNA)
    shown = here.inference("Who?", "anna.schmidt@example.com is Anna Schmidt")
    other = here.inference("Who?", "Anna Berg and Karl Schmidt")
    done = here.erase("customer:7")
    gone = {n for n in (early, address, shown, other) if here.core.journal.read(n).clear is None}
    assert gone == {shown, early}
    assert len(done.not_searched) == 1 and done.not_searched[0].startswith("the address")
    assert here.erase("customer:7", "musterweg 7", "Anna Schmidt").not_searched == []
    assert here.core.journal.read(address).clear is None and here.core.journal.read(other).clear is not None


def test_a_name_given_by_whoever_asks_is_looked_for_also_when_the_register_knows_nobody(here: Installation) -> None:
    early = here.inference("Who came?", "Zoë Okafor did.")
    with pytest.raises(EngineError, match="register knows nothing"):
        here.erase("customer:9")
    assert here.erase("customer:9", "Zoe Okafor").records == 1
    assert here.core.journal.read(early).clear is None


def test_each_record_may_be_opened_when_no_spelling_is_known(here: Installation) -> None:
    early = here.inference("Who came?", "Anna Schmidt did.")
    broken = here.raw(b"Anna Schmidt \xff")
    here.person("customer:7", **ANNA)
    with pytest.raises(EngineError, match="the name, of which only a pseudonym"):
        here.erase("customer:7")
    done = here.erase("customer:7", thorough=True)
    assert (done.records, done.not_searched) == (2, [])
    assert here.core.journal.read(early).clear is None and here.core.journal.read(broken).clear is None


def test_opening_records_to_erase_is_a_reading_with_its_purpose(here: Installation) -> None:
    entries = told(here)
    here.erase("customer:7")
    readings = [here.core.journal.read(n) for n in range(here.core.journal.size)]
    said = [json.loads(r.clear or b"{}") for r in readings if r.header.kind == "access"]
    assert said and all((s["by"], s["purpose"]) == ("user:dpo", "erasure of customer:7") for s in said)
    assert {entries["leak"], entries["own"]} <= {n for s in said for n in s["entries"]}


@pytest.mark.parametrize("value", ["Anna", "", "!!", "7"])
def test_a_value_that_names_too_many_erases_nothing(here: Installation, value: str) -> None:
    told(here)
    with pytest.raises(EngineError, match="bad_value"):
        here.erase("customer:7", value)


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
