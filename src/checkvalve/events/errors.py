"""The error class of this package."""


class EventError(Exception):
    """Bytes from outside that cannot be used. `code` is stable; `hint` says what to do."""

    def __init__(self, code: str, hint: str) -> None:
        super().__init__(f"{code}: {hint}")
        self.code = code
        self.hint = hint
