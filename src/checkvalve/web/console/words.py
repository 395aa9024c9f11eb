"""Rows into sentences. No sentence holds personal data; what is unknown is said to be unknown."""

from collections.abc import Collection, Mapping
from typing import Any

from checkvalve.engine.views import CommandRow, Moment, OrderRow
from checkvalve.incidents.case import ANONYMOUS, Incident
from checkvalve.incidents.wording import wording
from checkvalve.web.console import times

Json = Mapping[str, Any]

STATUS = {
    "detection_analysis": "Detection and analysis",
    "containment": "Containment under way",
    "eradication_recovery": "Contained, recovery",
    "post_incident": "After the incident",
    "closed": "Closed",
}
SEVERITY_ORDER = ("critical", "high", "medium", "low")
HANDS = {"wordpress": "the shop", "gateway": "the LLM gateway"}
CONFIRMED = ("done", "already")


def status(incident: Incident) -> str:
    """The phase; a containment that failed is said to have failed also while it is tried again."""
    failed_ms = incident.containment_failed_ms
    if incident.status == "containment" and failed_ms is not None and failed_ms > (incident.last_closed_ms or 0):
        return "Containment failed" if failed_ms >= incident.started_ms else "Containment failed, tried again"
    return STATUS.get(incident.status, incident.status)


def count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}".replace(",", "\u202f")


def category(name: str) -> str:
    return wording("en").texts.get(f"categories.{name}", name.replace("_", " "))


GATEWAY_ORDERS = {
    "cut": "End answers before other people's data",
    "redact": "Take other people's data out of answers",
    "strip_tools": "Offer the model no tools",
    "strip_context": "Give the model nothing retrieved",
    "flush_caches": "Flush the caches",
    "quarantine": "Close the model, whatever it is called,",
    "log_only": "Log only, whatever wider orders say,",
}


SHOP_ORDERS = {
    "block_ajax": "Block the ajax action",
    "block_wc_ajax": "Block WooCommerce's ajax action",
    "block_shortcode": "Block the shortcode",
    "block_block": "Block the block",
    "block_path": "Block PHP at",
    "patch_request": "Turn away requests with",
    "withdraw_path": "Take out of the web root",
    "revoke_sessions": "End the sessions of",
    "disable_user": "Close the account of",
    "force_password_reset": "Ask for a new password of",
    "disable_application_passwords": "Take no application password of",
    "disable_api_keys": "Take no WooCommerce API key",
    "disable_webhooks": "Stop the webhooks",
    "pause_webhooks": "Pause the webhooks",
    "freeze_exports": "Freeze exports",
    "freeze_file_editing": "Freeze the editing of files",
    "freeze_plugin_installation": "Freeze the installation of plugins",
    "read_only_admin": "Make wp-admin read-only",
    "stop_llm": "Stop what asks a model",
    "purge_caches": "Purge the shop's caches",
}
SAYS_ENOUGH = ("action", "shortcode", "block", "path", "key", "webhook")  # arguments that need no name before them


def order_action(action: str, args: Json) -> str:
    """What an order does, in the imperative."""
    match action:
        case "isolate_plugin":
            width = {"except_checkout": " everywhere but at the checkout", "surface": " from visitors"}
            return f"Isolate the plugin {args.get('plugin', '?')}{width.get(str(args.get('mode')), '')}"
        case "block_route":
            return f"Block the route {args.get('route', '?')}"
        case "refuse":
            whom = ", ".join(f"{k} {v}" for k, v in sorted(args.items())) or "everybody"
            return f"Refuse the model to {whom}"
        case "route":
            whom = ", ".join(f"{k} {v}" for k, v in sorted(args.items()) if k != "to")
            return f"Have {args.get('to', '?')} answer for {whom}"
        case _ if action in SHOP_ORDERS:
            whom = ", ".join(str(v) if k in SAYS_ENOUGH else f"{k} {v}" for k, v in args.items())
            return f"{SHOP_ORDERS[action]} {whom}".rstrip()
        case _ if action in GATEWAY_ORDERS:
            whom = ", ".join(f"{k} {v}" for k, v in sorted(args.items()))
            return f"{GATEWAY_ORDERS[action]} for {whom}"
        case "release":
            return f"Take back {args.get('jti', args.get('command', '?'))}"
        case _:
            return action.replace("_", " ").capitalize()


def order_state(order: OrderRow, command: CommandRow | None, now_ms: int) -> tuple[str, str]:
    """(tone, sentence): whether it holds, and why we think so."""
    hand = HANDS.get(order.hand, order.hand)
    did = command is not None and command.status == "done"  # the hand said so when the order was handed over
    confirmed = did or order.reported in CONFIRMED
    if order.released_ms is not None:
        return "off", f"taken back {times.utc(order.released_ms)}"
    if order.reported in ("refused", "failed"):
        return "bad", f"{order.reported} by {hand}"
    if order.expires_ms <= now_ms or order.reported == "expired":
        return "bad", f"expired: no longer in force{'' if confirmed else f'; {hand} never confirmed it'}"
    if confirmed:
        when = min(t for t in (order.reported_ms, command.ended_ms if command else None, now_ms) if t is not None)
        return "good", f"in force, confirmed by {hand} {times.span(when - order.issued_ms)} after it was given"
    return _unconfirmed(hand, command, now_ms)


def _unconfirmed(hand: str, command: CommandRow | None, now_ms: int) -> tuple[str, str]:
    if command is None:
        return "wait", f"not confirmed by {hand} yet"
    detail = f": {command.outcome['detail']}" if command.outcome.get("detail") else ""
    if command.ended_ms is not None:
        return "bad", f"not confirmed by {hand} ({command.outcome.get('status', 'failed')}{detail})"
    if command.outcome.get("status") != "retrying":
        return "wait", f"not confirmed by {hand} yet"
    tries = f" after {count(command.attempts, 'try', 'tries')}" if command.attempts else ""
    next_try = f", next in {times.span(command.due_ms - now_ms)}" if command.due_ms > now_ms else ""
    return "wait", f"not confirmed by {hand} yet{tries}{detail}; tried again until it expires{next_try}"


COMMAND_NAMES = {
    "checkpoint": "Secure the evidence",
    "verify_closed": "See that the way out is closed",
    "probe": "Try the checkout",
    "release": "Take the step back",
    "manual": "A person's task",
    "approval": "A person's approval",
}


def command_name(command: CommandRow) -> str:
    if command.kind == "approval":
        return f"Approval: {command.data.get('name', '?')}"
    text = command.data.get("text") if command.kind == "manual" else None
    return str(text or command.data.get("name") or COMMAND_NAMES.get(command.kind, command.kind.replace("_", " ")))


def command_state(command: CommandRow) -> tuple[str, str]:
    """(tone, sentence) of a step."""
    status = str(command.outcome.get("status") or command.status)
    detail = str(command.outcome.get("detail") or "")
    if command.ended_ms is None:
        if status == "retrying":
            until = command.outcome.get("until_ms")
            end = f" until {times.utc(until)}" if isinstance(until, int) else ""
            return "wait", f"{count(command.attempts, 'try', 'tries')} so far: {detail}; tried again{end}"
        return "wait", "under way" if status in ("claimed", "waiting") else "queued"
    said = {"done": "done", "timeout": "no answer in time", "expired": "ended before it could be done"}.get(status, status)
    return ("good" if status == "done" else "bad"), f"{said}: {detail}" if detail else said


def would(data: Any) -> str:
    """What a step does once it is approved."""
    if not isinstance(data, dict) or not isinstance(data.get("args"), dict):
        return ""
    return f"{order_action(str(data.get('action')), data['args'])}, at {HANDS.get(data.get('hand', ''), 'a hand')}"


def undone(release: CommandRow) -> str:
    tone, said = command_state(release)
    why = f", because {release.data['why']}" if release.data.get("why") else ""
    return f"taken back{why}" if tone == "good" else f"to be taken back{why} ({said})"


def short(ref: str) -> str:
    """A pseudonym as one recognises it again: the whole one stands in the table of exposures."""
    kind, _, value = ref.partition(":")
    return f"{kind}:{value[:8]}…" if len(value) > 14 else ref


def readers(recipients: Collection[str]) -> str:
    """Those who can be told apart are counted; visitors without a session are not."""
    known = len([r for r in recipients if r != ANONYMOUS])
    parts = [count(known, "reader", "readers")] if known else []
    if ANONYMOUS in recipients:
        parts.append("anonymous visitors, nobody knows how many")
    return " and ".join(parts) or "nobody known"


SIGNS = {
    "canary": "the canary of {what} was shown",
    "secret": "a live secret was shown ({what})",
    "cache": "an answer made for somebody else was given (exchange {what})",
    "harvesting": "{what} asks about many people",
}
TRANSITIONS = {
    "containment_started": "Containment started",
    "contained": "Contained: the way out is closed",
    "containment_failed": "Containment failed: the way out may still be open",
    "draft_ready": "A draft of the notification was written",
    "late_reason_set": "Reason for the delay stated",
    "run_finished": "The playbook has run to its end",
    "closed": "Case closed",
}


def sign(raw: dict[str, Any]) -> str:
    """What was sighted, in a few words."""
    kind, what = str(raw.get("kind", "?")), str(raw.get("what", "?"))
    return SIGNS.get(kind, "{what}").format(what=what)


def moment(m: Moment) -> tuple[str, str]:
    """(sentence, who) of a line of the timeline."""
    data = m.data
    if m.kind == "order":
        args = data if m.text != "release" else {"jti": data.get("jti", "an order")}
        return f"Order to {HANDS.get(m.by, m.by)}: {order_action(m.text, args)}", "core"
    if m.kind == "command":
        return _command_ended(m), str(data.get("by", "core")).removeprefix("user:")
    if m.kind == "event":
        return m.text, "sensor"
    who = m.by.removeprefix("user:")
    match m.text:
        case "opened":
            return f"Case opened: {data.get('title', '')}".rstrip(": "), who
        case "exposure_added":
            more, people = int(data.get("count", 0)), int(data.get("subjects", 0))
            kinds = ", ".join(category(str(c)) for c in data.get("categories", []))
            total = count(people, "person", "people")
            return f"{count(more, 'exposure', 'exposures')} seen ({kinds}); now {total} concerned", who
        case "sighting_added":
            return f"Seen for certain: {', '.join(sign(s) for s in data.get('signs', []))}", who
        case "severity_changed":
            return f"Severity is {data.get('severity', '?')} now: {data.get('rule', '')}".rstrip(": "), who
        case "aware_set":
            at = data.get("aware_ms")
            return f"Awareness stated: {times.utc(at) if isinstance(at, int) else '?'}", who
        case "containment_started" if data.get("why"):
            return f"Containment started again: {data['why']}", who
        case "run_started":
            return f"Playbook started: {str(data.get('playbook', '?')).replace('-', ' ')}", who
        case "contained" if data.get("again"):
            return "Closed again: the way out was tried", who
        case "note":
            return f"Note: {data.get('text', '')}", who
        case kind:
            return TRANSITIONS.get(kind, kind.replace("_", " ").capitalize()), who


MINOR_UNITS = {"JPY": 0, "KRW": 0, "ISK": 0, "CLP": 0, "VND": 0, "HUF": 2, "TND": 3, "KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3}


def money(total: Any, currency: str) -> str:
    """The Store API gives totals in minor units (ISO 4217); empty when it is none."""
    if not isinstance(total, str) or not total.isascii() or not total.isdigit():
        return ""
    minor = MINOR_UNITS.get(currency, 2)
    return f"{int(total) / 10**minor:.{minor}f} {currency}".strip()


def _command_ended(m: Moment) -> str:
    name, detail = str(m.step.get("name", "")), str(m.data.get("detail") or m.data.get("note") or "")
    status = str(m.data.get("status") or m.by)
    if m.text == "probe":
        when = {"after": "after {}", "after roll-back": "once {} was taken back"}.get(str(m.step.get("when")), "before {}")
        step = when.format(f"\u201c{name}\u201d")
        said = f"Checkout {'worked' if status == 'done' else 'FAILED'} {step}"
        report = m.data.get("data")
        if status == "done" and isinstance(report, dict):
            detail = money(report.get("total"), str(report.get("currency") or ""))
    elif m.text == "release":
        said = f"Taken back: {name}, {status}"
    else:
        said = f"{name or COMMAND_NAMES.get(m.text, m.text)}: {status}"
    return f"{said} ({detail})" if detail else said
