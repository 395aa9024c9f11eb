"""Credentials for a gateway on the same machine: paired through the data directory, without a code."""

import base64
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, insert, select

from checkvalve import __version__
from checkvalve.engine.core import now_ms
from checkvalve.engine.identity import load_identity
from checkvalve.engine.settings import Settings
from checkvalve.store.schema import sensors, sequences
from checkvalve.store.state import open_state

KEYID = "gw.local"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalGateway:
    keyid: str
    private_key: str
    core_public_key: str
    next_sequence: int


def pair_local(settings: Settings) -> LocalGateway:
    """A fresh key for `gw.local`, known to core from now on."""
    identity = load_identity(settings.data)
    key = Ed25519PrivateKey.from_private_bytes(secrets.token_bytes(32))
    state = open_state(settings.state)
    try:
        with state.begin() as db:
            highest = db.scalar(select(sequences.c.highest).where(sequences.c.sensor == KEYID)) or 0
            db.execute(delete(sensors).where(sensors.c.keyid == KEYID))
            db.execute(
                insert(sensors).values(
                    keyid=KEYID,
                    kind="gateway",
                    name="local",
                    public_key=key.public_key().public_bytes_raw(),
                    paired_ms=now_ms(),
                    versions={"checkvalve": __version__},
                )
            )
    finally:
        state.close()
    return LocalGateway(
        keyid=KEYID,
        private_key=base64.b64encode(key.private_bytes_raw()).decode(),
        core_public_key=base64.b64encode(identity.core_public).decode(),
        next_sequence=highest + 1,
    )
