"""A process whose files may not grow beyond a limit, as on a full disk: `python full_disk.py DIR`. Prints JSON.

The kernel enforces the limit (RLIMIT_FSIZE); lifting it is the space coming back.
"""

import asyncio
import json
import resource
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.store.journal import Draft, GroupCommitter, Journal, StoreBusyError


def allow(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def group(turn: int) -> list[Draft]:
    return [Draft(kind="event", source="wp.s-a", seq=None, clear=b"%d " % turn * 500, t=turn) for _ in range(10)]


async def main(directory: str, limit: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    journal = Journal.open(Path(directory), key=key, origin="checkvalve/test")
    committer = GroupCommitter(journal)
    acknowledged: list[list[int]] = []
    refused = 0
    turn = 0
    allow(int(limit))
    while refused < 5:
        turn += 1
        try:
            acknowledged.append([turn, *await committer.append(group(turn))])
        except StoreBusyError:
            refused += 1
    readable = journal.read(acknowledged[0][1]).clear is not None if acknowledged else True
    size_when_full = journal.size
    allow(resource.RLIM_INFINITY)
    after = await committer.append(group(0))
    await committer.stop()
    journal.close()
    print(json.dumps({"acknowledged": acknowledged, "size_when_full": size_when_full, "readable": readable, "after": after}))


asyncio.run(main(*sys.argv[1:]))
