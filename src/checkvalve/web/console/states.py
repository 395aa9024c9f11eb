"""Model states: which there are, how old the newest is, and which one was taken before the leak of an open case."""

from dataclasses import dataclass

from starlette.responses import Response

from checkvalve.engine import queries
from checkvalve.engine.errors import EngineError
from checkvalve.engine.vault import open_vault
from checkvalve.modelstates.errors import ModelStateError
from checkvalve.modelstates.manifest import State
from checkvalve.modelstates.verdict import Judge, Verdict
from checkvalve.web.console.visits import Visit, show

SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLine:
    """`whole`: everything of it was read, so that a search in it can say "clean"."""

    state: State
    documents: int
    whole: bool
    doubt: str


def states(visit: Visit) -> Response:
    """Newest first. Whose data a state holds is answered by a search for people, which needs their data and is no page."""
    try:
        vault = open_vault(visit.core.settings.data)
        found, refused, problem = vault.states(), vault.refused(), None
    except (EngineError, ModelStateError) as error:
        found, refused, problem = [], {}, error.hint if isinstance(error, EngineError) else str(error)
    judge = Judge(found, {})
    lines = [_line(s, judge.state(n)) for n, s in enumerate(judge.states)]
    lines.reverse()
    cases = [c for c in queries.overview(visit.core.state).open if visit.user.sees(c.incident.site)]
    return show(
        visit,
        "states.html",
        lines=lines[:SHOWN],
        more=max(0, len(lines) - SHOWN),
        refused=refused,
        problem=problem,
        newest=lines[0] if lines else None,
        whole=next((line for line in lines if line.whole), None),
        before=[(c, _before(lines, c.incident.first_seen_ms)) for c in cases],
    )


def _line(state: State, nothing_sought: Verdict) -> StateLine:
    whole = nothing_sought.verdict == "clean"
    documents = sum(v.documents for v in state.versions)
    return StateLine(state=state, documents=documents, whole=whole, doubt="" if whole else nothing_sought.why)


def _before(lines: list[StateLine], first_seen_ms: int) -> StateLine | None:
    """The newest state that the vault received before data was first shown, and read whole."""
    return next((line for line in lines if line.whole and line.state.received_ms < first_seen_ms), None)
