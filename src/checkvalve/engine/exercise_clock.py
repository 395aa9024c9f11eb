"""The clock of an exercise: it stands still while core works, and moves only when the exercise moves it."""


class Clock:
    """`now_ms` in ms since the epoch, UTC; never goes back."""

    def __init__(self, start_ms: int) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        return self._now_ms

    def to(self, at_ms: int) -> None:
        self._now_ms = max(self._now_ms, at_ms)

    def spend(self, ms: int) -> None:
        """A step of the response took so long."""
        self._now_ms += ms
