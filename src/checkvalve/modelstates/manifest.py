"""What the vault found in one state, signed: an in-toto Statement v1 in a DSSE envelope, Ed25519.

The subjects are the state's files with their sha256, as `component/path`; the predicate says which snapshot of which repository
holds each component, what it needs, which repository files there were when it was signed, and what could not be assessed.
Whoever holds the vault's public key can check it with any DSSE tool (github.com/secure-systems-lab/dsse, in-toto/attestation).
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from checkvalve.modelstates.description import Kind
from checkvalve.modelstates.errors import ModelStateError

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://checkvalve.example/model-state/v1"


class File(msgspec.Struct, frozen=True, kw_only=True):
    path: str  # relative to its component, with /
    size: int  # bytes
    sha256: str


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One component as it was in one state. `digest` stands for all its files; `tokenizer` for what templates must fit.

    `needs` is the component it fits and that component's digest then: of its weights, or of its tokenizer for prompts.
    `not_assessed`: what the scan could not read. `documents`: how many it read.
    """

    component: str
    kind: Kind
    snapshot: str  # restic snapshot id, 64 hex digits
    tree: str  # restic's digest of its directory tree; "" where it was not asked for
    digest: str
    tokenizer: str
    files: tuple[File, ...]
    needs: tuple[str, str] | None = None
    made_from: tuple[str, ...] | None = None
    documents: int = 0
    not_assessed: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()  # files of vectors, which only what they were built from can judge
    template: str | None = None  # sha256 of the chat template in the weights
    orphan: bool = False  # a state was erased that it may have been made from


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`received_ms`: when the vault first saw it, by the vault's clock; `claimed_ms`: what the shop's host said."""

    id: str
    received_ms: int
    claimed_ms: int
    versions: tuple[Version, ...]
    sealed: dict[str, str] = {}  # component -> sha256 over the names of its repository's files (see engine.vault_seal)

    def version(self, component: str) -> Version | None:
        return next((v for v in self.versions if v.component == component), None)


def digest_of(files: tuple[File, ...]) -> str:
    """One sha256 for a set of files: over `sha256  path` lines in order of path, as sha256sum prints them."""
    lines = "".join(f"{f.sha256}  {f.path}\n" for f in sorted(files, key=lambda f: f.path))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def needed_digest(kind: Kind, provider: Version) -> str:
    """Prompts and templates fit a tokenizer; adapters and vectors fit exactly these weights."""
    return provider.tokenizer if kind == "prompts" else provider.digest


def sign(state: State, key: Ed25519PrivateKey) -> bytes:
    """The envelope, as JSON."""
    subjects = [{"name": f"{v.component}/{f.path}", "digest": {"sha256": f.sha256}} for v in state.versions for f in v.files]
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": msgspec.to_builtins(state),
    }
    payload = msgspec.json.encode(statement, order="sorted")
    signature = {"keyid": key_id(key.public_key().public_bytes_raw()), "sig": _b64(key.sign(_pae(payload)))}
    return msgspec.json.encode({"payloadType": PAYLOAD_TYPE, "payload": _b64(payload), "signatures": [signature]})


def verify(envelope: bytes, public_key: bytes) -> State:
    """The state that was signed by this key; ModelStateError("not_signed") otherwise."""
    try:
        outer = msgspec.json.decode(envelope, type=_Envelope)
        payload = base64.b64decode(outer.payload, validate=True)
        signature = base64.b64decode(outer.signatures[0].sig, validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _pae(payload))
        statement = msgspec.json.decode(payload, type=_Statement)
    except (msgspec.DecodeError, binascii.Error, ValueError, IndexError, RecursionError) as error:
        raise ModelStateError("not_signed", "this is no signed manifest") from error
    except InvalidSignature as error:
        raise ModelStateError("not_signed", "the manifest's signature does not verify with the vault's key") from error
    if outer.payload_type != PAYLOAD_TYPE or statement.predicate_type != PREDICATE_TYPE:
        raise ModelStateError("not_signed", "the manifest is of another type")
    return statement.predicate


def flaws(version: Version, found: Mapping[str, tuple[int, str]]) -> list[str]:
    """What differs between a signed version and files found (path -> size, sha256): one line each."""
    signed = {f.path: (f.size, f.sha256) for f in version.files}
    lines = [f"{version.component}/{p}: missing" for p in signed if p not in found]
    lines += [f"{version.component}/{p}: not part of the signed state" for p in found if p not in signed]
    lines += [
        f"{version.component}/{p}: sha256 {found[p][1]}, signed {signed[p][1]}"
        for p in signed
        if p in found and found[p] != signed[p]
    ]
    return sorted(lines)


def key_id(public_key: bytes) -> str:
    return hashlib.sha256(public_key).hexdigest()[:16]


def _pae(payload: bytes) -> bytes:
    """DSSE v1.0.2, Pre-Authentication Encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class _Signature(msgspec.Struct):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct, rename={"payload_type": "payloadType"}):
    payload_type: str
    payload: str
    signatures: list[_Signature]


class _Statement(msgspec.Struct, rename={"predicate_type": "predicateType"}):
    predicate_type: str
    predicate: State
