"""The questions of the first minute, answered: is the way out closed, does the checkout work, what comes next.

Pure functions of what the queries gave and the time. An answer is never better than what is known now: orders end by
themselves, data may be shown again, a checkout that worked an hour ago is a checkout that worked an hour ago.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from checkvalve.engine.views import CaseFile, CommandRow, Overview
from checkvalve.incidents.case import Incident
from checkvalve.web.console import present, times, words
from checkvalve.web.console.present import ClockFace, OrderLine
from checkvalve.web.console.visits import AWARENESS, ORGANISATION, approvers, doers

ENDS_SOON_MS = 60 * 60 * 1000  # an order that ends within this time is a task
AWARENESS_STEP = "Confirm when you became aware"  # the playbooks' name for what the awareness form does
ORGANISATION_FIELDS = ("contact", "controller")  # of a draft: filled by the organisation form


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`head`: a word or two in large letters. `tone` good, warn, bad, wait or off."""

    tone: str
    head: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What a person should do. `path`: where the console helps, below the case or from the root; `may`: the roles it takes.

    Without a path it is done elsewhere, by anybody.
    """

    text: str
    detail: str = ""
    urgent: bool = False
    path: str = ""
    label: str = ""
    may: frozenset[str] = frozenset()


def watching(found: Overview, tones: Collection[str], now_ms: int) -> Answer:
    """What "no open incident" is worth: no news is good news only while everything that would bring bad news works."""
    sensors = [s for shop in found.shops for s in shop.sensors] + list(found.gateways)
    heard = [s.last_seen_ms for s in sensors if s.last_seen_ms is not None]
    if not sensors:
        tone, said = "wait", "No sensor is paired: nothing is being watched."
    elif not found.gateways:
        tone, said = "warn", "No LLM gateway is paired: what the model answers is not being watched."
    elif not heard:
        since = times.utc(min(s.paired_ms for s in sensors))
        tone, said = "wait", f"Paired {since}. No sensor has said anything yet."
    elif not {"bad", "warn"}.isdisjoint(tones):
        tone, said = "warn", "But not everything that watches is well: see below."
    else:
        since = times.utc(min(s.paired_ms for s in sensors))
        tone, said = "good", f"Watched since {since}; the newest event came {times.span(now_ms - max(heard))} ago."
    return Answer(tone=tone, head="No open incident", said=said)


def closure(incident: Incident, orders: Iterable[OrderLine], now_ms: int) -> Answer:
    """Whether the way out is closed now."""
    closed_ms = incident.last_closed_ms
    failed_ms = incident.containment_failed_ms
    if failed_ms is not None and failed_ms > (closed_ms or 0):
        again = " It is tried again by itself." if incident.started_ms > failed_ms else ""
        said = f"No automatic step closed the way out. Data may still be leaving.{again}"
        return Answer(tone="bad", head="NOT closed", said=said)
    if closed_ms is None:
        since = times.span(now_ms - incident.detected_ms)
        return Answer(
            tone="warn", head="Not closed yet", said=f"{since} since detection; the way out is not known to be closed."
        )
    if incident.last_seen_ms > closed_ms:
        ago = times.span(now_ms - incident.last_seen_ms)
        again = f"Data was shown {ago} ago. The way out had been closed {times.utc(closed_ms)}."
        if incident.status == "containment":
            again += " It is being closed again."
        return Answer(tone="bad", head="Shown AGAIN", said=again)
    when = f"{times.span(closed_ms - incident.detected_ms)} after detection, {times.utc(closed_ms)}."
    if incident.status == "closed":
        return Answer(tone="good", head="Closed", said=f"{when} So is the case.")
    ends = [o.order.expires_ms for o in orders if o.tone == "good"]
    if not ends:
        lapsed = f"It was closed {times.utc(closed_ms)}, but no order holds it closed any more."
        return Answer(tone="bad", head="NOT held closed", said=lapsed)
    first = min(ends)
    held = f"{when} The orders end by themselves {times.utc(first)}, in {times.span(first - now_ms)}."
    return Answer(tone="warn" if first - now_ms < ENDS_SOON_MS else "good", head="Closed", said=held)


def checkout(commands: Sequence[CommandRow], now_ms: int) -> Answer:
    """What the newest try of the checkout said."""
    tried = [i for i, c in enumerate(commands) if c.kind == "probe" and c.ended_ms is not None]
    if not tried:
        return Answer(tone="wait", head="not tried yet", said="")
    last = commands[tried[-1]]
    line, name = present.probe_line(last), words.command_name(last)
    ago = f"{times.span(now_ms - (last.ended_ms or now_ms))} ago"
    mended = last.data.get("when") == "after roll-back"
    if line.tone == "good":
        paid = f" over {line.total}" if line.total else ""
        back = f" \u201c{name}\u201d had broken it and was taken back." if mended else ""
        return Answer(tone="good", head="works", said=f"A test order{paid} went through {ago} and was cancelled.{back}")
    if mended:
        return Answer(tone="bad", head="FAILS", said=f"{ago}, although \u201c{name}\u201d was taken back: {line.why}.")
    if last.data.get("when") != "after":
        return Answer(tone="bad", head="FAILS", said=f"{ago}, before \u201c{name}\u201d was done: {line.why}.")
    if any(c.kind == "release" and c.status == "done" for c in commands[tried[-1] :]):
        back = f"It failed after \u201c{name}\u201d ({line.why}). That was taken back; the checkout is tried again now."
        return Answer(tone="warn", head="tried again now", said=back)
    return Answer(tone="bad", head="FAILS", said=f"{ago}, after \u201c{name}\u201d: {line.why}.")


def next_steps(file: CaseFile, clock: ClockFace, closed: Answer, buys: Answer) -> list[NextStep]:
    """What a person should do, the most urgent first. Nothing is asked for a case that is closed."""
    if not file.case.open:
        return []
    return [
        *_stop(file.case.incident, closed),
        *_approvals(file),
        *_deaf(file),
        *_buy(buys),
        *_clock(file.case.incident, clock),
        *_tasks(file),
        *_draft(file),
    ]


def _stop(incident: Incident, closed: Answer) -> list[NextStep]:
    plugin = f"the plugin {incident.plugin}" if incident.plugin else ""
    if closed.tone == "bad":
        text = f"Switch {plugin} off yourself: in WordPress, Plugins, Deactivate." if plugin else "Switch the model server off."
        return [NextStep(text=text, detail="Do not delete anything: it is evidence. Then place a test order.", urgent=True)]
    if closed.tone == "warn" and incident.contained_ms is not None:
        text = f"Repair or switch off {plugin or 'whatever asks the model'} before the orders end."
        return [NextStep(text=text, detail=closed.said, urgent=True)]
    return []


def _deaf(file: CaseFile) -> list[NextStep]:
    """Orders that the shop does not take are tried again; what they would close is open meanwhile."""
    tried = [c for c in file.commands if c.kind == "order" and c.ended_ms is None and c.outcome.get("status") == "retrying"]
    if not tried:
        return []
    why = str(tried[-1].outcome.get("detail") or "the shop does not answer")
    detail = f"{why[:1].upper()}{why[1:]}. Orders are tried again by themselves."
    return [NextStep(text="See that the shop runs, or switch the plugin off on its server.", detail=detail, urgent=True)]


def _buy(buys: Answer) -> list[NextStep]:
    if buys.tone not in ("bad", "warn"):
        return []
    return [NextStep(text="Place a test order in the shop.", detail=buys.said, urgent=buys.tone == "bad")]


def _approvals(file: CaseFile) -> list[NextStep]:
    """Steps that wait for a word; each says what happens without one."""
    return [
        NextStep(
            text=f"Approve or reject: {a.name}.",
            detail=f"Without a word by {times.utc(a.until_ms)} it is {'done' if a.default == 'approve' else 'not done'}.",
            urgent=True,
            path=f"approvals/{a.command}",
            label="Decide \u2026",
            may=approvers(a.role),
        )
        for a in present.approvals(file)
        if not a.said
    ]


def _clock(incident: Incident, clock: ClockFace) -> list[NextStep]:
    steps = []
    if not clock.confirmed:
        text = "Say when you became aware of the breach."
        detail = "Until then the 72 hours run from the automatic detection."
        steps.append(NextStep(text=text, detail=detail, path="awareness", label="We became aware at …", may=AWARENESS))
    if clock.late and not incident.late_reason:
        text = "State the reasons for the delay, and notify now."
        steps.append(NextStep(text=text, urgent=True, path="late-reason", label="State the reasons", may=AWARENESS))
    return steps


def _tasks(file: CaseFile) -> list[NextStep]:
    """Steps of the playbook that wait for a person; awareness is asked for above."""
    return [
        NextStep(text=t.text, path=f"tasks/{t.command}", label="Done …", may=doers(t.role))
        for t in present.tasks(file)
        if t.name != AWARENESS_STEP or file.case.incident.aware_ms is not None
    ]


def _draft(file: CaseFile) -> list[NextStep]:
    lacking = {str(f.get("id")) for d in file.drafts for f in present.draft_line(d).missing}
    if lacking.isdisjoint(ORGANISATION_FIELDS):
        return []
    text = "Enter who the controller and the contact are: the draft lacks it."
    path = f"/settings/organisation?site={file.case.incident.site}"
    return [NextStep(text=text, path=path, label="Organisation", may=ORGANISATION)]
