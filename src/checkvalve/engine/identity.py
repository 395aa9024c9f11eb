"""The keys of one installation: one signs the log, one signs orders and requests, one marks repeated lines."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import make_private, require_private


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    installation: str  # 12 hex digits; the log's origin is checkvalve/<installation>
    log_key: Ed25519PrivateKey
    core_key: Ed25519PrivateKey
    repeat_key: bytes  # keys the digests by which a repeated line is known again
    canary_seed: bytes  # canaries are made from it

    @property
    def origin(self) -> str:
        return f"checkvalve/{self.installation}"

    @property
    def core_public(self) -> bytes:
        return self.core_key.public_key().public_bytes_raw()

    @property
    def log_public(self) -> bytes:
        return self.log_key.public_key().public_bytes_raw()


NEXT = "log.key.next"  # a new key of the log whose rotation is not finished


def load_identity(data: Path, *, unfinished: bool = False) -> Identity:
    """Read the keys under `data/keys`, making them the first time. A half-done rotation is an error unless `unfinished`."""
    keys = data / "keys"
    make_private(data)
    make_private(keys)
    if (keys / NEXT).exists() and not unfinished:
        raise EngineError("rotation_unfinished", "a new key of the log is not in use yet; run: checkvalve evidence rotate-key")
    log_key = Ed25519PrivateKey.from_private_bytes(secret_of(keys / "log.key"))
    named = keys / "installation"  # kept at the first rotation: the log's name outlives its first key
    first = hashlib.sha256(log_key.public_key().public_bytes_raw()).hexdigest()[:12]
    core_secret = secret_of(keys / "core.key")
    return Identity(
        installation=named.read_text() if named.exists() else first,
        log_key=log_key,
        core_key=Ed25519PrivateKey.from_private_bytes(core_secret),
        repeat_key=hashlib.blake2b(b"repeat", key=core_secret, digest_size=32).digest(),
        canary_seed=hashlib.blake2b(b"canary", key=core_secret, digest_size=32).digest(),
    )


def secret_of(path: Path) -> bytes:
    """32 bytes only the owner can read; made at random when the file is not there."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
            file.flush()
            os.fsync(file.fileno())
    require_private(path)
    secret = path.read_bytes()
    if len(secret) != 32:
        raise EngineError("bad_key_file", f"{path} does not hold 32 bytes; restore it from your backup")
    return secret
