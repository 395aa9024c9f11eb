"""A new key for the log: named by the old one, written as a decision, then used. Core must not run.

Done in steps that can be repeated: the new key lies in `keys/log.key.next` until all is signed with it. A half-done rotation
refuses a start and is finished by the same command.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.engine import decisions
from checkvalve.engine.core import now_ms, open_core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.identity import NEXT, Identity, load_identity, secret_of
from checkvalve.engine.offline import identity_of
from checkvalve.engine.settings import Settings, write_private
from checkvalve.evidence import succession
from checkvalve.evidence.checkpoint import open_note, sign_note, verifier_key
from checkvalve.evidence.errors import VerificationError


def rotate(settings: Settings, by: str) -> tuple[str, str]:
    """(old, new) verifier key. JournalError while core runs."""
    pending = settings.data / "keys" / NEXT
    if not pending.exists():
        identity_of(settings)
        _decide(settings, by)
    identity = load_identity(settings.data, unfinished=True)
    with _locked(settings.data):
        new = Ed25519PrivateKey.from_private_bytes(secret_of(pending))
        public = new.public_key().public_bytes_raw()
        write_private(settings.data / "keys" / "installation", identity.installation.encode())
        notes = settings.data / "log" / "succession"
        notes.mkdir(mode=0o700, exist_ok=True)
        if not any(succession.read(p.read_bytes(), identity.origin)[1] == public for p in notes.glob("*.note")):
            write_private(
                notes / f"{len(list(notes.glob('*.note'))):04d}.note",
                succession.write(identity.origin, identity.log_key, public),
            )
        for path in (settings.data / "log" / "checkpoint", settings.archive_dir / "manifest"):
            if path.exists():
                _sign_again(path, identity, new)
        pending.replace(settings.data / "keys" / "log.key")
    return verifier_key(identity.origin, identity.log_public), verifier_key(identity.origin, public)


def _decide(settings: Settings, by: str) -> None:
    """The decision, as the last entry under the old key; the new key is made before it is named."""
    core = open_core(settings)
    try:
        core.pipeline.catch_up()
        identity = core.identity
        fresh = secret_of(settings.data / "keys" / f"{NEXT}.made")
        public = Ed25519PrivateKey.from_private_bytes(fresh).public_key().public_bytes_raw()
        named = {"old": verifier_key(identity.origin, identity.log_public), "new": verifier_key(identity.origin, public)}
        core.journal.append_many([decisions.draft("log_key_rotated", at_ms=now_ms(), by=by, **named)])
        core.pipeline.catch_up()
    finally:
        core.close()
    (settings.data / "keys" / f"{NEXT}.made").replace(settings.data / "keys" / NEXT)


def _sign_again(path: Path, identity: Identity, new: Ed25519PrivateKey) -> None:
    """The same text under the new key; nothing to do when it has that already."""
    note = path.read_bytes()
    try:
        open_note(note, name=identity.origin, public_key=new.public_key().public_bytes_raw())
    except VerificationError:
        try:
            text = open_note(note, name=identity.origin, public_key=identity.log_public)
        except VerificationError as error:
            raise EngineError("damaged_log", f"{path}: {error.what}; run `checkvalve evidence verify`") from error
        write_private(path, sign_note(text, name=identity.origin, key=new))


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Keeps a core from starting."""
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise EngineError("in_use", f"another Checkvalve uses {data}; stop it first") from error
    finally:
        os.close(descriptor)
