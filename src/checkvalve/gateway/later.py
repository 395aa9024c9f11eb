"""Work that waits until answers have gone out, done in slices, one answer after the other, so that a long one delays nobody."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

log = logging.getLogger("checkvalve.gateway")

SLICE_S: Final = 0.001  # of work between two looks at the network
MAX_SIZE: Final = 64 * 1024  # code points that wait; beyond, they come before the network


class Work:
    """What is to be done for one answer, in order."""

    __slots__ = ("_later", "_sizes", "_steps", "waits")

    def __init__(self, later: "Later") -> None:
        self._later = later
        self._steps: deque[Iterator[int]] = deque()
        self._sizes: deque[int] = deque()
        self.waits = False

    def add(self, steps: Iterator[int], size: int) -> None:
        """`size`: the code points of text that are read; each step yields how many it has done."""
        self._steps.append(steps)
        self._sizes.append(size)
        self._later.wake(self, size)

    def step(self) -> None:
        """Go on to where the work gives way."""
        if not self._steps:
            return
        try:
            done = next(self._steps[0], None)
        except Exception as error:  # a fault of ours costs this work alone
            log.error("work on an answer failed: %s", type(error).__name__)
            done = None
        if done is None:
            self._steps.popleft()
            self._later.size -= self._sizes.popleft()
        else:
            self._sizes[0] -= done
            self._later.size -= done

    @property
    def pending(self) -> bool:
        return bool(self._steps)

    def catch_up(self) -> None:
        while self._steps:
            self.step()


class Later:
    def __init__(self) -> None:
        self.size = 0
        self._waiting: deque[Work] = deque()
        self._running = False

    def wake(self, work: Work, size: int) -> None:
        self.size += size
        if not work.waits:
            work.waits = True
            self._waiting.append(work)
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_soon(self._run)

    def catch_up(self) -> None:
        """Do everything that waits."""
        while self._waiting:
            self._one()

    def _run(self) -> None:
        end = time.perf_counter() + SLICE_S
        while self._waiting and (self.size > MAX_SIZE or time.perf_counter() < end):
            self._one()
        self._running = bool(self._waiting)
        if self._running:
            asyncio.get_running_loop().call_soon(self._run)

    def _one(self) -> None:
        work = self._waiting.popleft()
        work.step()
        work.waits = work.pending
        if work.waits:
            self._waiting.append(work)
