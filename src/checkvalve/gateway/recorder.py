"""Events of the gateway: what an inference was, whom it exposed, what came of an order (docs/spec/wire.md, section 8)."""

import time
from collections.abc import Callable
from typing import Any

from checkvalve import __version__
from checkvalve.detection.repeats import DOCUMENT, SYSTEM
from checkvalve.detection.staff import INSTRUCTIONS
from checkvalve.detection.types import Exposure, Finding
from checkvalve.events import event as ocsf
from checkvalve.gateway.control import Caller
from checkvalve.gateway.spool import Spool

PRODUCT = "Checkvalve gateway"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Recorder:
    """Numbers events into the spool; `kick` wakes the sender, once there is one."""

    def __init__(self, spool: Spool, new_uid: Callable[[], str]) -> None:
        self._spool, self._new_uid = spool, new_uid
        self.kick: Callable[[], None] = lambda: None

    def exposures(self, caller: Caller, found: list[Exposure], model: str | None, *, site: str, withheld: bool = False) -> None:
        """Other people's data in an answer: shown, or withheld from the caller by an order."""
        if not found:
            return
        listed = [
            {
                "subject": e.subject,
                "category": e.category,
                "span": e.span,
                "encoding": e.encoding,
                "recipient": e.recipient,
                "inference": e.inference,
                "seen_ms": e.seen_ms,
                **({"allowed": role} if not withheld and (role := caller.role(e.category)) else {}),
            }
            for e in found
        ]
        own = {**_who(caller), "site": site, "withheld" if withheld else "exposures": listed, "model": model}
        title = "Personal data withheld from another person" if withheld else "Personal data shown to another person"
        finding = {"uid": found[0].inference, "title": title}
        self._add(ocsf.DETECTION_FINDING, 1, own, trace=caller.text("trace"), severity_id=4, finding_info=finding)

    def findings(
        self, caller: Caller, found: list[Finding], model: str | None, *, site: str, inference: str, withheld: bool = False
    ) -> None:
        """Secrets, card numbers, canaries in an answer: what needs no register to be known."""
        if not found:
            return
        kept = {"withheld": True} if withheld else {}
        listed = [
            {"detector": f.detector, "severity": _severity(caller, f), "summary": f.summary, "leak": f.leak, **f.data, **kept}
            for f in found
        ]
        own = {**_who(caller), "site": site, "findings": listed, "inference_id": inference, "model": model}
        severity = 5 if any(f.severity == "critical" for f in found) else 3
        finding = {"uid": inference, "title": found[0].summary}
        self._add(ocsf.DETECTION_FINDING, 1, own, trace=caller.text("trace"), severity_id=severity, finding_info=finding)

    def inference(self, caller: Caller, data: dict[str, Any], model: str | None) -> None:
        own = {**_who(caller), "inference": {**data, "caller": caller.context, "context_error": caller.error}}
        self._add(
            ocsf.API_ACTIVITY,
            1,
            own,
            at=data["started_ms"],
            trace=caller.text("trace"),
            profiles=["ai_operation"],
            ai_model={"name": model or "unknown", "ai_provider": "local"},
            message_context={
                "prompt_tokens": data["prompt_tokens"],
                "completion_tokens": data["completion_tokens"],
            },
            api={"operation": f"POST {data['path']}"},
            http_response={"code": data["http_status"] or 0},
        )

    def passed(self, caller: Caller, method: str, path: str, status: int | None, *, what: str) -> None:
        """A request of no known shape, which is not looked into; `what` became of it."""
        activity = {"POST": 1, "GET": 2, "HEAD": 2, "PUT": 3, "PATCH": 3, "DELETE": 4}.get(method, 99)
        self._add(
            ocsf.API_ACTIVITY,
            activity,
            _who(caller),
            trace=caller.text("trace"),
            message=what,
            api={"operation": f"{method} {path[:200]}"},
            http_response={"code": status or 0},
        )

    def fault(self, caller: Caller, inference: str) -> None:
        """A fault of ours: an answer was passed on that the gateway could not look into."""
        own = {**_who(caller), "inference_id": inference}
        self._add(ocsf.APPLICATION_LIFECYCLE, 0, own, message="an answer could not be inspected", app={"uid": "checkvalve"})

    def order(self, jti: str, status: str, detail: str) -> None:
        own = {"outcome": {"jti": jti, "status": status, "detail": detail}}
        good = 1 if status in ("done", "already") else 2
        self._add(ocsf.REMEDIATION_ACTIVITY, 1, own, command_uid=jti, status_id=good)

    def switched(self, server: str, before: str, after: str) -> None:
        """The operator of this machine has a model server answer that is somewhere else."""
        app = {"name": "Checkvalve gateway", "uid": "checkvalve", "version": __version__}
        own = {"switched": {"server": server, "from": before, "to": after}}
        self._add(ocsf.APPLICATION_LIFECYCLE, 0, own, message="model server switched", app=app)

    def alive(self, health: dict[str, Any]) -> None:
        """The gateway about itself: that it is there, and what waits in its spool."""
        app = {"name": "Checkvalve gateway", "uid": "checkvalve", "version": __version__}
        self._add(ocsf.APPLICATION_LIFECYCLE, 0, {"health": health}, message="alive", app=app)

    def _add(self, class_uid: int, activity_id: int, own: dict[str, Any], *, at: int | None = None, **more: Any) -> None:
        def encode(number: int) -> bytes:
            return ocsf.encode(
                class_uid=class_uid,
                activity_id=activity_id,
                time=at or now_ms(),
                uid=self._new_uid(),
                sequence=number,
                product=PRODUCT,
                version=__version__,
                own=own,
                **more,
            )

        self._spool.append(encode)
        self.kick()


def _who(caller: Caller) -> dict[str, Any]:
    context = caller.context or {}
    found: dict[str, Any] = {n: v for n, v in (("site", caller.site), ("key", caller.key)) if v}
    return found | {n: context[n] for n in ("plugin", "route", "session", "requester") if n in context}


def _severity(caller: Caller, found: Finding) -> str:
    """Of a finding told to somebody who may be told what the shop tells its model."""
    recited = found.detector in (SYSTEM[0], DOCUMENT[0])
    return "informational" if recited and caller.role(INSTRUCTIONS) else found.severity
