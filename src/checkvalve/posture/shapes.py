"""Values out of files that anybody may have written: what is not of the shape is empty."""

from typing import Any


def words(value: Any) -> list[str]:
    """A command, written as a list or as one text."""
    return [str(v) for v in value] if isinstance(value, list) else [str(value)] if value else []


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def true(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "yes", "1")
