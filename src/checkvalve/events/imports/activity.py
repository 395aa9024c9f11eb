"""What activity logs of WordPress have in common: a user, an address, a plugin, in OCSF's terms."""

import re
from typing import Any

from checkvalve.events import event as ocsf
from checkvalve.events.imports.types import Context

_PHRASE = re.compile(r"[^A-Za-z0-9 _.:/-]")

# what happened -> OCSF class, activity, further attributes
KINDS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "login": (ocsf.AUTHENTICATION, 1, {"status_id": 1}),
    "login_failed": (ocsf.AUTHENTICATION, 1, {"status_id": 2}),
    "logout": (ocsf.AUTHENTICATION, 2, {"status_id": 1}),
    "user_created": (ocsf.ACCOUNT_CHANGE, 1, {}),
    "password_changed": (ocsf.ACCOUNT_CHANGE, 3, {}),
    "password_reset": (ocsf.ACCOUNT_CHANGE, 4, {}),
    "user_deleted": (ocsf.ACCOUNT_CHANGE, 6, {}),
    "user_changed": (ocsf.ACCOUNT_CHANGE, 99, {}),
    "role_changed": (ocsf.USER_ACCESS, 3, {}),
    "plugin_installed": (ocsf.APPLICATION_LIFECYCLE, 1, {}),
    "plugin_removed": (ocsf.APPLICATION_LIFECYCLE, 2, {}),
    "plugin_enabled": (ocsf.APPLICATION_LIFECYCLE, 6, {}),
    "plugin_disabled": (ocsf.APPLICATION_LIFECYCLE, 7, {}),
    "plugin_updated": (ocsf.APPLICATION_LIFECYCLE, 8, {}),
    "order_created": (ocsf.WEB_RESOURCES, 1, {}),
    "order_changed": (ocsf.WEB_RESOURCES, 3, {}),
}
OTHER: tuple[int, int, dict[str, Any]] = (0, 99, {})  # OCSF Base Event


def phrase(text: object) -> str:
    """A plugin's own vocabulary, fit for a line of a timeline."""
    return _PHRASE.sub("", str(text))[:80] if text else ""


def actor(user_id: object, login: object, email: object, context: Context) -> str | None:
    """`customer:<id>` of a known user, else a pseudonym of what was typed."""
    if isinstance(user_id, int | str) and str(user_id).isdigit() and int(user_id) > 0:
        return f"customer:{int(user_id)}"
    if isinstance(email, str) and email:
        return f"email:{context.hide('email', email.strip().lower())}"
    return f"login:{context.hide('login', login)}" if isinstance(login, str) and login else None


def parts(kind: str, who: str | None, address: object, message: str, context: Context) -> dict[str, Any]:
    """Fields `class_uid`, `activity_id`, `own` and `body` of what was said."""
    class_uid, activity_id, attributes = KINDS.get(kind, OTHER)
    own: dict[str, Any] = {"requester": {"ref": who}} if who else {}
    body: dict[str, Any] = {**attributes, "message": f"{message} by {who}" if who else message}
    if who:
        body["user"] = {"uid": who}
    if isinstance(address, str) and address:
        body["src_endpoint"] = {"uid": context.hide("ip", address)}
    return {"class_uid": class_uid, "activity_id": activity_id, "own": own, "body": body}
