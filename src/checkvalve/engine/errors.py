"""The error class of the engine. `code` is stable and goes on the wire; `hint` tells a person what to do."""

from checkvalve.store.journal import JournalError

__all__ = ["EngineError", "JournalError"]


class EngineError(Exception):
    def __init__(self, code: str, hint: str, *, retry_after: int | None = None) -> None:
        super().__init__(f"{code}: {hint}")
        self.code = code
        self.hint = hint
        self.retry_after = retry_after  # seconds; set when trying again later will help
