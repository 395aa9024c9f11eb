"""A process that appends to a log and says each number once it is acknowledged: `python writer.py DIR SEGMENT_BYTES`."""

import itertools
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.store.journal import Draft, Journal


def main(directory: str, segment_bytes: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    journal = Journal.open(Path(directory), key=key, origin="checkvalve/test", segment_bytes=int(segment_bytes))
    print("ready", journal.size, flush=True)
    for turn in itertools.count():
        group = [f"turn {turn} line {line}".encode() * (1 + turn % 40) for line in range(1 + turn % 7)]
        numbers = journal.append_many([Draft(kind="event", source="wp.s-a", seq=None, clear=c, t=turn) for c in group])
        for number, clear in zip(numbers, group, strict=True):
            print(number, clear.hex(), flush=True)


main(*sys.argv[1:])
