"""Who is to be paged next about a case. Pure: alarms, what was paged, what was acknowledged and the time go in.

Page -> acknowledge -> time-out -> next rung -> all hands, repeated a bounded number of times. An acknowledgement ends the
alarms of its case that were raised before it; a clock that falls below its next margin is a new alarm, and so is a step that
waits for a person's word. What came of that is told once, to those who were paged for it. No quiet hours: a leak of other
people's data is always of the worst kind.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from checkvalve.incidents.case import Incident
from checkvalve.regimes.deadline import SATURDAY, from_ms

MARGINS_H: Final = (24, 12, 6, 3, 1, 0)  # hours left of a clock at which people are told; 0: it has run out
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
TEST_EVERY_MS: Final = 28 * 24 * HOUR_MS
TEST_HOURS: Final = range(8, 15)
GIVE_UP_MS: Final = 24 * HOUR_MS  # an alarm that nobody could be told of for so long is told by the console alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """People paged together, and how long they have to acknowledge."""

    contacts: tuple[str, ...]
    wait_minutes: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """`away`: for each contact, spans of time (ms) in which it is not paged, except by all hands, and who stands in, or ""."""

    rungs: tuple[Rung, ...]
    away: Mapping[str, tuple[tuple[int, int, str], ...]] = field(default_factory=dict)
    repeat_minutes: int = 15
    repeats: int = 4

    @property
    def everybody(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c for r in self.rungs for c in r.contacts))

    def present(self, rung: int, now_ms: int) -> tuple[str, ...]:
        """Whom a rung reaches now; beyond the last rung it is everybody."""
        if rung >= len(self.rungs):
            return self.everybody
        reached = (self._reached(c, now_ms) for c in self.rungs[rung].contacts)
        return tuple(dict.fromkeys(c for c in reached if c))

    def _reached(self, contact: str, now_ms: int) -> str:
        """Who is paged for a contact: itself, who stands in for it, or nobody. A stand-in who is away is not replaced again."""
        stands_in = self.absent(contact, now_ms)
        if stands_in is None:
            return contact
        return stands_in if stands_in and self.absent(stands_in, now_ms) is None else ""

    def absent(self, contact: str, now_ms: int) -> str | None:
        """None when a contact is there; else who stands in, or ""."""
        return next((who for a, b, who in self.away.get(contact, ()) if a <= now_ms < b), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A clock of the case. `met`: a person filed, or decided with a reason that no notice is given."""

    clock: str
    due_ms: int
    met: bool
    regime: str = "gdpr_art33"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A step of a playbook that waits for a person's word until `until_ms`, or did. `outcome`: what came of it; None: it waits.

    `role` may answer. `settled`: what follows from the answer is done as well.
    """

    command: str
    role: str
    raised_ms: int
    until_ms: int
    outcome: str | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """`id` is the same every time it is worked out. `due_ms` is when time runs out, where it does.

    `told`: it goes once to those who were paged for the alarm named, and climbs no rung.
    """

    id: str
    reason: str
    raised_ms: int
    clock: str = ""
    due_ms: int | None = None
    command: str = ""
    role: str = ""
    outcome: str = ""
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged:
    """A page that went out. `reached`: at least one channel took it."""

    alarm: str
    rung: int
    at_ms: int
    reached: bool
    contacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """To be sent now."""

    alarm: Alarm
    rung: int
    contacts: tuple[str, ...]


def alarms(incident: Incident, clocks: Iterable[Running], now_ms: int, asked: Iterable[Asked] = ()) -> list[Alarm]:
    """What people have to know of now. Of the margins of a clock only the smallest that has been passed."""
    found = [alarm for a in asked if (alarm := _approval(a)) is not None]
    if incident.status != "closed":
        found.append(Alarm(id="leak", reason="leak", raised_ms=incident.detected_ms))
        failed_ms = incident.containment_failed_ms
        if failed_ms is not None and failed_ms > (incident.last_closed_ms or 0):
            found.append(Alarm(id="containment", reason="containment_failed", raised_ms=failed_ms))
        if incident.trade_suffered_ms is not None:
            found.append(Alarm(id="trade", reason="trade_suffered", raised_ms=incident.trade_suffered_ms))
        if incident.contained_ms is not None and incident.last_seen_ms > incident.contained_ms:  # also once closed again
            found.append(Alarm(id="reopened", reason="reopened", raised_ms=incident.last_seen_ms))
    for clock in clocks:
        passed = [m for m in MARGINS_H if now_ms >= clock.due_ms - m * HOUR_MS]
        if passed and not clock.met:
            margin = min(passed)
            raised = clock.due_ms - margin * HOUR_MS
            reason = "clock_margin" if margin else "clock_over"
            alarm_id = f"{clock.clock}.{clock.due_ms}.{margin}h"  # another awareness is another clock
            found.append(Alarm(id=alarm_id, reason=reason, raised_ms=raised, clock=clock.clock, due_ms=clock.due_ms))
    return found


def _approval(asked: Asked) -> Alarm | None:
    waits = Alarm(
        id=f"approval.{asked.command}",
        reason="approval",
        raised_ms=asked.raised_ms,
        due_ms=asked.until_ms,
        command=asked.command,
        role=asked.role,
    )
    if asked.outcome is None:
        return waits
    if not asked.settled:
        return None
    return replace(waits, id=f"answered.{asked.command}", reason="answered", due_ms=None, outcome=asked.outcome, told=waits.id)


def page_test_due(last_ms: int | None, now_ms: int) -> bool:
    """Whether a test page goes out by itself: a month after the last one, by day on a working day (UTC).

    The first is a person's: nobody is paged by a rota that was only just typed in.
    """
    if last_ms is None or now_ms < last_ms + TEST_EVERY_MS:
        return False
    at = from_ms(now_ms)
    return at.weekday() < SATURDAY and at.hour in TEST_HOURS


def due_pages(
    raised: Iterable[Alarm], paged: Sequence[Paged], acknowledged_ms: Sequence[int], rota: Rota, now_ms: int
) -> list[Page]:
    """The pages to send now, at most one for an alarm."""
    found = []
    for alarm in raised:
        if alarm.told:
            found += _told(alarm, paged)
            continue
        mine = sorted((p for p in paged if p.alarm == alarm.id), key=lambda p: p.at_ms)
        if mine and any(at >= mine[0].at_ms for at in acknowledged_ms):
            continue
        rung = _next_rung(mine, rota, now_ms)
        if rung is not None and (contacts := rota.present(rung, now_ms)):
            found.append(Page(alarm=alarm, rung=rung, contacts=contacts))
    return found


def _told(alarm: Alarm, paged: Sequence[Paged]) -> list[Page]:
    """To those who were paged for what this answers, once."""
    before = [p for p in paged if p.alarm == alarm.told and p.contacts]
    if not before or any(p.alarm == alarm.id for p in paged):
        return []
    contacts = tuple(dict.fromkeys(c for p in before for c in p.contacts))
    return [Page(alarm=alarm, rung=before[-1].rung, contacts=contacts)]


def _next_rung(mine: Sequence[Paged], rota: Rota, now_ms: int) -> int | None:
    last = len(rota.rungs)
    if not mine:
        return _manned(0, rota, now_ms)
    newest = mine[-1]
    if newest.rung >= last:  # all hands were called: again, so many times
        calls = sum(p.rung >= last for p in mine)
        waited = now_ms >= newest.at_ms + rota.repeat_minutes * MINUTE_MS
        return last if waited and calls <= rota.repeats and now_ms < mine[0].at_ms + GIVE_UP_MS else None
    wait = rota.rungs[newest.rung].wait_minutes * MINUTE_MS if newest.reached else 0
    return _manned(newest.rung + 1, rota, now_ms) if now_ms >= newest.at_ms + wait else None


def _manned(rung: int, rota: Rota, now_ms: int) -> int:
    """The first rung from here on that reaches somebody; all hands when none does."""
    return next((r for r in range(rung, len(rota.rungs)) if rota.present(r, now_ms)), len(rota.rungs))
