"""RFC 6962 trees: the published vectors, an independent recursive reference, and proofs that must not lie."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.evidence.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_proof,
    consistent,
    inclusion_proof,
    inclusion_proofs,
    leaf_hash,
    root_from_inclusion,
    root_of,
)

# The eight entries of the reference tree of Certificate Transparency, and the root after each of them.
INPUTS = [
    bytes.fromhex(h)
    for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(records: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word by word, sharing nothing with the code under test."""
    if not records:
        return hashlib.sha256().digest()
    if len(records) == 1:
        return hashlib.sha256(b"\x00" + records[0]).digest()
    k = 1
    while k * 2 < len(records):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(records[:k]) + naive_root(records[k:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_tree(size: int) -> None:
    assert root_of([leaf_hash(d) for d in INPUTS[:size]]).hex() == ROOTS[size - 1]
    assert naive_root(INPUTS[:size]).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Tree().root().hex() == EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_inclusion_proofs_are_those_published_for_the_reference_tree() -> None:
    leaves = [leaf_hash(d) for d in INPUTS]
    assert [h.hex() for h in inclusion_proof(0, leaves)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [h.hex() for h in consistency_proof(6, leaves)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@pytest.mark.parametrize("size", range(1, 40))
def test_every_leaf_of_every_small_tree_can_be_proved(size: int) -> None:
    records = [bytes([i]) for i in range(size)]
    leaves = [leaf_hash(r) for r in records]
    root = naive_root(records)
    many = inclusion_proofs(range(size), leaves)
    for index in range(size):
        proof = inclusion_proof(index, leaves)
        assert many[index] == proof
        assert root_from_inclusion(index, size, leaves[index], proof) == root


@pytest.mark.parametrize("size", range(1, 40))
def test_every_earlier_tree_is_consistent_with_every_later_one(size: int) -> None:
    records = [bytes([i]) for i in range(size)]
    leaves = [leaf_hash(r) for r in records]
    for old in range(1, size + 1):
        proof = consistency_proof(old, leaves)
        assert consistent(old, size, naive_root(records[:old]), naive_root(records), proof)


def test_an_appended_tree_equals_one_built_at_once_and_a_copy_goes_its_own_way() -> None:
    tree = Tree()
    for number in range(100):
        assert tree.root() == root_of([leaf_hash(bytes([i])) for i in range(number)])
        tree.append(leaf_hash(bytes([number])))
    other, before = tree.copy(), tree.root()
    other.append(leaf_hash(b"x"))
    assert (tree.size, other.size) == (100, 101)
    assert tree.root() == before != other.root()


@st.composite
def proved(draw: st.DrawFn) -> tuple[int, int, list[bytes], list[bytes]]:
    size = draw(st.integers(2, 70))
    leaves = [leaf_hash(bytes([i])) for i in range(size)]
    index = draw(st.integers(0, size - 1))
    return index, size, leaves, inclusion_proof(index, leaves)


@given(proved(), st.data())
def test_a_changed_inclusion_proof_never_leads_to_the_root(
    case: tuple[int, int, list[bytes], list[bytes]], data: st.DataObject
) -> None:
    index, size, leaves, proof = case
    step, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    damaged = bytearray(proof[step])
    damaged[bit // 8] ^= 1 << bit % 8
    root = root_of(leaves)
    assert root_from_inclusion(index, size, leaves[index], [*proof[:step], bytes(damaged), *proof[step + 1 :]]) != root
    assert root_from_inclusion(index, size, leaves[index], proof[:-1]) != root
    assert root_from_inclusion(index, size, leaves[index], [*proof, b"\0" * 32]) is None
    assert root_from_inclusion(index, size, leaves[index], [p[:31] for p in proof]) is None
    assert root_from_inclusion(index, size, leaf_hash(b"other"), proof) != root
    for other in {0, size // 2, size - 1} - {index}:
        assert root_from_inclusion(other, size, leaves[index], proof) != root


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 59))
def test_a_rewritten_past_is_never_consistent(old: int, more: int, changed: int) -> None:
    records = [bytes([i]) for i in range(old + more)]
    rewritten = list(records)
    rewritten[changed % old] = b"rewritten"
    leaves = [leaf_hash(r) for r in rewritten]
    proof = consistency_proof(old, leaves)
    assert not consistent(old, old + more, naive_root(records[:old]), naive_root(rewritten), proof)


@given(st.integers(-3, 20), st.integers(-3, 20), st.lists(st.binary(min_size=32, max_size=32), max_size=8))
def test_made_up_proofs_are_refused_without_an_exception(old: int, new: int, proof: list[bytes]) -> None:
    assert not consistent(old, new, b"\1" * 32, b"\2" * 32, proof)
    assert root_from_inclusion(old, new, b"\1" * 32, proof) != b"\2" * 32


def test_asking_for_a_proof_of_what_is_not_there_says_so() -> None:
    with pytest.raises(ValueError, match="no leaf 3 in a tree of 3"):
        inclusion_proof(3, [b"\0" * 32] * 3)
    with pytest.raises(ValueError, match="no earlier tree of size 4"):
        consistency_proof(4, [b"\0" * 32] * 3)
