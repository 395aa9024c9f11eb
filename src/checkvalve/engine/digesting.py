"""The reducer in a process of its own, so that digesting and taking in each have a processor (docs/adr/0008).

Core sends chunks of entries over a socket and waits for the answer to each: data flows one way, and nothing else is shared but
the state. The process ends when its end of the socket does, so by kill -9 of core as well; a chunk it had begun is then whole
in the state or not at all. When it dies itself, the next chunk starts another.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import format_exc
from typing import Final

import msgspec

from checkvalve.engine.errors import EngineError
from checkvalve.engine.known_people import Registers
from checkvalve.engine.reducing import Reducer
from checkvalve.store.journal import Opened
from checkvalve.store.state import open_state

STOP_SECONDS: Final = 5.0


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """The first message: which state, the key of the digests of lines, where the user's own rules are."""

    state: str
    is_file: bool
    repeat_key: bytes
    data: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """To the beginning and to each chunk. `failed`: why nothing of the chunk was kept."""

    position: int
    moved: bool = True
    failed: str | None = None


_CHUNK: Final = msgspec.msgpack.Decoder(list[Opened])
_ANSWER: Final = msgspec.msgpack.Decoder(Answer)


class DigestingError(EngineError):
    """Nothing of a chunk was kept, or that is not known: it is sent again from where the state says."""


class ReducerProcess:
    """For one thread at a time. Started by `load`."""

    def __init__(self, state: Path | str, repeat_key: bytes, data: Path | None = None) -> None:
        self.registers = Registers()  # the keys alone: people are known where entries are reduced
        self.position = 0
        self._beginning = Beginning(
            state=str(state), is_file=isinstance(state, Path), repeat_key=repeat_key, data=str(data) if data else None
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Connection | None = None

    def load(self) -> None:
        self.close()
        self._link, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen([sys.executable, "-m", __name__], stdin=theirs.fileno())  # noqa: S603 - our own
        self._ask(msgspec.msgpack.encode(self._beginning))

    def digest(self, entries: Sequence[Opened]) -> bool:
        if self._link is None:
            self.load()
            return True  # from the position that the state says
        return self._ask(msgspec.msgpack.encode(entries))

    def close(self) -> None:
        """Let the process end what it has begun."""
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._process is not None:
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _ask(self, message: bytes) -> bool:
        assert self._link is not None
        try:
            self._link.send_bytes(message)
            answer = _ANSWER.decode(self._link.recv_bytes())
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            self.close()
            raise DigestingError("digesting_ended", "the process that digests has ended; another one is started") from error
        self.position = answer.position
        if answer.failed is not None:
            raise DigestingError("not_digested", answer.failed)
        return answer.moved


def main() -> None:
    """Digest what comes on standard input, a socket, until it ends. Signals are for core, which then lets go of us."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with Connection(0) as link, suppress(EOFError, OSError):  # core has gone
        beginning = msgspec.msgpack.decode(link.recv_bytes(), type=Beginning)
        state = open_state(Path(beginning.state) if beginning.is_file else beginning.state)
        try:
            reducer = Reducer(state, beginning.repeat_key, Path(beginning.data) if beginning.data else None)
            reducer.load()
            link.send_bytes(msgspec.msgpack.encode(Answer(position=reducer.position)))
            while True:
                link.send_bytes(msgspec.msgpack.encode(_digest(reducer, _CHUNK.decode(link.recv_bytes()))))
        finally:
            state.close()


def _digest(reducer: Reducer, entries: list[Opened]) -> Answer:
    try:
        moved = reducer.digest(entries)
    except Exception:  # a full disk, a database that is away
        return Answer(position=reducer.position, failed=format_exc())
    return Answer(position=reducer.position, moved=moved)


if __name__ == "__main__":
    main()
