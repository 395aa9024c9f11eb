"""The people of an exercise as it runs: what they were told and asked, what they answered, what its facilitator wants.

Whoever has a link takes part in the one role that the link names, in this exercise alone, until it expires: the link is
signed with the exercise's own key, which no other installation has. What is wished here is done by the director between two
moments of the exercise's clock; everything runs on one event loop. A role that nobody took up is played by good rules.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Literal, get_args

from sqlalchemy import select

from checkvalve.engine import cases, casework
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.exercise_clock import Clock
from checkvalve.engine.exercise_players import Reply, Scripted
from checkvalve.events import jws
from checkvalve.events.errors import EventError
from checkvalve.exercises.linter import somebody_real
from checkvalve.exercises.scenario import Decision, Inject, Means, Option, Role, Scenario, span_ms
from checkvalve.incidents.case import Incident
from checkvalve.incidents.escalation import Running
from checkvalve.store.schema import incidents

JOIN_TYP: Final = "checkvalve-exercise+jws"
JOIN_S: Final = 12 * 3600  # after what the exercise takes
READ_S: Final = 20.0  # before the short form goes on, when there is nothing to answer
SHORT_S: Final = 20 * 60.0
MAX_TEXT: Final = 1000
MAX_EXTRAS: Final = 50
PAGED: Final[tuple[Role, ...]] = ("incident_lead", "controller")  # whom the rota of an exercise stands for


@dataclass(slots=True, kw_only=True)
class Question:
    """`until_ms` by the exercise's clock. `chosen` None while open, and when nobody answered."""

    decision: Decision
    asked_ms: int
    until_ms: int
    chosen: Option | None = None
    open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something that people were told. `expected` is for the facilitator and for observers."""

    at_ms: int
    sender: str
    to: tuple[str, ...]
    means: str
    text: str
    expected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseNow:
    incident: Incident
    clocks: tuple[Running, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    decision: Decision
    option: Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Somebody is on it: every page that waits is acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """`what`: pause, continue, jump or skip (to `inject`), end."""

    what: Literal["pause", "continue", "jump", "skip", "end"]
    inject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """An inject that the scenario does not have."""

    inject: Inject


Wish = Answer | Acknowledged | Control | Extra


@dataclass(slots=True, kw_only=True)
class Room:
    """Made before the exercise, opened by it. `brisk`: the 20-minute form, whose clock runs on when nobody has anything to do.

    `wall_s` is the real time (seconds since the epoch) by which links expire.
    """

    scenario: Scenario
    brisk: bool
    wall_s: Callable[[], float]
    speed: float = 1.0
    on_open: Callable[["Room"], None] = lambda _: None
    name: str = ""
    core: Core | None = None
    clock: Clock = field(default_factory=lambda: Clock(0))
    start_ms: int = 0
    paused: bool = True  # until its facilitator begins
    begun: bool = False
    frozen: tuple[str, ...] = ()  # real cases that are open
    ended: bool = False
    percent: int | None = None  # the score, once there is one
    page: str | None = None  # what a page says that waits
    jump_ms: int = 0
    lines: list[Line] = field(default_factory=list)
    questions: dict[str, Question] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)  # roles that people took up
    _wishes: deque[Wish] = field(default_factory=deque)
    _extras: int = 0
    _stirred: float = field(default_factory=monotonic)
    _rules: Scripted = field(default_factory=lambda: Scripted(good=True))

    # --- who takes part ----------------------------------------------------------------------------------------------

    def open(self, core: Core, clock: Clock) -> None:
        self.core, self.name, self.clock, self.start_ms = core, core.surroundings.exercise, clock, clock.now_ms()
        self.on_open(self)

    @property
    def seats(self) -> tuple[str, ...]:
        return (*self.scenario.roles, "observer", "facilitator")

    def link(self, seat: str) -> str:
        """The token of a seat. Whoever has it sits there."""
        assert self.core is not None
        expires = int(self.wall_s() + span_ms(self.scenario.lasts) / 1000 / self.speed) + JOIN_S
        payload = {"exercise": self.name, "seat": seat, "exp": expires}
        return jws.sign(payload, typ=JOIN_TYP, kid="core", key=self.core.identity.core_key)

    def seat(self, token: str) -> str:
        """EngineError for a link that was not made for this exercise, or is over."""
        if self.core is None:
            raise EngineError("forbidden", "the exercise has not been opened yet; try again in a moment")
        try:
            payload = jws.verify(token, typ=JOIN_TYP, public_key=self.core.identity.core_public)
        except EventError as error:
            raise EngineError("forbidden", "this link was not made for this exercise, or it was cut short") from error
        if payload.get("exercise") != self.name or payload.get("seat") not in self.seats:
            raise EngineError("forbidden", "this link was not made for this exercise")
        if int(payload.get("exp", 0)) <= self.wall_s():
            raise EngineError("stale", "this link has expired; ask the facilitator for a new one")
        return str(payload["seat"])

    def join(self, seat: str) -> None:
        """A person plays this role from now on. Opening a link is not enough: programs that preview messages open it too."""
        if seat in self.scenario.roles:
            self.seen.add(seat)

    def cases(self) -> list[CaseNow]:
        """What core says now, the newest case first."""
        assert self.core is not None
        now = self.clock.now_ms()
        with self.core.state.read() as db:
            known = [cases.incident_of(s) for s in db.scalars(select(incidents.c.state).order_by(incidents.c.opened_ms.desc()))]
            return [CaseNow(incident=i, clocks=tuple(casework.running_clocks(db, i, now))) for i in known]

    # --- what they wish ----------------------------------------------------------------------------------------------

    def take(self) -> Wish | None:
        """The oldest wish that is not done yet. While it is paused or frozen only the facilitator's are."""
        for wish in self._wishes:
            if not (self.paused or self.frozen) or isinstance(wish, Control):
                self._wishes.remove(wish)
                return wish
        return None

    def answer(self, seat: str, decision: str, option: str) -> None:
        """The first answer of the role that is asked stands."""
        asked = self.questions.get(decision)
        chosen = next((o for o in asked.decision.options if o.id == option), None) if asked else None
        if asked is None or chosen is None or asked.decision.role != seat:
            raise EngineError("forbidden", "this was not asked of your role")
        self._playing()
        if not asked.open:
            raise EngineError("too_late", "this was answered, or its time is over")
        asked.open, asked.chosen = False, chosen
        self._stir(Answer(decision=asked.decision, option=chosen))

    def acknowledge(self, seat: str) -> None:
        if seat not in PAGED:
            raise EngineError("forbidden", "the page went to another role")
        self._playing()
        if self.page is None:
            raise EngineError("too_late", "the page was acknowledged before")
        self.page = None
        self._stir(Acknowledged())

    def control(self, seat: str, control: Control) -> None:
        self._facilitator(seat)
        known = {i.id for i in self.scenario.injects} - self.given - self.skipped
        if control.what in ("jump", "skip") and control.inject not in known:
            raise EngineError("too_late", "that inject was given or left out already")
        self._stir(control)

    def add(self, seat: str, sender: str, to: Sequence[str], means: str, text: str) -> None:
        """An inject that the scenario does not have, now. To nobody: to everybody."""
        self._facilitator(seat)
        roles = [r for r in self.scenario.roles if r in to] or list(self.scenario.roles)
        text, sender = " ".join(text.split()), " ".join(sender.split()) or "the facilitator"
        if not text or len(text) > MAX_TEXT or len(sender) > 80 or means not in get_args(Means):
            raise EngineError(
                "bad_request", f"an inject has a text of at most {MAX_TEXT} characters and a sender of at most 80"
            )
        if real := next(somebody_real(f"{sender} {text}"), None):
            raise EngineError("bad_request", f"nobody real may be named in an exercise: {real}")
        if self._extras >= MAX_EXTRAS:
            raise EngineError("bad_request", f"an exercise takes at most {MAX_EXTRAS} extra injects")
        self._extras += 1
        inject = Inject(
            id=f"extra-{self._extras}", at="0m", sender=sender, to=roles, means=means,  # type: ignore[arg-type] # looked up
            text=text, expected="", objective=self.scenario.objectives[0].id,
        )  # fmt: skip
        self._stir(Extra(inject=inject))

    def _facilitator(self, seat: str) -> None:
        if seat != "facilitator":
            raise EngineError("forbidden", "only the facilitator leads the exercise")
        if self.ended:
            raise EngineError("too_late", "the exercise has ended")

    def _playing(self) -> None:
        if self.ended:
            raise EngineError("too_late", "the exercise has ended")
        if self.paused or self.frozen:
            raise EngineError("too_late", "the exercise stands still; answer when it goes on")

    def _stir(self, wish: Wish) -> None:
        self._stirred = monotonic()
        self._wishes.append(wish)

    # --- time --------------------------------------------------------------------------------------------------------

    def flies(self) -> bool:
        """Whether the clock need not wait: for a jump, and in the short form when nobody has anything to do any more."""
        if self.clock.now_ms() < self.jump_ms:
            return True
        if not self.brisk:
            return False
        waits = self.page is not None or any(q.open for q in self.questions.values())
        share = SHORT_S / max(1, len(self.scenario.injects))
        return monotonic() - self._stirred >= (share if waits else READ_S)

    # --- as players (exercise_players.Players) -----------------------------------------------------------------------

    @property
    def players(self) -> str:
        people = sorted(s for s in self.seen if s in self.scenario.roles)
        return f"people: {', '.join(people)}" if people else "people: none"

    def told(self, inject: Inject) -> None:
        told = {n: getattr(inject, n) for n in ("sender", "means", "text", "expected")}
        self.lines.append(Line(at_ms=self.clock.now_ms(), to=tuple(inject.to), **told))
        self.given.add(inject.id)
        self._stirred = monotonic()

    async def acknowledges(self, page: str) -> int | None:
        if "incident_lead" not in self.seen:  # who is paged first
            return await self._rules.acknowledges(page)
        self.page, self._stirred = page, monotonic()
        return None

    async def answers(self, decision: Decision) -> Reply:
        if decision.role not in self.seen:
            return await self._rules.answers(decision)
        within, now = span_ms(decision.within), self.clock.now_ms()
        self.questions[decision.id] = Question(decision=decision, asked_ms=now, until_ms=now + within)
        return Reply(option=None, after_ms=within)

    def close(self, decision: str) -> bool:
        """Its time is over. Whether nobody has answered."""
        asked = self.questions.get(decision)
        if asked is None:
            return True
        asked.open = False
        return asked.chosen is None
