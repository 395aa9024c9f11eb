"""Work that waits until answers have gone out, done in slices, one answer after the other, so that a long one delays nobody."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

log = logging.getLogger("checkvalve.gateway")

SLICE_S: Final = 0.001  # of work between two looks at the network
MAX_BYTES: Final = 256 * 1024  # of answers not yet read; beyond, reading comes first


class Reading:
    """What is to be done for one answer, in order. An iterator gives way wherever it yields."""

    __slots__ = ("_later", "_steps", "waits")

    def __init__(self, later: "Later") -> None:
        self._later = later
        self._steps: deque[tuple[Iterator[None], int]] = deque()
        self.waits = False

    def add(self, steps: Iterator[None], size: int = 0) -> None:
        """`size` is the bytes of answer that it reads."""
        self._steps.append((steps, size))
        self._later.wake(self, size)

    def step(self) -> None:
        """Go on to where the work gives way."""
        if not self._steps:
            return
        steps, size = self._steps[0]
        try:
            done = next(steps, self) is self
        except Exception as error:  # a fault of ours costs this work alone
            log.error("an answer could not be logged: %s", type(error).__name__)
            done = True
        if done:
            self._steps.popleft()
            self._later.bytes -= size

    @property
    def pending(self) -> bool:
        return bool(self._steps)

    def catch_up(self) -> None:
        while self._steps:
            self.step()


class Later:
    def __init__(self) -> None:
        self.bytes = 0
        self._waiting: deque[Reading] = deque()
        self._running = False

    def wake(self, reading: Reading, size: int) -> None:
        self.bytes += size
        if not reading.waits:
            reading.waits = True
            self._waiting.append(reading)
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_soon(self._run)

    def catch_up(self) -> None:
        """Do everything that waits."""
        while self._waiting:
            self._one()

    def _run(self) -> None:
        end = time.perf_counter() + SLICE_S
        while self._waiting and (self.bytes > MAX_BYTES or time.perf_counter() < end):
            self._one()
        self._running = bool(self._waiting)
        if self._running:
            asyncio.get_running_loop().call_soon(self._run)

    def _one(self) -> None:
        reading = self._waiting.popleft()
        reading.step()
        reading.waits = reading.pending
        if reading.waits:
            self._waiting.append(reading)
