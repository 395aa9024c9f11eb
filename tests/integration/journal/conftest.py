from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.evidence.verify import Verified, verify_log
from checkvalve.store.journal import Draft, Journal
from checkvalve.store.segments import LogFiles

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "checkvalve/test"
Open = Callable[..., Journal]


def event(clear: bytes, seq: int | None = None) -> Draft:
    return Draft(kind="event", source="wp.s-a", seq=seq, clear=clear, t=1_764_000_000_000)


def verified(directory: Path) -> Verified:
    return verify_log(LogFiles(directory / "log"), origin=ORIGIN, public_key=KEY.public_key().public_bytes_raw())


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the log of this test's directory; whatever is open at the end is closed."""
    with ExitStack() as stack:

        def open_log(segment_bytes: int = 64 * 1024 * 1024, directory: Path = tmp_path) -> Journal:
            journal = Journal.open(directory, key=KEY, origin=ORIGIN, segment_bytes=segment_bytes)
            stack.enter_context(closing(journal))
            return journal

        yield open_log
