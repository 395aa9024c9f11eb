"""A person starts a playbook on a case, and steps of it wait for a word: given, withheld, too late, across a kill."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine import log
from tests.integration.engine.scene import PLUGIN, CoreHere, Scene, scene, wait
from tests.integration.engine.test_killed import kill
from tests.integration.engine.test_shop_away import Clock
from tests.wire.core_process import CoreProcess

from checkvalve.engine import responding

ENDPOINT = "plugin-exposes-llm-endpoint"


def waiting(staged: Scene) -> str:
    """The command that waits for a word; empty when none does."""
    found = staged.rows("SELECT id FROM commands WHERE kind = 'approval' AND status = 'waiting'")
    return str(found[0][0]) if found else ""


def came_of(staged: Scene) -> tuple[str, str]:
    """(status, detail) of the only approval."""
    ((outcome,),) = staged.rows("SELECT outcome FROM commands WHERE kind = 'approval'")
    found = json.loads(outcome)
    return found["status"], found["detail"]


def isolations(staged: Scene) -> int:
    return int(staged.rows("SELECT count(*) FROM orders WHERE action = 'isolate_plugin'")[0][0])


class People:
    """Speaks to a core that runs in this process."""

    def __init__(self, here: CoreHere) -> None:
        self._core = here.core
        loop = here.core.changed._loop
        assert loop is not None
        self._loop: asyncio.AbstractEventLoop = loop

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def start(self, case: str, playbook: str) -> Any:
        return self._do(responding.start(self._core, responding.Starting(case=case, playbook=playbook, by="user:lead")))

    def answer(self, command: str, approved: bool, reason: str) -> bool:
        return bool(self._do(responding.answer(self._core, command, approved=approved, reason=reason, by="user:admin")))


def contained(staged: Scene) -> str:
    staged.leak(0)
    return str(staged.respond()["case"]["id"])


def test_a_step_is_done_once_somebody_agrees_and_a_second_answer_is_told_that_it_is_late(tmp_path: Path) -> None:
    here = CoreHere(tmp_path / "data")
    with scene(here) as staged:
        case, people = contained(staged), People(here)
        assert isolations(staged) == 0
        assert people.start(case, ENDPOINT)["run"] == f"{case}.run2"
        command = wait(lambda: waiting(staged), "a step waits for a word")
        assert isolations(staged) == 0
        assert people.answer(command, True, "the assistant is not needed tonight")
        assert not people.answer(command, False, "no")
        shown = staged.respond()
        assert came_of(staged) == ("done", "approved by admin: the assistant is not needed tonight")
        assert isolations(staged) == 1
        kinds = [t["kind"] for t in shown["transitions"]]
        assert (kinds.count("run_started"), kinds.count("containment_failed")) == (1, 0)
        assert shown["case"]["status"] == "eradication_recovery"  # a closed way out stays closed whatever else is started

        staged.leak(3)  # what closes the way out again is the playbook that fits the case, not the last one that ran
        wait(lambda: len(staged.rows("SELECT id FROM runs")) == 3, "the playbook starts anew")
        staged.respond()
        third = staged.rows("SELECT playbook FROM runs WHERE id LIKE '%.run3'")
        assert third == [("plugin-exposes-customer-data",)]
        staged.core.stop()
        before = log.reduced(tmp_path / "data")
        assert log.replayed(tmp_path / "data", tmp_path / "copy") == before


def test_nobody_answers_and_the_safe_default_is_taken_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, here = Clock(monkeypatch), CoreHere(tmp_path / "data")
    with scene(here) as staged:
        case, people = contained(staged), People(here)
        people.start(case, ENDPOINT)
        command = wait(lambda: waiting(staged), "a step waits for a word")
        clock.ahead += 901
        shown = staged.respond()
        assert came_of(staged)[0] == "timeout"
        assert isolations(staged) == 0
        assert "nobody answered within 900 s as wordpress_admin; not done" in shown["case"]["notes"][-1]
        assert not people.answer(command, True, "sorry, asleep")
        assert isolations(staged) == 0


def test_an_approval_given_after_core_was_killed_counts_once(tmp_path: Path) -> None:
    core = CoreProcess(data=tmp_path / "data")
    with scene(core) as staged:
        case = contained(staged)
        asked = core.run("case", "run", case, ENDPOINT, "--by", "lead", "--json")
        assert json.loads(asked.stdout)["run"] == f"{case}.run2", asked.stderr
        assert core.run("case", "run", case, ENDPOINT, "--json").stdout == asked.stdout  # asked twice is asked once
        again = core.run("case", "run", case, "false-alarm")
        assert (again.returncode, again.stdout) == (2, "") and "is under way" in again.stderr
        wrong = core.run("case", "run", case, "no-such")
        assert wrong.returncode == 2 and len(wrong.stderr.splitlines()) == 1
        command = wait(lambda: waiting(staged), "a step waits for a word")
        kill(core)
        core.start()
        assert waiting(staged) == command
        core.stop()
        given_while_stopped(tmp_path / "data", command)
        core.start()
        staged.respond()
        assert isolations(staged) == 1
        assert came_of(staged) == ("done", "approved by admin: go")
        core.stop()
        before = log.reduced(tmp_path / "data")
        assert log.replayed(tmp_path / "data", tmp_path / "copy") == before


def given_while_stopped(data: Path, command: str) -> None:
    """The word is in the log, and core dies before it is digested."""
    from checkvalve.engine import decisions
    from checkvalve.engine.core import now_ms, open_core
    from checkvalve.engine.settings import Settings

    core = open_core(Settings(data=data))
    word = {"command": command, "approved": True, "reason": "go"}
    core.journal.append_many([decisions.draft("approval_given", at_ms=now_ms(), by="user:admin", **word)])
    core.close()


def test_a_command_that_takes_longer_than_it_may_ends_and_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, here = Clock(monkeypatch), CoreHere(tmp_path / "data")
    with scene(here) as staged:
        staged.line.cut()
        staged.leak(0)
        order = "SELECT id FROM commands WHERE kind = 'order' AND status = 'queued' AND outcome IS NOT NULL"
        ((command,),) = wait(lambda: staged.rows(order), "an order is tried again")
        with here.core.state.begin() as db:
            limit = "UPDATE commands SET data = json_set(data, '$.timeout_ms', 60000) WHERE id = ?"
            db.exec_driver_sql(limit, (command,))
        clock.ahead += 61
        ended = "SELECT json_extract(outcome, '$.status') FROM commands WHERE id = ? AND status = 'failed'"
        assert wait(lambda: staged.rows(ended, command), "the order ends") == [("timeout",)]
        assert not staged.shop.sensor.isolated(PLUGIN)
