"""Which of other people's data a shop's own staff may be shown: an assistant in wp-admin is no leak, and is logged.

A role is known from a caller context that the shop's plugin signed, and from nowhere else; whoever has none that is named
here is a stranger. Secrets, cards and canaries are nobody's to be shown and cannot be named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from checkvalve.events.pseudonym import CATEGORIES

INSTRUCTIONS: Final = "instructions"  # the system prompt and internal documents
KNOWN: Final = frozenset((*CATEGORIES, INSTRUCTIONS))
DEFAULT: Final[Mapping[str, Sequence[str]]] = {
    "administrator": sorted(KNOWN),
    "shop_manager": sorted(CATEGORIES),
}
MAX_ROLES: Final = 20  # of one caller that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """`roles`: what each may be shown."""

    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def role(self, context: Mapping[str, Any] | None, category: str) -> str | None:
        """The role of a verified caller context that allows a category."""
        claimed = (context or {}).get("roles")
        for role in claimed[:MAX_ROLES] if isinstance(claimed, list) else ():
            if isinstance(role, str) and category in self.roles.get(role, ()):
                return role
        return None

    def listed(self) -> dict[str, list[str]]:
        return {role: sorted(allowed) for role, allowed in sorted(self.roles.items())}


NOBODY: Final = Staff()


def staff(raw: Any) -> Staff:
    """{role: [category, …]} read. Raises ValueError that says what is wrong."""
    if not isinstance(raw, Mapping):
        raise ValueError("roles are a table of lists of categories")
    for role, allowed in raw.items():
        if not isinstance(allowed, list | tuple):
            raise ValueError(f"role {role!r} needs a list of categories")
        if wrong := [c for c in allowed if c not in KNOWN]:
            raise ValueError(f"role {role!r}: {wrong[0]!r} is none of {', '.join(sorted(KNOWN))}")
    return Staff(roles={str(role): frozenset(allowed) for role, allowed in raw.items()})
