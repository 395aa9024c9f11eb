"""Who answers in an exercise: rules that do the best or the worst, and, in solo, a person for one role at a terminal."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

from checkvalve.engine.errors import EngineError
from checkvalve.exercises.scenario import Decision, Inject, Option, Role, span_ms

MINUTE_MS: Final = 60_000
GOOD_ACK_MS: Final = 4 * MINUTE_MS
BAD_ACK_MS, AWAKE_ACK_MS = 95 * MINUTE_MS, 25 * MINUTE_MS  # the first page, and those that follow
GOOD_THINKS_MS: Final = 6 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`option` None: nobody answers. `after_ms` by the exercise's clock."""

    option: Option | None
    after_ms: int


class Players(Protocol):
    name: str

    def told(self, inject: Inject) -> None: ...
    async def acknowledges(self, page: str) -> int | None:
        """ms until somebody acknowledges what a page says; None when it is not known yet (`exercise_room`)."""
        ...

    async def answers(self, decision: Decision) -> Reply: ...


class Scripted:
    """`good`: the best option, soon. Else the worst one late, or nothing where a scenario names no worst."""

    def __init__(self, *, good: bool) -> None:
        self.name = f"scripted:{'good' if good else 'bad'}"
        self._good, self._awake = good, False

    def told(self, inject: Inject) -> None:
        """Reads nothing."""

    async def acknowledges(self, page: str) -> int:  # noqa: ARG002
        if self._good:
            return GOOD_ACK_MS
        awake, self._awake = self._awake, True
        return AWAKE_ACK_MS if awake else BAD_ACK_MS

    async def answers(self, decision: Decision) -> Reply:
        within = span_ms(decision.within)
        if self._good:
            return Reply(option=next(o for o in decision.options if o.best), after_ms=min(GOOD_THINKS_MS, within // 4))
        return Reply(option=next((o for o in decision.options if o.worst), None), after_ms=within * 4 // 5)


class Solo:
    """A person in one role, or in every role; good rules play the others. The time somebody thinks counts `speed` times."""

    def __init__(self, role: Role | None, say: Callable[[str], None], ask: Callable[[str], str], speed: float) -> None:
        self.name = f"solo:{role or 'all'}"
        self._role, self._say, self._ask, self._speed = role, say, ask, speed
        self._others = Scripted(good=True)

    def told(self, inject: Inject) -> None:
        if self._role is None or self._role in inject.to:
            self._say(f"EXERCISE  +{inject.at}  {inject.sender} ({inject.means}): {inject.text}")

    async def acknowledges(self, page: str) -> int:
        if self._role not in (None, "incident_lead"):
            return await self._others.acknowledges(page)
        _, took_ms = await self._timed(f"{page} Press Enter to acknowledge ")
        return took_ms

    async def answers(self, decision: Decision) -> Reply:
        if self._role not in (None, decision.role):
            return await self._others.answers(decision)
        self._say(f"EXERCISE  {decision.role.replace('_', ' ')}: {decision.asks} (within {decision.within})")
        for number, option in enumerate(decision.options, start=1):
            self._say(f"    {number}  {option.text}")
        took = 0
        while True:
            said, more_ms = await self._timed(f"1 to {len(decision.options)}, or Enter for no answer: ")
            took += more_ms
            if not said.strip():
                return Reply(option=None, after_ms=took)
            if said.strip().isascii() and said.strip().isdigit() and 1 <= int(said) <= len(decision.options):
                return Reply(option=decision.options[int(said) - 1], after_ms=took)

    async def _timed(self, question: str) -> tuple[str, int]:
        started = monotonic()
        try:
            said = await asyncio.to_thread(self._ask, question)
        except EOFError as error:
            raise EngineError("no_answer", "there is no answer to be had here: --solo needs a terminal") from error
        return said, int((monotonic() - started) * 1000 * self._speed)
