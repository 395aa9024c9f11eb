"""One record of the log: a clear header and the received bytes under a key of their own (docs/spec/log.md).

Sealing is AES-256-GCM; the header is associated data, so that neither part can be exchanged unnoticed.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from checkvalve.evidence.errors import VerificationError

Kind = Literal["event", "decision", "access", "system"]
KEY_BYTES = 32
NONCE = b"\0" * 12  # each record has a key of its own, used once


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is readable without a key. `t` is the receive time in ms since the epoch; `key` names the record's key."""

    v: int
    t: int
    kind: Kind
    source: str
    seq: int | None
    key: str


_DECODER = msgspec.json.Decoder(Header)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    header: Header
    head: bytes  # the header as it stands in the log
    sealed: bytes


def seal(clear: bytes, *, kind: Kind, source: str, seq: int | None, t: int, key_id: str, key: bytes) -> bytes:
    """The record's bytes."""
    head = msgspec.json.encode(Header(v=1, t=t, kind=kind, source=source, seq=seq, key=key_id))
    return head + b"\n" + AESGCM(key).encrypt(NONCE, clear, head)


def parse(record: bytes) -> Record:
    head, newline, sealed = record.partition(b"\n")
    try:
        header = _DECODER.decode(head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise VerificationError("the record's header cannot be read") from error
    if not newline or header.v != 1 or len(sealed) < 16:
        raise VerificationError("not a record of version 1")
    return Record(header=header, head=head, sealed=sealed)


def unreadable(record: bytes) -> str | None:
    """Why these bytes are no record; None when they are one."""
    try:
        parse(record)
    except VerificationError as error:
        return error.what
    return None


def unseal(record: Record, key: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(NONCE, record.sealed, record.head)
    except (InvalidTag, ValueError) as error:
        raise VerificationError("the record's content does not open with its key") from error
