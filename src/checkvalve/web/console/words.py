"""Rows into sentences, in the language of the page. No sentence holds personal data; what is unknown is said to be unknown.

What the log holds (the outcome of a step, a reason that somebody typed) is quoted as it was written.
"""

from collections.abc import Collection, Mapping
from typing import Any

from babel.numbers import format_decimal

from checkvalve.engine.errors import EngineError
from checkvalve.engine.views import CommandRow, Moment, OrderRow
from checkvalve.incidents.case import ANONYMOUS, Incident
from checkvalve.incidents.wording import wording
from checkvalve.web.console import times
from checkvalve.web.console.language import N_, _, grouped, ngettext, spoken

Json = Mapping[str, Any]

STATUS = {
    "detection_analysis": N_("Detection and analysis"),
    "containment": N_("Containment under way"),
    "eradication_recovery": N_("Contained, recovery"),
    "post_incident": N_("After the incident"),
    "closed": N_("Closed"),
}
SEVERITY_ORDER = ("critical", "high", "medium", "low")
HANDS = {"wordpress": N_("the shop"), "gateway": N_("the LLM gateway")}
SEVERITIES = {"critical": N_("critical"), "high": N_("high"), "medium": N_("medium"), "low": N_("low")}
SOURCES = {"case": N_("case"), "containment": N_("containment"), "shop": N_("shop"), "gateway": N_("gateway")}
CONFIRMED = ("done", "already")
ROLE_NAMES: Mapping[str, str] = {
    "incident_lead": N_("incident lead"),
    "wordpress_admin": N_("WordPress admin"),
    "woocommerce": N_("WooCommerce specialist"),
    "ai_engineer": N_("AI engineer"),
    "dpo": N_("data protection officer"),
    "communications": N_("communications"),
    "controller": N_("controller (owner)"),
    "hoster": N_("hoster contact"),
    "auditor": N_("auditor"),
}


COMPLAINTS = {
    "no_reason": N_("Say why."),
    "bad_value": N_("Reason and subject are text in one line."),
    "second_person": N_("You asked for it; another person with the role has to agree."),
    "too_large": N_("That was too much at once."),
    "wrong_case": N_("The file belongs to another case."),
    "no_version": N_("That version is not stored; load the page again."),
    "bad_file": N_("This is no draft that was downloaded here. Edit the downloaded Word file, and keep its fields."),
    "no_rota": N_("There is no rota: nobody would be called."),
    "bad_rota": N_("The rota cannot be used with that."),
    "unknown_contact": N_("The rota knows no such contact."),
    "under_way": N_("A playbook is under way for this case; try again when it has run to its end."),
    "closed": N_("The case is closed. Nothing was changed."),
    "no_playbook": N_("There is no such playbook."),
    "no_reference": N_("Say under which number or how it was filed."),
    "in_future": N_("It cannot have been filed later than now."),
    "not_filed": N_("Nothing was filed; withdraw only what was."),
}


def complaint(error: EngineError) -> str:
    """Why something was refused. English says it in full; another language says what kind of mistake it was."""
    return error.hint if spoken() == "en" else _(COMPLAINTS.get(error.code, error.hint))


def status(incident: Incident) -> str:
    """The phase; a containment that failed is said to have failed also while it is tried again."""
    failed_ms = incident.containment_failed_ms
    if incident.status == "containment" and failed_ms is not None and failed_ms > (incident.last_closed_ms or 0):
        return _("Containment failed") if failed_ms >= incident.started_ms else _("Containment failed, tried again")
    return _(STATUS.get(incident.status, incident.status))


def hand(name: str) -> str:
    return _(HANDS.get(name, name))


def severity(name: str) -> str:
    return _(SEVERITIES.get(name, name))


def source(name: str) -> str:
    return _(SOURCES.get(name, name))


def count(number: int, one: str, many: str) -> str:
    return f"{grouped(number)} {one if number == 1 else many}"


def people(number: int) -> str:
    return ngettext("%(num)s person", "%(num)s people", number)


def role(name: str) -> str:
    return _(ROLE_NAMES[name]) if name in ROLE_NAMES else name.replace("_", " ")


def clock(name: str) -> str:
    """What a clock of the law asks for."""
    return _said(f"clocks.{name}", name.replace("_", " "))


def level(name: str) -> str:
    return _said(f"levels.{name}", name.replace("_", " "))


def presumption(level: str) -> str:
    """What a level of the method suggests; the law decides."""
    return _said(f"presumptions.{level}", "")


def flag(name: str) -> str:
    return _said(f"flags.{name}", name.replace("_", " "))


FACTORS = {
    "simple": N_("simple data"),
    "behavioural": N_("behavioural data"),
    "financial": N_("financial data"),
    "sensitive": N_("sensitive data"),
    "ei": N_("ease of identification"),
    "confidentiality": N_("loss of confidentiality"),
    "malicious": N_("malicious intent"),
}


def factor(name: str) -> str:
    return _(FACTORS.get(name, name.replace("_", " ")))


COST_ITEMS = {"lawyer": N_("lawyer"), "forensics": N_("forensics"), "letters": N_("letters"), "lost orders": N_("lost orders")}


def cost_item(name: str) -> str:
    return role(name) if name in ROLE_NAMES else _(COST_ITEMS.get(name, name.replace("_", " ")))


def _said(key: str, otherwise: str) -> str:
    return wording(spoken()).texts.get(key, otherwise)


def category(name: str) -> str:
    return _said(f"categories.{name}", name.replace("_", " "))


def name(text: str) -> str:
    """A name or an instruction of a shipped playbook; one of somebody else's stays as it is."""
    return _(text) if text else ""


GATEWAY_ORDERS = {
    "cut": N_("End answers before other people's data"),
    "redact": N_("Take other people's data out of answers"),
    "strip_tools": N_("Offer the model no tools"),
    "strip_context": N_("Give the model nothing retrieved"),
    "flush_caches": N_("Flush the caches"),
    "quarantine": N_("Close the model, whatever it is called,"),
    "log_only": N_("Log only, whatever wider orders say,"),
}


SHOP_ORDERS = {
    "block_ajax": N_("Block the ajax action"),
    "block_wc_ajax": N_("Block WooCommerce's ajax action"),
    "block_shortcode": N_("Block the shortcode"),
    "block_block": N_("Block the block"),
    "block_path": N_("Block PHP at"),
    "patch_request": N_("Turn away requests with"),
    "withdraw_path": N_("Take out of the web root"),
    "revoke_sessions": N_("End the sessions of"),
    "disable_user": N_("Close the account of"),
    "force_password_reset": N_("Ask for a new password of"),
    "disable_application_passwords": N_("Take no application password of"),
    "disable_api_keys": N_("Take no WooCommerce API key"),
    "disable_webhooks": N_("Stop the webhooks"),
    "pause_webhooks": N_("Pause the webhooks"),
    "freeze_exports": N_("Freeze exports"),
    "freeze_file_editing": N_("Freeze the editing of files"),
    "freeze_plugin_installation": N_("Freeze the installation of plugins"),
    "read_only_admin": N_("Make wp-admin read-only"),
    "stop_llm": N_("Stop what asks a model"),
    "purge_caches": N_("Purge the shop's caches"),
}
SAYS_ENOUGH = ("action", "shortcode", "block", "path", "key", "webhook")  # arguments that need no name before them


def order_action(action: str, args: Json) -> str:
    """What an order does, in the imperative."""
    match action:
        case "isolate_plugin":
            return _isolation(str(args.get("mode"))) % {"plugin": args.get("plugin", "?")}
        case "block_route":
            return _("Block the route %(route)s", route=args.get("route", "?"))
        case "refuse":
            whom = ", ".join(f"{k} {v}" for k, v in sorted(args.items())) or _("everybody")
            return _("Refuse the model to %(whom)s", whom=whom)
        case "route":
            whom = ", ".join(f"{k} {v}" for k, v in sorted(args.items()) if k != "to")
            return _("Have %(model)s answer for %(whom)s", model=args.get("to", "?"), whom=whom)
        case _ if action in SHOP_ORDERS:
            whom = ", ".join(str(v) if k in SAYS_ENOUGH else f"{k} {v}" for k, v in args.items())
            return f"{_(SHOP_ORDERS[action])} {whom}".rstrip()
        case _ if action in GATEWAY_ORDERS:
            whom = ", ".join(f"{k} {v}" for k, v in sorted(args.items()))
            return _("%(action)s for %(whom)s", action=_(GATEWAY_ORDERS[action]), whom=whom)
        case "release":
            return _("Take back %(order)s", order=args.get("jti", args.get("command", "?")))
        case _:
            return action.replace("_", " ").capitalize()


def _isolation(mode: str) -> str:
    if mode == "except_checkout":
        return _("Isolate the plugin %(plugin)s everywhere but at the checkout")
    if mode == "surface":
        return _("Isolate the plugin %(plugin)s from visitors")
    return _("Isolate the plugin %(plugin)s")


def order_state(order: OrderRow, command: CommandRow | None, now_ms: int) -> tuple[str, str]:
    """(tone, sentence): whether it holds, and why we think so."""
    by = hand(order.hand)
    did = command is not None and command.status == "done"  # the hand said so when the order was handed over
    confirmed = did or order.reported in CONFIRMED
    if order.released_ms is not None:
        return "off", _("taken back %(at)s", at=times.utc(order.released_ms))
    if order.reported == "refused":
        return "bad", _("refused by %(hand)s", hand=by)
    if order.reported == "failed":
        return "bad", _("failed by %(hand)s", hand=by)
    if order.expires_ms <= now_ms or order.reported == "expired":
        if confirmed:
            return "bad", _("expired: no longer in force")
        return "bad", _("expired: no longer in force; %(hand)s never confirmed it", hand=by)
    if confirmed:
        when = min(t for t in (order.reported_ms, command.ended_ms if command else None, now_ms) if t is not None)
        after = times.span(when - order.issued_ms)
        return "good", _("in force, confirmed by %(hand)s %(span)s after it was given", hand=by, span=after)
    return _unconfirmed(by, command, now_ms)


def _unconfirmed(by: str, command: CommandRow | None, now_ms: int) -> tuple[str, str]:
    if command is None:
        return "wait", _("not confirmed by %(hand)s yet", hand=by)
    detail = f": {command.outcome['detail']}" if command.outcome.get("detail") else ""
    if command.ended_ms is not None:
        why = f"{outcome(str(command.outcome.get('status', 'failed')))}{detail}"
        return "bad", _("not confirmed by %(hand)s (%(why)s)", hand=by, why=why)
    if command.outcome.get("status") != "retrying":
        return "wait", _("not confirmed by %(hand)s yet", hand=by)
    said = _("not confirmed by %(hand)s yet", hand=by)
    if command.attempts:
        said += ngettext(" after %(num)s try", " after %(num)s tries", command.attempts)
    said += f"{detail}; {_('tried again until it expires')}"
    if command.due_ms > now_ms:
        said += _(", next in %(span)s", span=times.span(command.due_ms - now_ms))
    return "wait", said


COMMAND_NAMES = {
    "checkpoint": N_("Secure the evidence"),
    "verify_closed": N_("See that the way out is closed"),
    "probe": N_("Try the checkout"),
    "release": N_("Take the step back"),
    "manual": N_("A person's task"),
    "approval": N_("A person's approval"),
}
OUTCOMES = {
    "done": N_("done"),
    "failed": N_("failed"),
    "refused": N_("refused"),
    "timeout": N_("no answer in time"),
    "expired": N_("ended before it could be done"),
    "cancelled": N_("cancelled"),
}


def outcome(status: str) -> str:
    return _(OUTCOMES.get(status, status))


def command_name(command: CommandRow) -> str:
    if command.kind == "approval":
        return _("Approval: %(name)s", name=name(str(command.data.get("name", "?"))))
    text = command.data.get("text") if command.kind == "manual" else None
    return name(str(text or command.data.get("name") or COMMAND_NAMES.get(command.kind, command.kind.replace("_", " "))))


def command_state(command: CommandRow) -> tuple[str, str]:
    """(tone, sentence) of a step."""
    status = str(command.outcome.get("status") or command.status)
    detail = str(command.outcome.get("detail") or "")
    if command.ended_ms is None:
        if status == "retrying":
            until = command.outcome.get("until_ms")
            tries = ngettext(
                "%(num)s try so far: %(detail)s", "%(num)s tries so far: %(detail)s", command.attempts, detail=detail
            )
            if isinstance(until, int):
                return "wait", f"{tries}; {_('tried again until %(at)s', at=times.utc(until))}"
            return "wait", f"{tries}; {_('tried again')}"
        return "wait", _("under way") if status in ("claimed", "waiting") else _("queued")
    said = outcome(status)
    return ("good" if status == "done" else "bad"), f"{said}: {detail}" if detail else said


def would(data: Any) -> str:
    """What a step does once it is approved."""
    if not isinstance(data, dict) or not isinstance(data.get("args"), dict):
        return ""
    action = order_action(str(data.get("action")), data["args"])
    return _("%(action)s, at %(hand)s", action=action, hand=hand(data.get("hand", "") or N_("a hand")))


def undone(release: CommandRow) -> str:
    tone, said = command_state(release)
    why = _(", because %(why)s", why=name(str(release.data["why"]))) if release.data.get("why") else ""
    return f"{_('taken back')}{why}" if tone == "good" else f"{_('to be taken back')}{why} ({said})"


def short(ref: str) -> str:
    """A pseudonym as one recognises it again: the whole one stands in the table of exposures."""
    kind, _, value = ref.partition(":")
    return f"{kind}:{value[:8]}…" if len(value) > 14 else ref


def readers(recipients: Collection[str]) -> str:
    """Those who can be told apart are counted; visitors without a session are not."""
    known = len([r for r in recipients if r != ANONYMOUS])
    parts = [ngettext("%(num)s reader", "%(num)s readers", known)] if known else []
    if ANONYMOUS in recipients:
        parts.append(_("anonymous visitors, nobody knows how many"))
    return _(" and ").join(parts) or _("nobody known")


SIGNS = {
    "canary": N_("the canary of %(what)s was shown"),
    "secret": N_("a live secret was shown (%(what)s)"),
    "cache": N_("an answer made for somebody else was given (exchange %(what)s)"),
    "harvesting": N_("%(what)s asks about many people"),
}
TRANSITIONS = {
    "telling_resumed": N_("People may be told again"),
    "containment_started": N_("Containment started"),
    "contained": N_("Contained: the way out is closed"),
    "page_acknowledged": N_("Page acknowledged"),
    "severity_reasoned": N_("Reason for the severity stated"),
    "contract_hours_set": N_("Hours of a contract stated"),
    "containment_failed": N_("Containment failed: the way out may still be open"),
    "draft_ready": N_("A draft of the notification was written"),
    "late_reason_set": N_("Reason for the delay stated"),
    "run_finished": N_("The playbook has run to its end"),
    "closed": N_("Case closed"),
}


def sign(raw: dict[str, Any]) -> str:
    """What was sighted, in a few words."""
    kind, what = str(raw.get("kind", "?")), str(raw.get("what", "?"))
    return _(SIGNS.get(kind, "%(what)s"), what=what)


def moment(m: Moment) -> tuple[str, str]:
    """(sentence, who) of a line of the timeline."""
    data = m.data
    if m.kind == "order":
        args = data if m.text != "release" else {"jti": data.get("jti", _("an order"))}
        return _("Order to %(hand)s: %(action)s", hand=hand(m.by), action=order_action(m.text, args)), "core"
    if m.kind == "command":
        return _command_ended(m), str(data.get("by", "core")).removeprefix("user:")
    if m.kind == "event":
        return m.text, "sensor"
    return _transition(m.text, data), m.by.removeprefix("user:")


def _transition(kind: str, data: Json) -> str:
    match kind:
        case "opened":
            return _("Case opened: %(title)s", title=title(str(data.get("title", "")))).rstrip(": ")
        case "exposure_added":
            kinds = ", ".join(category(str(c)) for c in data.get("categories", []))
            seen = ngettext(
                "%(num)s exposure seen (%(kinds)s)",
                "%(num)s exposures seen (%(kinds)s)",
                int(data.get("count", 0)),
                kinds=kinds,
            )
            return f"{seen}; {_('now %(people)s concerned', people=people(int(data.get('subjects', 0))))}"
        case "sighting_added":
            return _("Seen for certain: %(signs)s", signs=", ".join(sign(s) for s in data.get("signs", [])))
        case "severity_changed":
            level = severity(str(data.get("severity", "?")))
            return _("Severity is %(level)s now: %(rule)s", level=level, rule=data.get("rule", "")).rstrip(": ")
        case "aware_set":
            at = data.get("aware_ms")
            return _("Awareness stated: %(at)s", at=times.utc(at) if isinstance(at, int) else "?")
        case "containment_started" if data.get("why"):
            return _("Containment started again: %(why)s", why=data["why"])
        case "run_started":
            return _("Playbook started: %(playbook)s", playbook=str(data.get("playbook", "?")).replace("-", " "))
        case "contained" if data.get("again"):
            return _("Closed again: the way out was tried")
        case "note":
            return _note(str(data.get("about", "note")), str(data.get("with", "")), str(data.get("text", "")))
        case "telling_delayed":
            return _("%(who)s asks that people are not told yet: %(why)s", who=data["authority"], why=data["reason"])
        case "notice_decided":
            said = _("To be notified (%(law)s): %(why)s") if data.get("notify") else _("Not to be notified (%(law)s): %(why)s")
            return said % {"law": document(str(data.get("regime", "?"))), "why": data.get("reason", "")}
        case "notice_filed":
            said = _("Withdrawn: %(law)s, %(number)s") if data.get("withdrawn") else _("Filed: %(law)s, %(number)s")
            return said % {"law": document(str(data.get("regime", "?"))), "number": data.get("reference", "")}
        case "paged":
            return _(
                "Paged: %(reached)s; not reached: %(failed)s",
                **{n: ", ".join(data.get(n, ())) or "–" for n in ("reached", "failed")},
            )
        case _:
            return _(TRANSITIONS.get(kind, kind.replace("_", " ").capitalize()))


def _note(about: str, other: str, text: str) -> str:
    if about == "handover":
        return _("For the next shift: %(text)s", text=text)
    return _("Contact with %(who)s: %(text)s", who=other, text=text) if about == "contact" else _("Note: %(text)s", text=text)


def title(text: str) -> str:
    """A case's title, which the log holds in English, in the language of the page."""
    through = "Customer data shown to others through "
    exercise, _mark, plain = text.rpartition("EXERCISE: ")
    said = (
        _("Customer data shown to others through %(way)s", way=plain.removeprefix(through))
        if plain.startswith(through)
        else plain
    )
    return _("EXERCISE: %(title)s", title=said) if _mark and not exercise else said


def time_left(hours: float) -> str:
    """Of a clock, as the documents say it."""
    return wording(spoken()).say(
        "labels.late" if hours < 0 else "labels.left", hours=format_decimal(abs(hours), "0.0", locale=spoken())
    )


def question(field: str, otherwise: str) -> str:
    """What a document asks in a field."""
    return _said(f"questions.{field}", otherwise)


def document(regime: str) -> str:
    """What a document is called."""
    return _said(f"documents.{regime}.title", regime)


MINOR_UNITS = {"JPY": 0, "KRW": 0, "ISK": 0, "CLP": 0, "VND": 0, "HUF": 2, "TND": 3, "KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3}


def money(total: Any, currency: str) -> str:
    """The Store API gives totals in minor units (ISO 4217); empty when it is none."""
    if not isinstance(total, str) or not total.isascii() or not total.isdigit():
        return ""
    minor = MINOR_UNITS.get(currency, 2)
    return f"{int(total) / 10**minor:.{minor}f} {currency}".strip()


def euros(amount: float) -> str:
    return str(format_decimal(amount, "#,##0", locale=spoken()))


def _command_ended(m: Moment) -> str:
    step, detail = name(str(m.step.get("name", ""))), str(m.data.get("detail") or m.data.get("note") or "")
    status = str(m.data.get("status") or m.by)
    if m.text == "probe":
        said = _probe_said(str(m.step.get("when")), done=status == "done") % {"step": f"\u201c{step}\u201d"}
        report = m.data.get("data")
        if status == "done" and isinstance(report, dict):
            detail = money(report.get("total"), str(report.get("currency") or ""))
    elif m.text == "release":
        said = _("Taken back: %(step)s, %(outcome)s", step=step, outcome=outcome(status))
    else:
        said = f"{step or _(COMMAND_NAMES.get(m.text, m.text))}: {outcome(status)}"
    return f"{said} ({detail})" if detail else said


def _probe_said(when: str, *, done: bool) -> str:
    if when == "after":
        return _("Checkout worked after %(step)s") if done else _("Checkout FAILED after %(step)s")
    if when == "after roll-back":
        return _("Checkout worked once %(step)s was taken back") if done else _("Checkout FAILED once %(step)s was taken back")
    return _("Checkout worked before %(step)s") if done else _("Checkout FAILED before %(step)s")
