"""The newest clean versions that fit each other; what is lost is said."""

import pytest
from tests.unit.modelstates.states import DAY, hit, state, version

from checkvalve.modelstates.composition import Proposal, propose
from checkvalve.modelstates.manifest import State, Version
from checkvalve.modelstates.verdict import Judge


def chosen(proposal: Proposal) -> dict[str, str]:
    return {p.version.component: p.state for p in proposal.parts}


def base(content: str, tokenizer: str = "tok") -> Version:
    return version("base", "weights", content, made_from=(), tokenizer=tokenizer)


def tone(content: str, on: Version) -> Version:
    return version("tone", "adapters", content, needs=("base", on.digest), made_from=())


def prompts(content: str, on: Version) -> Version:
    return version("prompts", "prompts", content, needs=("base", on.tokenizer))


B1, B2 = base("b1"), base("b2")


def test_the_later_clean_adapter_is_kept_when_the_documents_go_back() -> None:
    def day(n: int, docs: str, adapter: str) -> State:
        return state(n, B1, tone(adapter, B1), version("docs", "index", docs, needs=("base", B1.digest)))

    history = [day(3, "d3", "t1"), day(4, "LEAK", "t1"), day(5, "LEAK", "t2")]
    proposal = propose(Judge(history, {("docs", "docs-LEAK-"): (hit(),)}))
    assert chosen(proposal) == {"base": "day5", "tone": "day5", "docs": "day3"}
    [docs] = [p for p in proposal.parts if p.version.component == "docs"]
    assert docs.why_not_newest.startswith("contaminated")
    assert (docs.newest_ms - docs.received_ms) / DAY == 2
    assert {p.why_not_newest for p in proposal.parts if p.version.component != "docs"} == {""}


def test_what_does_not_fit_the_base_that_comes_back_is_not_mixed_with_it() -> None:
    history = [state(1, B1, tone("t1", B1)), state(2, B2, tone("t2", B2))]
    held = {("base", "base-b2-"): (hit(),)}
    assert chosen(propose(Judge(history, held))) == {"base": "day1", "tone": "day1"}
    held = {("tone", "tone-t2-"): (hit(),)}
    proposal = propose(Judge(history, held))
    assert chosen(proposal) == {"base": "day1", "tone": "day1"}, "a whole state before a newer half"
    assert [p.why_not_newest for p in proposal.parts if p.version.component == "base"] == ["others do not fit it"]


def test_prompts_fit_every_base_with_their_tokenizer() -> None:
    one, two, other = base("b1", "tok"), base("b2", "tok"), base("b3", "tok3")
    history = [state(1, one, prompts("p1", one)), state(2, two, prompts("LEAK", two))]
    held = {("prompts", "prompts-LEAK-"): (hit(),)}
    assert chosen(propose(Judge(history, held))) == {"base": "day2", "prompts": "day1"}
    history = [state(1, one, prompts("p1", one)), state(2, other, prompts("LEAK", other))]
    assert chosen(propose(Judge(history, held))) == {"base": "day1", "prompts": "day1"}


def test_without_a_clean_version_a_component_is_left_out_and_said_why() -> None:
    proposal = propose(Judge([state(1, B1, tone("LEAK", B1))], {("tone", "tone-LEAK-"): (hit(),)}))
    assert chosen(proposal) == {"base": "day1"}
    assert "no clean version" in proposal.left_out["tone"]


def test_unknown_is_brought_back_only_when_accepted_and_contaminated_never() -> None:
    odd = version("docs", "index", "d", not_assessed=("x.lance: not text",), needs=("base", B1.digest))
    judge = Judge([state(1, B1, odd)], {})
    assert "docs" in propose(judge).left_out
    assert chosen(propose(judge, accept_unknown=frozenset({"docs"}))) == {"base": "day1", "docs": "day1"}
    dirty = Judge([state(1, B1, odd)], {("docs", "docs-d-"): (hit(),)})
    assert "docs" in propose(dirty, accept_unknown=frozenset({"docs"})).left_out


@pytest.mark.parametrize(("before", "expected"), [(2 * DAY, "day1"), (2 * DAY + 1, "day2")])
def test_only_what_had_arrived_before(before: int, expected: str) -> None:
    judge = Judge([state(1, B1), state(2, B2), state(3, base("b3"))], {})
    assert chosen(propose(judge, before_ms=before)) == {"base": expected}


def test_many_versions_of_weights_are_still_decided() -> None:
    history = [state(n, base(f"b{n}"), version("embedder", "weights", f"e{n}", made_from=())) for n in range(1, 200)]
    assert chosen(propose(Judge(history, {}))) == {"base": "day199", "embedder": "day199"}


def test_nothing_signed_gives_nothing() -> None:
    assert propose(Judge([], {})).parts == ()
