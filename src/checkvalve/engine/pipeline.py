"""What is in the log, in order, to a reducer (`reducing.py`), in this process or in one of its own (`digesting.py`)."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Protocol

from checkvalve.engine.changed import Changed
from checkvalve.engine.known_people import Registers
from checkvalve.store.journal import Journal, Opened

log = logging.getLogger("checkvalve.pipeline")

CHUNK = 500
PACE_SECONDS = 0.02  # between the starts of two small chunks; an event after a pause is digested at once
STUMBLE_SECONDS = 1.0


class Reduces(Protocol):
    """`position`: the entry that is digested next. `digest`: whether more came of the entries than rows of events, or that
    cannot be said; it leaves the state as it was when it raises. Entries that do not begin at the state's position change
    nothing but `position`."""

    registers: Registers
    position: int

    def load(self) -> None: ...
    def digest(self, entries: Sequence[Opened]) -> bool: ...
    def close(self) -> None: ...


class Pipeline:
    """Feeds a reducer with what is in the log."""

    def __init__(self, journal: Journal, reducer: Reduces, changed: Changed) -> None:
        self.reducer = reducer
        self._journal, self._changed = journal, changed
        self._pace = 0.0  # seconds an entry
        self._wake = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="digest")

    @property
    def registers(self) -> Registers:
        return self.reducer.registers

    def catch_up(self) -> None:
        """Digest what is in the log and not yet in the state; before anything else runs."""
        self.reducer.load()
        while self.position() < self._journal.size:
            self._chunk()

    async def run(self) -> None:
        """Digest as entries come, until cancelled."""
        loop = asyncio.get_running_loop()
        started = 0.0
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while (waiting := self._journal.size - self.position()) > 0:
                    if waiting < CHUNK:  # a stream of single events: several make one chunk
                        await asyncio.sleep(max(0.0, started + PACE_SECONDS - monotonic()))
                    started = monotonic()
                    try:
                        moved = await loop.run_in_executor(self._thread, self._chunk)
                    except Exception:  # a full disk: nothing of the chunk was kept, it is tried again
                        log.exception("entries from %d on cannot be digested now", self.position())
                        await asyncio.sleep(STUMBLE_SECONDS)
                        continue
                    self._resolve()
                    if moved:
                        self._changed.ring()
        finally:
            self._thread.shutdown(wait=True)

    def position(self) -> int:
        """The entry that is digested next."""
        return self.reducer.position

    def behind(self) -> float:
        """Seconds until what is in the log now will be digested, by the pace of the last chunks."""
        return (self._journal.size - self.position()) * self._pace

    def wake(self) -> None:
        self._wake.set()

    async def digested(self, entry: int) -> None:
        """Wait until the state shows this entry."""
        if entry < self.position():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        self.wake()
        await future

    def _resolve(self) -> None:
        for entry, future in self._waiting:
            if entry < self.position() and not future.done():
                future.set_result(None)
        self._waiting = [(e, f) for e, f in self._waiting if not f.done()]

    def _chunk(self) -> bool:
        """Digest some entries. Whether more may have come of them than rows of events: only then the worker looks."""
        started = monotonic()
        entries = self._journal.read_many(self.position(), CHUNK)
        moved = self.reducer.digest(entries)
        pace = (monotonic() - started) / max(len(entries), 50)  # a few entries say little: most of their time is the commit
        self._pace += (pace - self._pace) * 0.2
        return moved
