"""A bell that any number of waiters hear: something was digested."""

import asyncio
import contextlib


class Changed:
    """`watch()` first, look at the state, then `wait()`: a change in between is not missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def watch(self) -> asyncio.Event:
        return self._event

    async def wait(self, event: asyncio.Event, timeout: float) -> None:  # noqa: ASYNC109 - the caller's long poll
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):  # wait_for of Python 3.11 loses a cancellation that comes with the ring
                await event.wait()

    def ring(self) -> None:
        """Callable from the digesting thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring)

    def close(self) -> None:
        """Let every waiter go: the server is stopping. On the event loop."""
        self.closed = True
        self._ring()

    def _ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()
