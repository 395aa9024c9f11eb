"""A case as one file that anyone can check with the log's public key (docs/spec/log.md, Bundle).

A zip without compression, written in one canonical way. The manifest names the digest of every other file and is signed as a
note; each log entry in it comes with its inclusion proof. Verification rebuilds the canonical zip and compares, so that
not one byte, of content or of container, can differ.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.evidence import checkpoint, entry
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import leaf_hash, root_from_inclusion
from checkvalve.evidence.verify import Flaw, Verified

MANIFEST: Final = "manifest.json"
MANIFEST_NOTE: Final = "manifest.note"
CHECKPOINT: Final = "checkpoint"
PUBLIC_KEY: Final = "log.pub"
PROOFS: Final = "proofs.json"
FORMAT: Final = "checkvalve-bundle/1"
MAX_BYTES: Final = 1024 * 1024 * 1024
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
) -> bytes:
    """The bundle's bytes. `head` is the signed checkpoint the proofs lead to, `created` an RFC 3339 time."""
    files = {f"documents/{name}": content for name, content in documents.items()}
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
        "format": FORMAT,
        "case": case,
        "created": created,
        "files": {n: hashlib.sha256(c).hexdigest() for n, c in files.items()},
    }
    files[MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1)
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    files[MANIFEST_NOTE] = checkpoint.sign_note(f"{FORMAT}\n{digest}\n", name=origin, key=key)
    return _zip(files)


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, 0o600 << 16
            archive.writestr(info, files[name])
    return out.getvalue()


def verify(data: bytes, public_key: bytes | None = None) -> Verified:
    """Check a bundle. Without a key the one inside is used and `key_trusted` is False: compare `key` by another way."""
    try:
        files = _unzip(data)
        origin, key = checkpoint.parse_verifier_key(_text(files, PUBLIC_KEY))
    except VerificationError as error:
        return Verified(ok=False, entries=0, checkpoint="", errors=(Flaw(entry=None, file="bundle", what=error.what),))
    trusted = public_key is not None
    if public_key is not None:
        key = public_key
    flaws = _check_manifest(files, origin, key)
    head, entry_flaws = _check_entries(files, origin, key)
    flaws += entry_flaws
    if not flaws and _zip(files) != data:
        flaws.append(Flaw(entry=None, file="bundle", what=f"the container differs at byte {_first_difference(files, data)}"))
    return Verified(
        ok=not flaws,
        entries=sum(n.endswith(".rec") for n in files),
        checkpoint=head,
        errors=tuple(flaws),
        key=checkpoint.verifier_key(origin, key),
        key_trusted=trusted,
    )


def documents(data: bytes) -> dict[str, bytes]:
    """The documents of a bundle, unverified, by name."""
    return {n.removeprefix("documents/"): c for n, c in _unzip(data).items() if n.startswith("documents/")}


def _unzip(data: bytes) -> dict[str, bytes]:
    """All files, without trusting sizes or checksums of the container (the manifest decides, and names the file)."""
    if len(data) > MAX_BYTES:
        raise VerificationError("larger than a bundle may be")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len({i.filename for i in infos}) != len(infos):
                raise VerificationError("a file name occurs twice")
            if any(i.compress_type != zipfile.ZIP_STORED or i.file_size > len(data) for i in infos):
                raise VerificationError("the container is not as Checkvalve writes it")
            return {i.filename: _member(archive, i) for i in infos}
    except VerificationError:
        raise
    except Exception as error:  # zipfile raises many kinds on hostile input
        raise VerificationError("the file is not a bundle, or its table of contents is damaged") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(info)
    except Exception as error:
        raise VerificationError(f"{info.filename}: its bytes do not match the container's checksum") from error


def _text(files: Mapping[str, bytes], name: str) -> str:
    if name not in files:
        raise VerificationError(f"{name} is missing")
    try:
        return files[name].decode("utf-8")
    except UnicodeDecodeError as error:
        raise VerificationError(f"{name} is not text") from error


def _check_manifest(files: Mapping[str, bytes], origin: str, key: bytes) -> list[Flaw]:
    try:
        text = checkpoint.open_note(files.get(MANIFEST_NOTE, b""), name=origin, public_key=key)
        if text != f"{FORMAT}\n{hashlib.sha256(files.get(MANIFEST, b'')).hexdigest()}\n":
            raise VerificationError("is not the manifest that was signed")
        listed: Any = msgspec.json.decode(files[MANIFEST])["files"]
    except VerificationError as error:
        return [Flaw(entry=None, file=MANIFEST, what=error.what)]
    flaws = []
    for name in sorted(set(listed) | set(files) - {MANIFEST, MANIFEST_NOTE}):
        if name not in files:
            flaws.append(Flaw(entry=_number(name), file=name, what="is missing"))
        elif name not in listed:
            flaws.append(Flaw(entry=_number(name), file=name, what="was added after signing"))
        elif hashlib.sha256(files[name]).hexdigest() != listed[name]:
            flaws.append(Flaw(entry=_number(name), file=name, what="is not the file that was signed"))
    return flaws


def _check_entries(files: Mapping[str, bytes], origin: str, key: bytes) -> tuple[str, list[Flaw]]:
    try:
        head = checkpoint.verify(files.get(CHECKPOINT, b""), origin=origin, public_key=key)
    except VerificationError as error:
        return "", [Flaw(entry=None, file=CHECKPOINT, what=error.what)]
    try:
        proofs = msgspec.json.decode(files.get(PROOFS, b""), type=dict[str, list[str]])
    except (msgspec.DecodeError, RecursionError):
        return head.text(), [Flaw(entry=None, file=PROOFS, what="cannot be read")]
    flaws = []
    for name, record in files.items():
        number = _number(name)
        if number is None or not name.endswith(".rec"):
            continue
        try:
            proof = [bytes.fromhex(h) for h in proofs[str(number)]]
            parsed = entry.parse(record)
            if root_from_inclusion(number, head.size, leaf_hash(record), proof) != head.root:
                raise VerificationError("is not in the log at this place")
            if (opening := files.get(f"entries/{number}.key")) is not None:
                entry.unseal(parsed, bytes.fromhex(opening.decode("ascii")))
        except KeyError:
            flaws.append(Flaw(entry=number, file=PROOFS, what="has no proof for this entry"))
        except ValueError:
            flaws.append(Flaw(entry=number, file=name, what="its proof or key is not hexadecimal"))
        except VerificationError as error:
            flaws.append(Flaw(entry=number, file=name, what=error.what))
    return head.text(), flaws


def _number(name: str) -> int | None:
    stem = name.removeprefix("entries/").partition(".")[0]
    return int(stem) if name.startswith("entries/") and stem.isascii() and stem.isdigit() else None


def _first_difference(files: Mapping[str, bytes], data: bytes) -> int:
    expected = _zip(files)
    return next((i for i, (a, b) in enumerate(zip(expected, data, strict=False)) if a != b), min(len(expected), len(data)))
