"""The tree as C2SP tlog-tiles: hash tiles of 256 nodes, for monitors and witnesses that speak that format.

Entry bundles are left out: they limit an entry to 65,535 bytes, and a record here may be larger. Records are in the segments.
"""

from collections.abc import Iterator, Sequence

from checkvalve.evidence.merkle import node_hash

WIDTH = 256


def tiles(leaves: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """(path, content) of every hash tile of a tree with these leaf hashes, partial ones included."""
    level = 0
    nodes = list(leaves)
    while nodes:
        for start in range(0, len(nodes), WIDTH):
            part = nodes[start : start + WIDTH]
            width = "" if len(part) == WIDTH else f".p/{len(part)}"
            yield f"tile/{level}/{_index(start // WIDTH)}{width}", b"".join(part)
        full = len(nodes) - len(nodes) % WIDTH
        nodes = [_subtree(nodes[start : start + WIDTH]) for start in range(0, full, WIDTH)]
        level += 1


def _subtree(nodes: Sequence[bytes]) -> bytes:
    row = list(nodes)
    while len(row) > 1:
        row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


def _index(number: int) -> str:
    """Groups of three digits, all but the last with an x in front: 1234067 -> x001/x234/067."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03d}")
    return "/".join(groups)
