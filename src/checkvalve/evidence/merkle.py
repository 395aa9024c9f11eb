"""Merkle tree of RFC 6962 section 2.1 (SHA-256): root, inclusion and consistency proofs, and their verification.

Hashes are 32 bytes. A tree is its list of leaf hashes; `Tree` keeps just the right edge, for appending.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(record: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Append-only. Holds the roots of the complete subtrees along the right edge: log2(n) hashes."""

    __slots__ = ("_edge", "size")

    def __init__(self) -> None:
        self._edge: list[bytes] = []
        self.size = 0

    def append(self, leaf: bytes) -> None:
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(self._edge.pop(), node)
            size >>= 1
        self._edge.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self._edge:
            return EMPTY_ROOT
        node = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            node = node_hash(left, node)
        return node

    def copy(self) -> "Tree":
        other = Tree()
        other._edge, other.size = list(self._edge), self.size
        return other


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root of a whole tree, level by level: a node without a sibling goes up as it is."""
    level = list(leaves) or [EMPTY_ROOT]
    sha256 = hashlib.sha256
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + level[len(level) & ~1 :]
    return level[0]


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The inclusion proof of one leaf. For several, `inclusion_proofs` hashes the tree only once."""
    return _path(index, len(leaves), lambda low, high: root_of(leaves[low:high]))


def inclusion_proofs(indexes: Iterable[int], leaves: Sequence[bytes]) -> dict[int, list[bytes]]:
    """The inclusion proofs of many leaves, each subtree hashed once."""
    known: dict[tuple[int, int], bytes] = {}

    def root(low: int, high: int) -> bytes:
        if high - low == 1:
            return leaves[low]
        if (low, high) not in known:
            middle = low + _split(high - low)
            known[low, high] = node_hash(root(low, middle), root(middle, high))
        return known[low, high]

    return {index: _path(index, len(leaves), root) for index in indexes}


def _path(index: int, size: int, root: Callable[[int, int], bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962 section 2.1.1, from the leaf upwards; `root(low, high)` is that of a range of leaves."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(root(middle, high))
            high = middle
        else:
            proof.append(root(low, middle))
            low = middle
    proof.reverse()
    return proof


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root the proof leads to (RFC 9162 section 2.1.3.2), or None if its length cannot be right."""
    if not 0 <= index < size:
        return None
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0 or len(sibling) != len(EMPTY_ROOT):
            return None
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while position & 1 == 0 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    return node if last == 0 else None


def consistency_proof(old: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) of RFC 6962 section 2.1.2."""
    if not 0 < old <= len(leaves):
        raise ValueError(f"no earlier tree of size {old}")

    def subproof(size: int, low: int, high: int, whole: bool) -> list[bytes]:
        if size == high - low:
            return [] if whole else [root_of(leaves[low:high])]
        middle = _split(high - low)
        if size <= middle:
            return [*subproof(size, low, low + middle, whole), root_of(leaves[low + middle : high])]
        return [*subproof(size - middle, low + middle, high, False), root_of(leaves[low : low + middle])]

    return subproof(old, 0, len(leaves), True)


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of `new` leaves extends the one of `old` (RFC 9162 section 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    first, last = old - 1, new - 1
    while first & 1:
        first >>= 1
        last >>= 1
    left = right = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            left, right = node_hash(sibling, left), node_hash(sibling, right)
            while first & 1 == 0 and first:
                first >>= 1
                last >>= 1
        else:
            right = node_hash(right, sibling)
        first >>= 1
        last >>= 1
    return last == 0 and left == old_root and right == new_root
