"""The questions of the first minute, answered: is the way out closed, does the checkout work, what comes next.

Pure functions of what the queries gave and the time. An answer is never better than what is known now: orders end by
themselves, data may be shown again, a checkout that worked an hour ago is a checkout that worked an hour ago.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from checkvalve.engine.views import CaseFile, CommandRow, Json, Overview
from checkvalve.incidents.case import Incident
from checkvalve.regimes.law import regimes
from checkvalve.web.console import present, times, words
from checkvalve.web.console.language import N_, _
from checkvalve.web.console.present import ClockFace, OrderLine
from checkvalve.web.console.visits import AWARENESS, DECIDING, ORGANISATION, approvers, doers

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
        tone, said = "wait", _("No sensor is paired: nothing is being watched.")
    elif not found.gateways:
        tone, said = "warn", _("No LLM gateway is paired: what the model answers is not being watched.")
    elif not heard:
        since = times.utc(min(s.paired_ms for s in sensors))
        tone, said = "wait", _("Paired %(at)s. No sensor has said anything yet.", at=since)
    elif not {"bad", "warn"}.isdisjoint(tones):
        tone, said = "warn", _("But not everything that watches is well: see below.")
    else:
        since, newest = times.utc(min(s.paired_ms for s in sensors)), times.span(now_ms - max(heard))
        tone, said = "good", _("Watched since %(at)s; the newest event came %(span)s ago.", at=since, span=newest)
    return Answer(tone=tone, head=_("No open incident"), said=said)


def closure(incident: Incident, orders: Iterable[OrderLine], now_ms: int) -> Answer:
    """Whether the way out is closed now."""
    closed_ms = incident.last_closed_ms
    failed_ms = incident.containment_failed_ms
    if failed_ms is not None and failed_ms > (closed_ms or 0):
        said = _("No automatic step closed the way out. Data may still be leaving.")
        if incident.started_ms > failed_ms:
            said += " " + _("It is tried again by itself.")
        return Answer(tone="bad", head=_("NOT closed"), said=said)
    if closed_ms is None:
        since = times.span(now_ms - incident.detected_ms)
        said = _("%(span)s since detection; the way out is not known to be closed.", span=since)
        return Answer(tone="warn", head=_("Not closed yet"), said=said)
    if incident.last_seen_ms > closed_ms:
        ago, at = times.span(now_ms - incident.last_seen_ms), times.utc(closed_ms)
        again = _("Data was shown %(span)s ago. The way out had been closed %(at)s.", span=ago, at=at)
        if incident.status == "containment":
            again += " " + _("It is being closed again.")
        return Answer(tone="bad", head=_("Shown AGAIN"), said=again)
    when = _("%(span)s after detection, %(at)s.", span=times.span(closed_ms - incident.detected_ms), at=times.utc(closed_ms))
    if incident.status == "closed":
        return Answer(tone="good", head=_("Closed"), said=f"{when} {_('So is the case.')}")
    ends = [o.order.expires_ms for o in orders if o.tone == "good"]
    if not ends:
        lapsed = _("It was closed %(at)s, but no order holds it closed any more.", at=times.utc(closed_ms))
        return Answer(tone="bad", head=_("NOT held closed"), said=lapsed)
    first = min(ends)
    until = _("The orders end by themselves %(at)s, in %(span)s.", at=times.utc(first), span=times.span(first - now_ms))
    return Answer(tone="warn" if first - now_ms < ENDS_SOON_MS else "good", head=_("Closed"), said=f"{when} {until}")


def checkout(commands: Sequence[CommandRow], now_ms: int) -> Answer:
    """What the newest try of the checkout said."""
    tried = [i for i, c in enumerate(commands) if c.kind == "probe" and c.ended_ms is not None]
    if not tried:
        return Answer(tone="wait", head=_("not tried yet"), said="")
    last = commands[tried[-1]]
    line, mended = present.probe_line(last), last.data.get("when") == "after roll-back"
    named = {
        "step": f"\u201c{words.command_name(last)}\u201d",
        "ago": _("%(span)s ago", span=times.span(now_ms - (last.ended_ms or now_ms))),
        "why": line.why,
        "total": line.total,
    }
    if line.tone == "good":
        through = _("A test order over %(total)s went through %(ago)s and was cancelled.")
        said = (through if line.total else _("A test order went through %(ago)s and was cancelled.")) % named
        if mended:
            said += " " + _("%(step)s had broken it and was taken back.") % named
        return Answer(tone="good", head=_("works"), said=said)
    if mended:
        return Answer(tone="bad", head=_("FAILS"), said=_("%(ago)s, although %(step)s was taken back: %(why)s.") % named)
    if last.data.get("when") != "after":
        return Answer(tone="bad", head=_("FAILS"), said=_("%(ago)s, before %(step)s was done: %(why)s.") % named)
    if any(c.kind == "release" and c.status == "done" for c in commands[tried[-1] :]):
        back = _("It failed after %(step)s (%(why)s). That was taken back; the checkout is tried again now.") % named
        return Answer(tone="warn", head=_("tried again now"), said=back)
    return Answer(tone="bad", head=_("FAILS"), said=_("%(ago)s, after %(step)s: %(why)s.") % named)


TRADE_HEADS = {
    "not_heard": N_("not heard"),
    "no_history": N_("cannot be told"),
    "too_few": N_("cannot be told yet"),
    "usual": N_("as usual"),
}


def trade(report: Json | None, now_ms: int) -> Answer:  # noqa: ARG001 # asked as the others are
    """Whether customers buy as they usually do, beside what the test order said; and what the case has cost in orders."""
    if report is None:
        return Answer(tone="wait", head=_("not asked"), said="")
    seen, lost, late = report["watch"], report["lost"], report["delayed"]
    counts = []
    if lost["fewest"] is not None:
        counts.append(_("Orders lost so far: %(fewest)s to %(most)s, because %(because)s.", **lost))
    if late["most"]:
        counts.append(_("Delayed: %(fewest)s to %(most)s.", **late))
    if seen is None:
        return Answer(tone="off", head=_("no step in force"), said=" ".join(counts))
    tone = "bad" if seen["state"] in ("fallen", "failing") else "good" if seen["state"] == "usual" else "wait"
    spent, until = times.span(max(0, seen["until_ms"] - seen["since_ms"])), times.utc(seen["until_ms"])
    said = _("In %(span)s since the newest step: %(why)s. Told until %(at)s.", span=spent, why=seen["why"], at=until)
    return Answer(tone=tone, head=_(TRADE_HEADS.get(seen["state"], N_("NOT as usual"))), said=" ".join([said, *counts]))


def next_steps(file: CaseFile, clock: ClockFace, closed: Answer, buys: Answer) -> list[NextStep]:
    """What a person should do, the most urgent first. Nothing is asked for a case that is closed."""
    if not file.case.open:
        return []
    return [
        *_stop(file.case.incident, closed),
        *_approvals(file),
        *_deaf(file),
        *_buy(buys),
        *_trade(file.case.incident),
        *_clock(file.case.incident, clock),
        *_tasks(file),
        *_draft(file),
        *_decision(file),
    ]


def _stop(incident: Incident, closed: Answer) -> list[NextStep]:
    plugin = incident.plugin
    if closed.tone == "bad":
        off = _("Switch the plugin %(plugin)s off yourself: in WordPress, Plugins, Deactivate.")
        text = off % {"plugin": plugin} if plugin else _("Switch the model server off.")
        kept = _("Do not delete anything: it is evidence. Then place a test order.")
        return [NextStep(text=text, detail=kept, urgent=True)]
    if closed.tone == "warn" and incident.contained_ms is not None:
        mend = _("Repair or switch off the plugin %(plugin)s before the orders end.")
        text = mend % {"plugin": plugin} if plugin else _("Repair or switch off whatever asks the model before the orders end.")
        return [NextStep(text=text, detail=closed.said, urgent=True)]
    return []


def _deaf(file: CaseFile) -> list[NextStep]:
    """Orders that the shop does not take are tried again; what they would close is open meanwhile."""
    tried = [c for c in file.commands if c.kind == "order" and c.ended_ms is None and c.outcome.get("status") == "retrying"]
    if not tried:
        return []
    why = str(tried[-1].outcome.get("detail") or _("the shop does not answer"))
    detail = _("%(why)s. Orders are tried again by themselves.", why=f"{why[:1].upper()}{why[1:]}")
    return [NextStep(text=_("See that the shop runs, or switch the plugin off on its server."), detail=detail, urgent=True)]


def _buy(buys: Answer) -> list[NextStep]:
    if buys.tone not in ("bad", "warn"):
        return []
    return [NextStep(text=_("Place a test order in the shop."), detail=buys.said, urgent=buys.tone == "bad")]


def _trade(incident: Incident) -> list[NextStep]:
    """The live watch leaves a step that alone keeps the way out closed to a person."""
    if incident.trade_suffered_ms is None or incident.trade_suffered_ms < incident.started_ms:
        return []
    text = _("Customers stopped buying while the shop is contained: decide whether the step in the shop stays.")
    lift = _("Place an order yourself. To lift it: in WordPress, Tools, Checkvalve, \u201cLift all orders here\u201d.")
    return [NextStep(text=text, detail=f"{lift} {_('Data may leave again then.')}", urgent=True)]


def _approvals(file: CaseFile) -> list[NextStep]:
    """Steps that wait for a word; each says what happens without one."""
    return [
        NextStep(
            text=_("Approve or reject: %(step)s.", step=a.name),
            detail=without_a_word(a),
            urgent=True,
            path=f"approvals/{a.command}",
            label=_("Decide \u2026"),
            may=approvers(a.role),
        )
        for a in present.approvals(file)
        if not a.said
    ]


def without_a_word(approval: present.Approval) -> str:
    done = _("Without a word by %(at)s it is done.")
    return (done if approval.default == "approve" else _("Without a word by %(at)s it is not done.")) % {
        "at": times.utc(approval.until_ms)
    }


def _clock(incident: Incident, clock: ClockFace) -> list[NextStep]:
    steps = []
    if not clock.confirmed:
        text = _("Say when you became aware of the breach.")
        detail = _("Until then the 72 hours run from the automatic detection.")
        steps.append(NextStep(text=text, detail=detail, path="awareness", label=_("We became aware at …"), may=AWARENESS))
    if clock.late and not incident.late_reason:
        text = _("State the reasons for the delay, and notify now.")
        steps.append(NextStep(text=text, urgent=True, path="late-reason", label=_("State the reasons"), may=AWARENESS))
    return steps


def _tasks(file: CaseFile) -> list[NextStep]:
    """Steps of the playbook that wait for a person; awareness is asked for above."""
    return [
        NextStep(text=t.text, path=f"tasks/{t.command}", label=_("Done …"), may=doers(t.role))
        for t in present.tasks(file)
        if t.name != AWARENESS_STEP or file.case.incident.aware_ms is not None
    ]


def _draft(file: CaseFile) -> list[NextStep]:
    lacking = {str(f.get("id")) for d in file.drafts for f in present.draft_line(d).missing}
    if lacking.isdisjoint(ORGANISATION_FIELDS):
        return []
    text = _("Enter who the controller and the contact are: the draft lacks it.")
    path = f"/settings/organisation?site={file.case.incident.site}"
    return [NextStep(text=text, path=path, label=_("Organisation"), may=ORGANISATION)]


def _decision(file: CaseFile) -> list[NextStep]:
    """Whether a notice is given is the controller's word; until it is said, the draft waits for it."""
    incident = file.case.incident
    said = {c.regime for c in incident.choices} | {f.regime for f in incident.filings}
    return [
        NextStep(
            text=_("Decide whether to notify: %(document)s.", document=words.document(d.regime)),
            path=f"drafts/{d.regime}/decision",
            label=_("Decide \u2026"),
            may=DECIDING,
        )
        for d in file.drafts
        if d.regime in regimes() and d.regime not in said
    ]
