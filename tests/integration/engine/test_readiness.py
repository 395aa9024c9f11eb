"""Reviews as entries of the log, and an installation asked what would fail tonight."""

import json
from pathlib import Path

import pytest
from tests.integration.engine.scene import scene
from tests.wire.core_process import CoreProcess

from checkvalve.engine import readiness, reviews
from checkvalve.engine.changed import Changed
from checkvalve.engine.core import now_ms, open_core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.offline import add_user
from checkvalve.engine.pipeline import Pipeline
from checkvalve.engine.rebuilding import copy_kept
from checkvalve.engine.reducing import Reducer
from checkvalve.engine.settings import Settings, load_settings
from checkvalve.store.state import open_state

BAD = Path(__file__).parents[2] / "unit" / "posture" / "bad"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with scene(CoreProcess(data=tmp_path / "data")):
        pass
    return load_settings(tmp_path / "data")


def test_a_review_done_is_due_again_later_also_after_the_state_was_rebuilt_from_the_log(settings: Settings) -> None:
    assert all(s.due_ms == 0 for s in readiness.standings(settings))
    readiness.state(settings, readiness.Done(review="contacts", by="user:cli"))
    readiness.state(settings, readiness.Done(review="posture", by="user:cli", good=False, notes="port 11434 is open"))
    with pytest.raises(EngineError, match="known: page-test"):
        readiness.state(settings, readiness.Done(review="weather", by="user:cli"))
    with pytest.raises(EngineError, match="what is to be mended"):
        readiness.state(settings, readiness.Done(review="contacts", by="user:cli", good=False))
    before = {s.review.id: (s.done_ms, s.good, s.notes) for s in readiness.standings(settings)}
    assert before["contacts"][1:] == (True, "")
    assert before["posture"][1:] == (False, "port 11434 is open")
    core, state = open_core(settings), open_state(settings.data / "again.db")
    copy_kept(core.state, state)
    Pipeline(core.journal, Reducer(state, core.identity.repeat_key), Changed()).catch_up()
    with state.read() as db:
        assert {s.review.id: (s.done_ms, s.good, s.notes) for s in reviews.standings(db)} == before
    state.close()
    core.close()
    last = readiness.standings(settings)[-1]
    assert last.review.id == "contacts"
    assert last.as_json(last.due_ms - 1)["overdue"] is False
    assert last.as_json(last.due_ms)["overdue"] is True


def test_what_would_fail_tonight_is_seen_and_what_was_mended_is_not(settings: Settings) -> None:
    first = {g.question.id: g.what for g in readiness.tonight(settings, now_ms()).gaps}
    assert {"core", "gateway", "rota", "controller", "second-person", "exercise", "reviews", "model-state"} <= first.keys()
    for name in ("ada", "bo"):
        add_user(settings, name, "a long enough password", ("controller",))
    for review in reviews.known():
        readiness.state(settings, readiness.Done(review=review, by="user:cli"))
    found = readiness.tonight(settings, now_ms(), str(BAD))
    assert not {"controller", "second-person", "exercise", "reviews"} & {g.question.id for g in found.gaps}
    assert "containment" in {g.question.id for g in found.gaps}
    assert "contracts" in {g.question.id for g in found.not_assessed}
    readiness.keep_contracts(settings, json.dumps({"contracts": [{"party": "Example Hosting", "kind": "host"}]}).encode())
    contracts = next(g for g in readiness.tonight(settings, now_ms()).gaps if g.question.id == "contracts")
    assert contracts.what == "no contract with a payment provider; Example Hosting: 12 of 12 provisions open"
