"""What one PHP file says, as plain values. They hold no trees, so they travel between processes."""

from dataclasses import dataclass
from typing import Final, Literal

RefKind = Literal["function", "method", "closure", "unresolved"]

# What a handler touches; a finding is graver when it reaches one of these.
PERSONAL: Final = "personal data"
LLM: Final = "a language model"
FILES: Final = "files"
DATABASE: Final = "the database"
REMOTE: Final = "another server"
SETTINGS: Final = "settings"


@dataclass(frozen=True, slots=True)
class Ref:
    """A callback: a function's name, a method's, or the place of a closure ("file:byte")."""

    kind: RefKind
    name: str = ""
    cls: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """`checks`: asks for a nonce, a capability or a secret. `open`: only returns true. `calls`: names called in it."""

    name: str
    cls: str
    place: str
    line: int
    checks: bool
    open: bool
    touches: frozenset[str]
    calls: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    path: str
    line: int
    permission: Ref | None  # None: none is given
    handler: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """add_action or add_filter. `dynamic`: the name is not written out."""

    name: str
    line: int
    callback: Ref
    dynamic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Request data that reaches a dangerous call in the same function. `rule` names the danger."""

    rule: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    file: str
    parsed: bool
    functions: tuple[Function, ...] = ()
    routes: tuple[Route, ...] = ()
    hooks: tuple[Hook, ...] = ()
    cron: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()  # of Action Scheduler
    shortcodes: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()  # classes that its classes extend
    endpoints: tuple[tuple[str, int], ...] = ()  # (host, line)
    flows: tuple[Flow, ...] = ()
    direct: int | None = None  # line at which it does something when called by its URL
    name: str = ""  # plugin header
    version: str = ""
    requires: tuple[str, ...] = ()
