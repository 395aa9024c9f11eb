"""Clean is said only with reason; what was made from contaminated data is contaminated."""

import pytest
from tests.unit.modelstates.states import hit, state, version

from checkvalve.modelstates.manifest import State
from checkvalve.modelstates.verdict import Judge

BASE = version("base", "weights", "base", made_from=())


def day(number: int, dialogs: str, tone: str) -> State:
    return state(
        number,
        BASE,
        version("dialogs", "training", dialogs),
        version("tone", "adapters", tone, needs=("base", BASE.digest), made_from=("dialogs",)),
    )


HISTORY = [day(1, "d1", "t1"), day(2, "LEAK", "t1"), day(3, "LEAK", "t2"), day(4, "d3", "t2"), day(5, "d3", "t3")]
HELD = {("dialogs", "dialogs-LEAK-"): (hit(),)}


def test_what_was_trained_from_a_contaminated_set_is_contaminated_also_when_the_set_is_clean_again() -> None:
    judge = Judge(HISTORY, HELD)
    assert [judge.version(n, "tone").verdict for n in range(5)] == ["clean", "clean", "contaminated", "contaminated", "clean"]
    assert "dialogs of day3" in judge.version(3, "tone").why
    assert [judge.version(n, "dialogs").verdict for n in range(5)] == [
        "clean",
        "contaminated",
        "contaminated",
        "clean",
        "clean",
    ]
    assert [judge.state(n).verdict for n in range(5)] == ["clean", "contaminated", "contaminated", "contaminated", "clean"]


def test_an_adapter_that_came_the_day_the_set_was_cleaned_may_be_made_from_the_day_before() -> None:
    judge = Judge([day(1, "LEAK", "t1"), day(2, "clean", "t2")], HELD)
    assert judge.version(1, "tone").verdict == "contaminated"


def test_the_order_is_that_of_arrival_not_of_the_list() -> None:
    judge = Judge(list(reversed(HISTORY)), HELD)
    assert [s.id for s in judge.states] == ["day1", "day2", "day3", "day4", "day5"]
    assert judge.version(2, "tone").verdict == "contaminated"


@pytest.mark.parametrize("kind", ["weights", "adapters"])
def test_weights_of_which_nobody_said_what_they_were_made_from_are_unknown(kind: str) -> None:
    judge = Judge([state(1, version("w", kind, "w"))], {})  # type: ignore[arg-type]
    assert judge.version(0, "w").verdict == "unknown"
    assert "made_from" in judge.version(0, "w").why


def test_what_was_not_read_is_unknown_and_never_clean() -> None:
    judge = Judge([state(1, version("docs", "index", "d", not_assessed=("store.lance: not text",)))], {})
    assert judge.version(0, "docs").verdict == "unknown"
    assert "store.lance" in judge.version(0, "docs").why


def test_a_number_equal_to_an_order_number_names_nobody_but_is_not_clean() -> None:
    judge = Judge([state(1, version("docs", "index", "d"))], {("docs", "docs-d-"): (hit(certain=False),)})
    assert judge.version(0, "docs").verdict == "unknown"


def test_vectors_older_than_their_cleaned_documents_are_contaminated() -> None:
    def docs(content: str, vectors: str) -> State:
        return state(
            {"d1": 1, "LEAK": 2, "d2": 3}[content] + (vectors == "v3"),
            version("docs", "index", content, made_from=("docs",), vectors=vectors),
        )

    held = {("docs", "docs-LEAK-v2"): (hit(),)}
    judge = Judge([docs("d1", "v1"), docs("LEAK", "v2"), docs("d2", "v2"), docs("d2", "v3")], held)
    assert [judge.version(n, "docs").verdict for n in range(4)] == ["clean", "contaminated", "contaminated", "clean"]
    assert "vectors" in judge.version(2, "docs").why or "docs of" in judge.version(2, "docs").why


def test_vectors_of_which_nobody_said_what_they_were_made_from_are_unknown() -> None:
    judge = Judge([state(1, version("docs", "index", "d", vectors="v"))], {})
    assert judge.version(0, "docs").verdict == "unknown"


def test_a_circle_that_a_changed_description_made_ends() -> None:
    one = version("a", "weights", "a", made_from=("b",))
    two = version("b", "weights", "b", made_from=("a",))
    assert Judge([state(1, one, two)], {}).version(0, "a").verdict == "unknown"
