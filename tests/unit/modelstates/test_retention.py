"""What may go by age: the rest stays as restic counts it, and nothing that shows what a model was made from."""

from tests.unit.modelstates.states import hit, state, version

from checkvalve.modelstates.manifest import State
from checkvalve.modelstates.retention import Policy, expired
from checkvalve.modelstates.verdict import Judge

NONE = Policy(daily=0, weekly=0, monthly=0)


def days(found: list[State]) -> list[str]:
    return [s.id for s in found]


def history(number: int) -> Judge:
    return Judge([state(n, version("docs", "training", str(n))) for n in range(1, number + 1)], {})


def test_the_newest_of_each_day_week_and_month_stays() -> None:
    judge = history(100)  # from 2 January to 11 April 1970
    gone = set(days(expired(judge, (), Policy(daily=3, weekly=2, monthly=2))))
    assert set(days(judge.states)) - gone == {"day98", "day99", "day100", "day94", "day89"}
    assert expired(judge, (), Policy(daily=100)) == []


def test_what_is_on_hold_and_the_newest_stay_whatever_the_policy() -> None:
    assert days(expired(history(4), ("day2",), NONE)) == ["day1", "day3"]
    assert expired(history(0), (), NONE) == []


def test_the_newest_that_was_read_whole_stays() -> None:
    unread = version("docs", "training", "x", not_assessed=("a.pdf: not text",))
    judge = Judge([state(1, version("docs", "training", "1")), state(2, unread), state(3, unread)], {})
    assert days(expired(judge, (), NONE)) == ["day2"]


def test_what_shows_that_an_adapter_was_trained_from_a_leak_stays() -> None:
    def on(day: int, dialogs: str, tone: str) -> State:
        made = version("tone", "adapters", tone, made_from=("dialogs",))
        return state(day, version("dialogs", "training", dialogs), made)

    history = [on(1, "old", "a"), on(2, "old", "a"), on(3, "leak", "b"), on(4, "new", "b"), on(5, "new", "b")]
    held = {("dialogs", "dialogs-leak-"): (hit(),)}
    kept = [s for s in history if s not in expired(Judge(history, {}), (), NONE)]
    judge = Judge(kept, held)
    assert "day3" in days(kept), "without it the adapter would look clean"
    assert judge.version(len(kept) - 1, "tone").verdict == "contaminated"
    assert "day4" not in days(kept)
