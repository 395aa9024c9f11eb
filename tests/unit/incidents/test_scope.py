"""Whose data left: counts that add up, whatever the order and however often a thing was seen."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from checkvalve.incidents.case import ExposureRecord
from checkvalve.incidents.scope import scope_of

START = 1_790_000_000_000

RECORDS = st.builds(
    ExposureRecord,
    inference=st.sampled_from(["i1", "i2", "i3"]),
    subject=st.sampled_from(["customer:1", "customer:2", "guest:abc"]),
    category=st.sampled_from(["email", "name", "phone"]),
    recipient=st.sampled_from(["anonymous", "session:a", "customer:9"]),
    shown=st.booleans(),
    entry=st.integers(0, 50),
    site=st.just("s-a"),
    seen_ms=st.integers(START, START + 1000),
    detected_ms=st.just(START),
    plugin=st.sampled_from([None, "", "shop-assistant"]),
    route=st.sampled_from([None, "/ask"]),
    session=st.none(),
    model=st.none(),
    trace=st.none(),
)


def test_the_known_leak_is_counted_exactly(leak: list[ExposureRecord]) -> None:
    assert scope_of(leak, START, START + 5000).as_json() == {
        "window": ["2026-09-21T14:13:20Z", "2026-09-21T14:13:25Z"],
        "complete": True,
        "gaps": [],
        "confirmed": {
            "subjects": 5,
            "records": 10,
            "categories": {"email": 5, "name": 5},
            "recipients": {"session:0": 2, "session:1": 2, "session:2": 1},
            "channels": {"shop-assistant": 5},
        },
        "worst_case": {
            "subjects": 6,
            "records": 12,
            "categories": {"email": 6, "name": 6},
            "recipients": {"session:0": 2, "session:1": 2, "session:2": 2},
            "channels": {"shop-assistant": 6},
        },
        "prevented": {"subjects": 0, "records": 0, "categories": {}, "recipients": {}, "channels": {}},
        "subject_refs": [f"customer:{n}" for n in range(1, 6)],
    }


def test_records_are_people_times_kinds_of_data_not_readers(leak: list[ExposureRecord]) -> None:
    again = [replace(e, recipient="session:z", inference="i9") for e in leak]
    confirmed = scope_of([*leak, *again], START, START).confirmed
    assert (confirmed.subjects, confirmed.records) == (5, 10)
    assert confirmed.recipients["session:z"] == 5


def test_what_stood_in_the_prompt_of_the_same_request_is_told_from_what_did_not(leak: list[ExposureRecord]) -> None:
    assert scope_of(leak, START, START).prompted == 10
    assert scope_of([e for e in leak if e.shown], START, START).prompted == 0
    elsewhere = [replace(e, inference="other") if not e.shown else e for e in leak]
    assert scope_of(elsewhere, START, START).prompted == 0


def test_a_gap_in_the_log_makes_the_scope_incomplete() -> None:
    scope = scope_of([], START, START, ["numbers 4 to 9 never arrived"])
    assert not scope.complete
    assert scope.as_json()["gaps"] == ["numbers 4 to 9 never arrived"]


def test_nothing_seen_is_nobody_and_not_an_error() -> None:
    body = scope_of([], START, START).as_json()
    assert body["confirmed"]["subjects"] == body["worst_case"]["records"] == 0
    assert body["subject_refs"] == []


def test_references_to_people_are_left_out_for_roles_that_may_not_see_them(leak: list[ExposureRecord]) -> None:
    assert "subject_refs" not in scope_of(leak, START, START).as_json(with_refs=False)


@given(records=st.lists(RECORDS, max_size=30), data=st.data())
def test_counts_do_not_depend_on_order_or_repetition(records: list[ExposureRecord], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(records + records))
    assert scope_of(shuffled, START, START) == scope_of(records, START, START)


@given(records=st.lists(RECORDS, max_size=30))
def test_the_worst_case_is_never_smaller_than_what_is_confirmed(records: list[ExposureRecord]) -> None:
    scope = scope_of(records, START, START)
    confirmed, worst = scope.confirmed, scope.worst_case
    assert confirmed.subjects <= confirmed.records <= worst.records
    assert confirmed.subjects <= worst.subjects
    assert sum(confirmed.categories.values()) == confirmed.records
    assert scope.prompted <= confirmed.records
    assert len(scope.subject_refs) == confirmed.subjects


@given(records=st.lists(RECORDS, max_size=20), more=RECORDS)
def test_one_more_exposure_never_makes_a_number_smaller(records: list[ExposureRecord], more: ExposureRecord) -> None:
    before, then = (scope_of(r, START, START) for r in (records, [*records, more]))
    for a, b in ((before.confirmed, then.confirmed), (before.worst_case, then.worst_case)):
        assert a.subjects <= b.subjects
        assert a.records <= b.records
