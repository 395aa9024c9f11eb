"""Work that waits until answers have gone out, done in slices, one answer after the other, so that a long one delays nobody."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

log = logging.getLogger("checkvalve.gateway")

AT_ONCE: Final = 200  # code points read before something else gets its turn
SLICE_S: Final = 0.001  # of work between two looks at the network
FEW: Final = 16  # answers with work; with more it takes one more slice for each, or it would never be done
LONGEST_S: Final = 0.25
MAX_SIZE: Final = 64 * 1024  # code points of one answer that wait; beyond, it is not read on


class Work:
    """What is to be done for one answer, in order."""

    __slots__ = ("_full", "_is_full", "_later", "_size", "_sizes", "_steps", "waits")

    def __init__(self, later: "Later") -> None:
        self._later = later
        self._full: Callable[[bool], None] | None = None  # while there is work, so that nothing is kept longer
        self._size, self._is_full = 0, False
        self._steps: deque[Iterator[int]] = deque()
        self._sizes: deque[int] = deque()
        self.waits = False

    def add(self, steps: Iterator[int], size: int, full: Callable[[bool], None] | None = None) -> None:
        """`size`: the code points of text that are read; each step yields how many it has done. `full` is told when too much
        of it waits, and when it no longer does.
        """
        self._full = full
        self._steps.append(steps)
        self._sizes.append(size)
        self._count(size)
        self._later.wake(self)

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
            self._count(-self._sizes.popleft())
            self._full = self._full if self._steps else None
        else:
            self._sizes[0] -= done
            self._count(-done)

    def _count(self, size: int) -> None:
        self._size += size
        self._later.size += size
        if self._is_full != (self._size > (MAX_SIZE // 2 if self._is_full else MAX_SIZE)):
            self._is_full = not self._is_full
            if self._full is not None:
                self._full(self._is_full)

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

    def wake(self, work: Work) -> None:
        if not work.waits:
            work.waits = True
            self._waiting.append(work)
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_soon(self._run)

    def catch_up(self, seconds: float) -> None:
        """Do everything that waits, as far as that time goes."""
        self._work(seconds)
        if self._waiting:
            log.error("%d code points were not scanned", self.size)

    def _work(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while self._waiting and time.perf_counter() < end:
            self._one()

    def _run(self) -> None:
        waiting = len(self._waiting)
        self._work(SLICE_S if waiting <= FEW else min(SLICE_S * waiting, LONGEST_S))
        self._running = bool(self._waiting)
        if self._running:
            asyncio.get_running_loop().call_soon(self._run)

    def _one(self) -> None:
        work = self._waiting.popleft()
        work.step()
        work.waits = work.pending
        if work.waits:
            self._waiting.append(work)
