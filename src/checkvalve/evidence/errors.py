"""The error class of this package."""


class VerificationError(Exception):
    """Bytes that are not what they claim to be. `what` says so in one line."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
