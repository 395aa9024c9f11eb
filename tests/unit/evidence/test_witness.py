"""Cosignatures and tiles against what C2SP publishes, and against those who lie."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.evidence import witness
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import leaf_hash, root_of
from checkvalve.evidence.tiles import tiles

# The example of c2sp.org/tlog-cosignature.
TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
SIGNATURE = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
LINE = f"— witness.example.com/w1 {SIGNATURE}\n"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


def test_the_published_line_is_read_as_its_specification_says() -> None:
    found = witness.parse(LINE)
    assert (found.name, found.key_id.hex(), found.time_s) == ("witness.example.com/w1", "8d66cf3f", 1679315147)
    assert witness.message(TEXT, found.time_s) == b"cosignature/v1\ntime 1679315147\n" + TEXT.encode()


def test_the_key_id_is_the_hash_of_name_type_and_key() -> None:
    assert witness.key_id("w", PUBLIC) == hashlib.sha256(b"w\n\x04" + PUBLIC).digest()[:4]
    assert witness.parse_verifier_key(witness.verifier_key("w", PUBLIC)) == ("w", PUBLIC)


def test_what_a_witness_signed_verifies_and_nothing_else_does() -> None:
    line = witness.sign(TEXT, name="w", key=KEY, time_s=7)
    assert [c.time_s for c in witness.verify(TEXT, [line, LINE], {"w": PUBLIC})] == [7]
    assert witness.verify(TEXT, [line], {"other": PUBLIC}) == []
    of_another = witness.sign(TEXT + "y\n", name="w", key=KEY, time_s=7)
    for text, said in ((TEXT + "x\n", line), (TEXT, of_another)):
        with pytest.raises(VerificationError):
            witness.verify(text, [said], {"w": PUBLIC})


@pytest.mark.parametrize("line", ["", "— w\n", "— w AAAA\n", "- w " + LINE.split(" ")[2], "— w ????\n"])
def test_what_is_no_cosignature_is_refused(line: str) -> None:
    with pytest.raises(VerificationError):
        witness.parse(line)


@pytest.mark.parametrize("key", ["", "w+00000000+AAAA", "w+zz", "w+" + "0" * 8 + "+" + "A" * 44])
def test_what_is_no_key_of_a_witness_is_refused(key: str) -> None:
    with pytest.raises(VerificationError):
        witness.parse_verifier_key(key)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 70_000])
def test_tiles_hold_the_tree_under_the_names_of_the_specification(size: int) -> None:
    leaves = [leaf_hash(n.to_bytes(4)) for n in range(size)]
    made = dict(tiles(leaves))
    full, rest = divmod(size, 256)
    assert (f"tile/0/{full:03d}.p/{rest}" in made) == (rest > 0)
    assert ("tile/0/000" in made) == (full > 0) and (f"tile/1/000.p/{full}" in made) == (0 < full < 256)
    if size == 70_000:
        assert made["tile/1/000"][:32] == root_of(leaves[:256]) and made["tile/2/000.p/1"] == root_of(leaves[:65_536])
        assert "tile/1/001.p/17" in made


def test_a_tile_beyond_the_thousandth_has_its_number_in_groups() -> None:
    names = [name for name, _ in tiles([b"x" * 32] * (256 * 1001))]
    assert "tile/0/x001/000" in names
