"""A case as one file that anyone can check with the log's public key (docs/spec/log.md, Bundle).

A zip without compression, written in one canonical way. The manifest names the digest of every other file and is signed as a
note; each log entry in it comes with its inclusion proof. Verification rebuilds the canonical zip and compares, so that
not one byte, of content or of container, can differ.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.evidence import anchor, checkpoint, entry, succession
from checkvalve.evidence.checkpoint import Checkpoint
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import leaf_hash, root_from_inclusion
from checkvalve.evidence.verify import Flaw, Verified

MANIFEST: Final = "manifest.json"
MANIFEST_NOTE: Final = "manifest.note"
CHECKPOINT: Final = "checkpoint"
PUBLIC_KEY: Final = "log.pub"
PROOFS: Final = "proofs.json"
FORMAT: Final = "checkvalve-bundle/1"
EXTENDED: Final = (
    "checkvalve-bundle/2"  # with anchors or a succession of keys; what has none stays readable to whoever knows version 1
)
FORMATS: Final = (FORMAT, EXTENDED)
ROOTS: Final = "anchors/roots.pem"
WITNESSES: Final = "anchors/witnesses"
MAX_BYTES: Final = 1024 * 1024 * 1024
_NAMED = frozenset({MANIFEST, MANIFEST_NOTE, CHECKPOINT, PUBLIC_KEY, PROOFS})
_ENTRY_FILE = re.compile(r"entries/(0|[1-9][0-9]{0,18})\.(?:rec|key)")
_LOCAL_HEADER = 30  # bytes before the name; ours have no extra field
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEntry:
    """One entry for a bundle. `key` opens its content; None leaves it sealed."""

    number: int
    record: bytes
    proof: list[bytes]
    key: bytes | None


def build(
    *,
    case: str,
    created: str,
    entries: list[LoggedEntry],
    documents: Mapping[str, bytes],
    head: bytes,
    origin: str,
    key: Ed25519PrivateKey,
    anchors: Mapping[str, bytes] | None = None,
    notes: list[bytes] | None = None,
) -> bytes:
    """The bundle's bytes. `head` is the signed checkpoint the proofs lead to, `created` an RFC 3339 time.

    `anchors`: files as in `evidence.anchor`, with `roots.pem` and `witnesses` (verifier keys, one a line) if there are any.
    `notes`: the succession of the log's keys, oldest first.
    """
    files = {f"documents/{name}": content for name, content in documents.items()}
    files |= {f"anchors/{name}": content for name, content in (anchors or {}).items()}
    files |= {f"succession/{n:04d}.note": note for n, note in enumerate(notes or [])}
    form = EXTENDED if anchors or notes else FORMAT
    proofs = {}
    for e in entries:
        files[f"entries/{e.number}.rec"] = e.record
        if e.key is not None:
            files[f"entries/{e.number}.key"] = e.key.hex().encode()
        proofs[str(e.number)] = [h.hex() for h in e.proof]
    files[PROOFS] = msgspec.json.encode(proofs, order="sorted")
    files[CHECKPOINT] = head
    files[PUBLIC_KEY] = (checkpoint.verifier_key(origin, key.public_key().public_bytes_raw()) + "\n").encode()
    manifest = {
        "format": form,
        "case": case,
        "created": created,
        "files": {n: hashlib.sha256(c).hexdigest() for n, c in files.items()},
    }
    files[MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1)
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    files[MANIFEST_NOTE] = checkpoint.sign_note(f"{form}\n{digest}\n", name=origin, key=key)
    return _zip(files)


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, 0o600 << 16
            archive.writestr(info, files[name])
    return out.getvalue()


def verify(data: bytes, public_key: bytes | None = None, trust: anchor.Trust = anchor.NOBODY) -> Verified:
    """Check a bundle. Without a key the one inside is used and `key_trusted` is False: compare `key` by another way.

    Anchors are checked against `trust`, or else against the roots and witnesses inside, and then are not `trusted`.
    """
    try:
        files = _unzip(data)
    except VerificationError as error:
        return _unusable("bundle", error.what)
    try:
        origin, key = checkpoint.parse_verifier_key(_text(files, PUBLIC_KEY))
    except VerificationError as error:
        return _unusable(PUBLIC_KEY, error.what)
    trusted = public_key is not None
    notes = [files[n] for n in sorted(files) if n.startswith("succession/")]
    try:
        if public_key is not None and key not in succession.successors(notes, origin, public_key):
            key = public_key
        keys = succession.lineage(notes, origin, key)
    except VerificationError as error:
        return _unusable("succession", error.what)
    flaws = _check_manifest(files, origin, key)
    head, entry_flaws = _check_entries(files, origin, key)
    flaws += [f for f in entry_flaws if f not in flaws]
    anchored, anchor_flaws = ([], []) if flaws else _check_anchors(files, origin, keys, trust)
    flaws += anchor_flaws
    if not flaws and _zip(files) != data:
        flaws.append(Flaw(entry=None, file="bundle", what=f"the container differs at byte {_first_difference(files, data)}"))
    return Verified(
        ok=not flaws,
        entries=sum(_entry_file(n) is not None and n.endswith(".rec") for n in files),
        checkpoint=head,
        errors=tuple(flaws),
        key=checkpoint.verifier_key(origin, key),
        key_trusted=trusted,
        anchors=tuple(anchored),
    )


def documents(data: bytes) -> dict[str, bytes]:
    """The documents of a bundle, unverified, by name."""
    return {n.removeprefix("documents/"): c for n, c in _unzip(data).items() if n.startswith("documents/")}


def _unusable(file: str, what: str) -> Verified:
    return Verified(ok=False, entries=0, checkpoint="", errors=(Flaw(entry=None, file=file, what=what),), key_trusted=False)


def _unzip(data: bytes) -> dict[str, bytes]:
    """All files, cut out where the canonical container has them. Its checksums are not asked: the manifest names the file."""
    if len(data) > MAX_BYTES:
        raise VerificationError("larger than a bundle may be")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
    except Exception as error:  # zipfile raises many kinds on hostile input
        raise VerificationError("the file is not a bundle, or its table of contents is damaged") from error
    if len({i.filename for i in infos}) != len(infos):
        raise VerificationError("a file name occurs twice")
    if any(i.compress_type != zipfile.ZIP_STORED for i in infos) or sum(i.file_size for i in infos) > len(data):
        raise VerificationError("the container is not as Checkvalve writes it")
    return {i.filename: _member(data, i) for i in infos}


def _member(data: bytes, info: zipfile.ZipInfo) -> bytes:
    start = info.header_offset + _LOCAL_HEADER + len(info.filename.encode("utf-8", "replace"))
    return data[start : start + info.file_size] if start > 0 else b""


def _text(files: Mapping[str, bytes], name: str) -> str:
    if name not in files:
        raise VerificationError("is missing")
    try:
        return files[name].decode("utf-8")
    except UnicodeDecodeError as error:
        raise VerificationError("is not text") from error


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    case: str
    created: str
    files: dict[str, str]


def _check_manifest(files: Mapping[str, bytes], origin: str, key: bytes) -> list[Flaw]:
    try:
        text = checkpoint.open_note(files.get(MANIFEST_NOTE, b""), name=origin, public_key=key)
    except VerificationError as error:
        return [Flaw(entry=None, file=MANIFEST_NOTE, what=error.what)]
    digest = hashlib.sha256(files.get(MANIFEST, b"")).hexdigest()
    if text not in [f"{form}\n{digest}\n" for form in FORMATS]:
        return [Flaw(entry=None, file=MANIFEST, what="is not the manifest that was signed")]
    try:
        listed = msgspec.json.decode(files.get(MANIFEST, b""), type=_Manifest).files
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [Flaw(entry=None, file=MANIFEST, what="cannot be read")]
    flaws = []
    for name in sorted((set(listed) | set(files)) - {MANIFEST, MANIFEST_NOTE}):
        if name not in files:
            flaws.append(Flaw(entry=_entry_file(name), file=name, what="is missing"))
        elif name not in listed:
            flaws.append(Flaw(entry=_entry_file(name), file=name, what="was added after signing"))
        elif hashlib.sha256(files[name]).hexdigest() != listed[name]:
            flaws.append(Flaw(entry=_entry_file(name), file=name, what="is not the file that was signed"))
    return flaws


def _check_entries(files: Mapping[str, bytes], origin: str, key: bytes) -> tuple[str, list[Flaw]]:
    try:
        head = checkpoint.verify(files.get(CHECKPOINT, b""), origin=origin, public_key=key)
    except VerificationError as error:
        return "", [Flaw(entry=None, file=CHECKPOINT, what=error.what)]
    try:
        proofs = msgspec.json.decode(files.get(PROOFS, b""), type=dict[str, list[str]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return head.text(), [Flaw(entry=None, file=PROOFS, what="cannot be read")]
    flaws = [
        Flaw(entry=_entry_file(f"entries/{number}.rec"), file=PROOFS, what=f"proves entry {number[:20]}, which is not here")
        for number in proofs
        if f"entries/{number}.rec" not in files
    ]
    for name in files:
        number = _entry_file(name)
        if number is not None and name.endswith(".rec"):
            flaws += _check_entry(files, number, proofs.get(str(number)), head)
        elif number is not None and f"entries/{number}.rec" not in files:
            flaws.append(Flaw(entry=number, file=name, what="is a key without its record"))
        elif number is None and name not in _NAMED and not name.startswith(("documents/", "anchors/", "succession/")):
            flaws.append(Flaw(entry=None, file=name, what="is not a file of a bundle"))
    return head.text(), flaws


def _check_anchors(
    files: Mapping[str, bytes], origin: str, keys: list[bytes], trust: anchor.Trust
) -> tuple[list[anchor.Anchored], list[Flaw]]:
    held = {n.removeprefix("anchors/"): c for n, c in files.items() if n.startswith("anchors/") and n not in (ROOTS, WITNESSES)}
    odd = [f"anchors/{n}" for n in held if not anchor.NAME.fullmatch(n)]
    flaws = [Flaw(entry=None, file=name, what="is not a file of a bundle") for name in odd]
    found: list[anchor.Anchored] = []
    for size in sorted({int(m[1]) for n in held if (m := anchor.NAME.fullmatch(n))}):
        try:
            head = checkpoint.verify(files.get(CHECKPOINT, b""), origin=origin, public_key=keys[0])
            given = anchor.trust_of(files.get(ROOTS, b""), files.get(WITNESSES, b""))
            found += anchor.verify(held, size, head, origin=origin, public_keys=keys, trust=trust, given=given)
        except VerificationError as error:
            flaws.append(Flaw(entry=None, file=f"anchors/{size}", what=error.what))
    return found, flaws


def _check_entry(files: Mapping[str, bytes], number: int, proof: list[str] | None, head: Checkpoint) -> list[Flaw]:
    """Flaws of one entry: its place in the log, its form, and that its key (if here) opens it."""
    name, record = f"entries/{number}.rec", files[f"entries/{number}.rec"]
    if proof is None:
        return [Flaw(entry=number, file=PROOFS, what="has no proof for this entry")]
    flaws = []
    try:
        root = root_from_inclusion(number, head.size, leaf_hash(record), [bytes.fromhex(h) for h in proof])
        if root != head.root:
            flaws.append(Flaw(entry=number, file=name, what="is not in the log at this place, or its proof is wrong"))
    except ValueError:
        flaws.append(Flaw(entry=number, file=PROOFS, what="the proof of this entry is not hexadecimal"))
    try:
        parsed = entry.parse(record)
    except VerificationError as error:
        return [*flaws, Flaw(entry=number, file=name, what=error.what)]
    if (opening := files.get(f"entries/{number}.key")) is not None:
        try:
            entry.unseal(parsed, bytes.fromhex(opening.decode("ascii")))
        except ValueError:
            flaws.append(Flaw(entry=number, file=f"entries/{number}.key", what="is not hexadecimal"))
        except VerificationError as error:
            flaws.append(Flaw(entry=number, file=f"entries/{number}.key", what=error.what))
    return flaws


def _entry_file(name: str) -> int | None:
    """The entry a file belongs to; None for names that are not exactly `entries/<number>.rec` or `.key`."""
    found = _ENTRY_FILE.fullmatch(name)
    return int(found[1]) if found else None


def _first_difference(files: Mapping[str, bytes], data: bytes) -> int:
    expected = _zip(files)
    return next((i for i, (a, b) in enumerate(zip(expected, data, strict=False)) if a != b), min(len(expected), len(data)))
