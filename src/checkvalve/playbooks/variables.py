"""`__name__:value` in the texts of a playbook (CACAO 2.0, section 10.18)."""

import json
import re
from collections.abc import Mapping
from typing import Final

# A bounded name keeps the search linear on hostile text.
REFERENCE: Final = re.compile(r"(__[A-Za-z0-9_-]{1,100}?__):value")


def variable_names(text: str) -> list[str]:
    """`__name__` of each reference, in order."""
    return REFERENCE.findall(text)


def fill(text: str, values: Mapping[str, str], *, quote: bool = False) -> str | None:
    """The text with every reference replaced once, by values keyed without underscores; None when one has no value.

    `quote`: the references stand inside JSON strings. What a value contains is never taken for a reference.
    """
    if any(name.strip("_") not in values for name in variable_names(text)):
        return None

    def value(found: re.Match[str]) -> str:
        plain = values[found[1].strip("_")]
        return json.dumps(plain)[1:-1] if quote else plain

    return REFERENCE.sub(value, text)
