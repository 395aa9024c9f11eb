"""Anchors of the log outside of it: checkpoints stamped (RFC 3161) and cosigned by witnesses (C2SP tlog-witness).

Nothing leaves this machine unless somebody named an authority or a witness: what is sent is a checkpoint or its digest, which
says nothing of any entry. Files lie in DIR/anchors (`evidence/anchor.py`); plans for doing it again in DIR/anchoring.json.
"""

import asyncio
import base64
import http.client
import logging
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from checkvalve.engine.errors import EngineError
from checkvalve.engine.identity import Identity
from checkvalve.engine.settings import Settings, make_private, write_private
from checkvalve.evidence import anchor, checkpoint
from checkvalve.evidence.anchor import Anchored, Trust
from checkvalve.evidence.checkpoint import Checkpoint
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import consistency_proof
from checkvalve.store.segments import LogFiles

log = logging.getLogger("checkvalve.anchoring")

TIMEOUT_S: Final = 30
MAX_ANSWER: Final = 1024 * 1024
IN_BUNDLE: Final = 10  # newest anchors that go into a bundle


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to ask. `tsa_root`: PEM certificates; `witnesses`: (URL, verifier key); `hours` 0: only when told to."""

    tsa: str | None = None
    tsa_root: str = ""
    witnesses: list[tuple[str, str]] = []
    hours: float = 0


def plan_of(settings: Settings) -> Plan | None:
    path = settings.data / "anchoring.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan) if path.exists() else None
    except msgspec.DecodeError as error:
        raise EngineError(
            "bad_settings", f"{path} cannot be read; run `checkvalve evidence anchor` with its options"
        ) from error


def keep_plan(settings: Settings, plan: Plan) -> None:
    write_private(settings.data / "anchoring.json", msgspec.json.encode(plan))


def anchor_now(settings: Settings, identity: Identity, plan: Plan) -> list[Anchored]:
    """Have the newest checkpoint stamped and cosigned. What was given is verified before it is kept."""
    trust = _trust(plan)
    directory = settings.data / "anchors"
    make_private(directory)
    files = LogFiles(settings.data / "log")
    note = files.checkpoint()
    try:
        head = checkpoint.verify(note, origin=identity.origin, public_key=identity.log_public)
    except VerificationError as error:
        raise EngineError("damaged_log", f"log/checkpoint: {error.what}; run `checkvalve evidence verify`") from error
    if not head.size:
        raise EngineError("empty_log", "there is nothing in the log to stamp yet")
    got: dict[str, bytes] = {f"{head.size}.checkpoint": note, f"{head.size}.proof": b""}
    if plan.tsa:
        got[f"{head.size}.tsr"] = _stamp(plan.tsa, note)
    if plan.witnesses:
        lines = "".join(_cosign(url, note, head, files, directory) for url, _ in plan.witnesses)
        got[f"{head.size}.witness"] = lines.encode()
    try:
        found = anchor.verify(
            got, head.size, head, origin=identity.origin, public_keys=[identity.log_public], trust=trust, given=trust
        )
    except VerificationError as error:
        raise EngineError("bad_anchor", f"what was given does not verify and was not kept: {error.what}") from error
    for name, content in got.items():
        if not name.endswith(".proof"):
            write_private(directory / name, content)
    return found


def for_bundle(settings: Settings, head: Checkpoint, leaves: list[bytes]) -> dict[str, bytes]:
    """The newest anchors with their proofs to `head`, and whom they were checked against."""
    directory = settings.data / "anchors"
    sizes = sorted({int(p.name.split(".")[0]) for p in directory.glob("*.checkpoint")} if directory.exists() else set())
    kept: dict[str, bytes] = {}
    for size in [s for s in sizes if s <= head.size][-IN_BUNDLE:]:
        kept |= {p.name: p.read_bytes() for p in directory.glob(f"{size}.*") if anchor.NAME.fullmatch(p.name)}
        kept[f"{size}.proof"] = anchor.proof_text(consistency_proof(size, leaves[: head.size]) if size < head.size else [])
    plan = plan_of(settings)
    if kept and plan is not None:
        kept |= {"roots.pem": plan.tsa_root.encode()} if plan.tsa_root else {}
        kept |= {"witnesses": "".join(f"{key}\n" for _, key in plan.witnesses).encode()} if plan.witnesses else {}
    return kept


async def keep_anchoring(settings: Settings, identity: Identity) -> None:
    """Anchor every so many hours, as planned, until cancelled. What fails is tried again."""
    while True:
        plan = plan_of(settings)
        if plan is None or not plan.hours:
            await asyncio.sleep(60)
            continue
        try:
            await asyncio.to_thread(anchor_now, settings, identity, plan)
            await asyncio.sleep(plan.hours * 3600)
        except EngineError as error:
            log.warning("the log could not be anchored: %s", error)
            await asyncio.sleep(600)


def _trust(plan: Plan) -> Trust:
    try:
        return anchor.trust_of(plan.tsa_root.encode(), "\n".join(key for _, key in plan.witnesses).encode())
    except VerificationError as error:
        raise EngineError("bad_trust", error.what) from error


def _stamp(url: str, note: bytes) -> bytes:
    """RFC 3161 section 3.4: the request as the body of a POST, the response as the body of the answer."""
    query = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256).cert_request(cert_request=True).build()
    status, answer = _post(url, query.as_bytes(), "application/timestamp-query")
    if status != 200:
        raise EngineError("no_stamp", f"{urlsplit(url).hostname} answered {status}; is the address right?")
    return answer


def _cosign(url: str, note: bytes, head: Checkpoint, files: LogFiles, directory: Path) -> str:
    """C2SP tlog-witness, add-checkpoint: the lines of a witness that saw an older checkpoint of ours, or none."""
    size = _last_seen(directory)
    for _ in range(2):
        data = files.leaves()[: 32 * head.size]
        leaves = [data[i : i + 32] for i in range(0, len(data), 32)]
        proof = consistency_proof(size, leaves) if 0 < size < head.size else []
        lines = "".join(base64.b64encode(h).decode() + "\n" for h in proof)
        status, answer = _post(f"{url.rstrip('/')}/add-checkpoint", f"old {size}\n{lines}\n".encode() + note, "text/plain")
        if status == 200:
            return answer.decode("utf-8", "replace")
        if status != 409 or not answer.strip().isdigit() or int(answer) > head.size:
            break
        size = int(answer)
    raise EngineError("no_cosignature", f"the witness {urlsplit(url).hostname} answered {status}; it may have seen another log")


def _last_seen(directory: Path) -> int:
    return max((int(p.name.split(".")[0]) for p in directory.glob("*.witness")), default=0)


def _post(url: str, body: bytes, kind: str) -> tuple[int, bytes]:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise EngineError("bad_address", f"{url[:100]!r} is not an http or https address")
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind}, method="POST")  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, answer.read(MAX_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MAX_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise EngineError("unreachable", f"{urlsplit(url).hostname} does not answer; nothing was changed") from error
