"""A bundle: not one byte of it may differ, whoever made it, and the answer names what does."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from checkvalve.evidence import bundle, checkpoint, entry
from checkvalve.evidence.checkpoint import Checkpoint
from checkvalve.evidence.merkle import inclusion_proofs, leaf_hash, root_of

GOLDEN = Path(__file__).parents[2] / "golden"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ORIGIN = "checkvalve/test"
SIZE = 9


def record_key(number: int) -> bytes:
    return hashlib.sha256(b"record key %d" % number).digest()


def record(number: int) -> bytes:
    return entry.seal(
        b'{"n":%d,"who":"person@example.com"}' % number,
        kind="decision",
        source="core",
        seq=None,
        t=1_764_000_000_000 + number,
        key_id=f"{number:032x}",
        key=record_key(number),
    )


def make() -> bytes:
    """Entries 2, 5 (opened) and 8 of a log of nine, and two documents."""
    records = [record(n) for n in range(SIZE)]
    leaves = [leaf_hash(r) for r in records]
    proofs = inclusion_proofs((2, 5, 8), leaves)
    return bundle.build(
        case="c-1",
        created="2026-11-24T12:00:00Z",
        entries=[
            bundle.LoggedEntry(number=n, record=records[n], proof=proofs[n], key=record_key(n) if n == 5 else None)
            for n in proofs
        ],
        documents={"notice.html": b"<p>notice</p>", "minutes.rec": b"not an entry"},
        head=checkpoint.sign(Checkpoint(origin=ORIGIN, size=SIZE, root=root_of(leaves)), KEY),
        origin=ORIGIN,
        key=KEY,
    )


WHOLE = make()


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """The canonical container, by the format's own words (docs/spec/log.md)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o600 << 16
            archive.writestr(info, files[name])
    return out.getvalue()


def signed(files: Mapping[str, bytes], manifest: object = None) -> bytes:
    """A bundle whose maker holds the key and signs whatever is in it."""
    kept = {n: c for n, c in files.items() if n not in (bundle.MANIFEST, bundle.MANIFEST_NOTE)}
    listed = {n: hashlib.sha256(c).hexdigest() for n, c in kept.items()}
    made = {"format": bundle.FORMAT, "case": "c", "created": "t", "files": listed} if manifest is None else manifest
    kept[bundle.MANIFEST] = made if isinstance(made, bytes) else msgspec.json.encode(made)
    digest = hashlib.sha256(kept[bundle.MANIFEST]).hexdigest()
    kept[bundle.MANIFEST_NOTE] = checkpoint.sign_note(f"{bundle.FORMAT}\n{digest}\n", name=ORIGIN, key=KEY)
    return packed(kept)


def test_a_bundle_is_good_with_its_public_key_and_the_same_every_time() -> None:
    result = bundle.verify(WHOLE, PUBLIC)
    assert (result.ok, result.entries, result.errors, result.key_trusted) == (True, 3, (), True)
    assert result.checkpoint.startswith(f"{ORIGIN}\n{SIZE}\n")
    assert make() == WHOLE
    assert packed(contents(WHOLE)) == WHOLE
    assert bundle.documents(WHOLE) == {"notice.html": b"<p>notice</p>", "minutes.rec": b"not an entry"}


def test_every_bundle_ever_made_still_verifies() -> None:
    found = sorted(GOLDEN.glob("bundle-*.zip"))
    assert found
    for path in found:
        assert bundle.verify(path.read_bytes(), PUBLIC).ok, path.name
    assert (GOLDEN / "bundle-1.zip").read_bytes() == WHOLE, "the format of new bundles changed: give it a new number"


def test_without_a_key_the_answer_says_that_nobody_vouches_for_it() -> None:
    result = bundle.verify(WHOLE)
    assert (result.ok, result.key_trusted) == (True, False)
    assert result.key == checkpoint.verifier_key(ORIGIN, PUBLIC)


def test_a_bundle_made_anew_with_another_key_is_not_good() -> None:
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    result = bundle.verify(WHOLE, stranger)
    assert {e.file for e in result.errors} == {"manifest.note", "checkpoint"}


def test_every_single_changed_byte_is_found() -> None:
    for position in range(len(WHOLE)):
        data = bytearray(WHOLE)
        data[position] ^= 0x01
        result = bundle.verify(bytes(data), PUBLIC)
        assert not result.ok, f"byte {position}"
        assert result.errors[0].what


@pytest.mark.parametrize("name", sorted(contents(WHOLE)))
def test_a_change_inside_a_file_is_named_by_file_and_entry(name: str) -> None:
    content = contents(WHOLE)[name]
    data = bytearray(WHOLE)
    data[WHOLE.index(content) + len(content) // 2] ^= 0x20
    result = bundle.verify(bytes(data), PUBLIC)
    assert not result.ok
    assert name in {e.file for e in result.errors}
    if name.startswith("entries/"):
        number = int(name.removeprefix("entries/").split(".")[0])
        assert number in {e.entry for e in result.errors if e.file == name}


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 400), st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_cut_or_overwritten_bundle_is_an_answer_and_never_an_exception(at: int, cut: int, put: bytes) -> None:
    data = WHOLE[:at] + put + WHOLE[at + cut :]
    for key in (PUBLIC, None):
        assert bundle.verify(data, key).ok == (data == WHOLE)


@given(st.binary(max_size=300))
def test_noise_is_no_bundle(noise: bytes) -> None:
    assert not bundle.verify(noise).ok
    assert not bundle.verify(WHOLE + noise + b"x", PUBLIC).ok
    assert not bundle.verify(noise + b"x" + WHOLE, PUBLIC).ok


@pytest.mark.parametrize("name", sorted(contents(WHOLE)))
def test_a_missing_file_is_named(name: str) -> None:
    files = contents(WHOLE)
    del files[name]
    result = bundle.verify(packed(files), PUBLIC)
    assert not result.ok
    assert name in {e.file for e in result.errors}


def test_a_file_put_in_afterwards_is_named() -> None:
    result = bundle.verify(packed({**contents(WHOLE), "documents/extra.txt": b"x"}), PUBLIC)
    assert ("documents/extra.txt", "was added after signing") in {(e.file, e.what) for e in result.errors}


def test_compressing_the_same_files_is_not_the_same_bundle() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents(WHOLE).items():
            archive.writestr(name, content)
    assert not bundle.verify(out.getvalue(), PUBLIC).ok


# The maker of a bundle may be the liar: all of these are signed with the right key.
LIES: dict[str, dict[str, bytes | None]] = {
    "a record of another place": {"entries/2.rec": record(3)},
    "a record that was never logged": {"entries/2.rec": record(77)},
    "an unproved entry": {"entries/3.rec": record(3)},
    "an entry under a second spelling of its number": {"entries/02.rec": record(2)},
    "an entry beyond the checkpoint": {f"entries/{SIZE}.rec": record(SIZE), "proofs.json": b'{"9":[]}'},
    "a number of five thousand digits": {f"entries/{'9' * 5000}.rec": record(2)},
    "a key of another entry": {"entries/5.key": record_key(4).hex().encode()},
    "a key that is no key": {"entries/5.key": b"\xff"},
    "a key without its record": {"entries/4.key": record_key(4).hex().encode()},
    "a proof that is no hexadecimal": {"proofs.json": b'{"2":["zz"],"5":[],"8":[]}'},
    "proofs that are no JSON": {"proofs.json": b"\xff\xfe"},
    "proofs nested without end": {"proofs.json": b"[" * 20_000},
    "a proof for an entry that is not there": {"entries/8.rec": None},
    "a file outside of the format": {"run-me.sh": b"#!/bin/sh"},
    "a checkpoint of a size no computer counts": {
        "checkpoint": checkpoint.sign_note(f"{ORIGIN}\n{'9' * 5000}\n{'A' * 43}=\n", name=ORIGIN, key=KEY)
    },
    "a record that is none": {"entries/2.rec": b"\xff" * 40},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_signed_with_the_right_key_is_found(lie: str) -> None:
    files = {n: c for n, c in {**contents(WHOLE), **LIES[lie]}.items() if c is not None}
    for key in (PUBLIC, None):
        assert not bundle.verify(signed(files), key).ok


@pytest.mark.parametrize(
    "manifest",
    [b"", b"\xff", b"[" * 20_000, b"7", b"{}", b'{"files": []}', b'{"format":"x","case":"c","created":"t","files":{"a":1}}'],
)
def test_a_signed_manifest_that_is_none_is_named(manifest: bytes) -> None:
    result = bundle.verify(signed(contents(WHOLE), manifest), PUBLIC)
    assert not result.ok
    assert "manifest.json" in {e.file for e in result.errors}


def test_a_container_that_unfolds_to_more_than_itself_is_refused() -> None:
    """Many names over the same bytes: without a bound they would fill the memory."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("documents/0", bytes(10_000))
        first = archive.infolist()[0]
        for number in range(1, 500):
            twin = zipfile.ZipInfo(f"documents/{number}")
            twin.file_size = twin.compress_size = first.file_size
            twin.header_offset, twin.CRC = first.header_offset, first.CRC
            archive.filelist.append(twin)
    result = bundle.verify(out.getvalue())
    assert [(e.file, e.what) for e in result.errors] == [("bundle", "the container is not as Checkvalve writes it")]
