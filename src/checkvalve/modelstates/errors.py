"""The error class of this package."""


class ModelStateError(Exception):
    """`code` is stable; `hint` tells a person what to do."""

    def __init__(self, code: str, hint: str) -> None:
        super().__init__(f"{code}: {hint}")
        self.code = code
        self.hint = hint
