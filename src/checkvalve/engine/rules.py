"""Sigma rules over the evidence: shipped ones (content/rules) and the user's own (`rules/` of the data directory).

A rule speaks of what its logsource names: `product: wordpress` of what a shop's plugin sent, `product: gateway` of inferences,
`category: webserver` of lines of an access log, in Sigma's names of their fields. A hit is a finding; it opens no case.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from checkvalve.detection import sigma
from checkvalve.detection.sigma import Rule, SigmaRuleError
from checkvalve.engine.errors import EngineError
from checkvalve.events.imports.envelope import Imported

DIRECTORY: Final = "rules"
MAX_RULES: Final = 1000
WEB: Final = "webserver"
PRODUCTS: Final = ("wordpress", "gateway", WEB)
Ruled = dict[str, tuple[Rule, ...]]  # of each product
# An access log's line in the names of Sigma's category webserver (W3C extended log format).
_LINE: Final = re.compile(
    r'\[[^\]]{20,30}\] "(?P<method>[A-Z]+) (?P<stem>[^ ?"]*)(?:\?(?P<query>[^ "]*))?[^"]*" (?P<status>\d{3}) \S+'
    r'(?: "(?P<referer>[^"]*)" "(?P<agent>[^"]*)")?'
)
_NAMES: Final = (
    ("method", "cs-method"),
    ("stem", "cs-uri-stem"),
    ("query", "cs-uri-query"),
    ("status", "sc-status"),
    ("referer", "cs-referer"),
    ("agent", "cs-user-agent"),
)
_TWINS: Final = {"cs-user-agent": "c-useragent", "cs-uri-query": "c-uri-query", "cs-uri-stem": "c-uri"}  # both are in use


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """`problems`: files that hold no usable rule, and why: they are said, not passed over."""

    rules: tuple[Rule, ...]
    problems: tuple[tuple[str, str], ...] = ()

    def ruled(self) -> Ruled:
        return {product: self.of(product) for product in PRODUCTS}

    def of(self, product: str) -> tuple[Rule, ...]:
        """Rules about a product (wordpress, gateway), or about the web server's log."""
        return tuple(r for r in self.rules if product in (r.source.product, r.source.category))


def load(data: Path | None = None) -> Ruleset:
    """What is shipped and, of a data directory, the user's own; one of the user's takes the place of the same id."""
    found = {r.id: r for r in shipped()}
    problems = []
    own = data / DIRECTORY if data else None
    listed = sorted(own.glob("*.y*ml"))[:MAX_RULES] if own is not None and own.is_dir() else []
    for path in listed:
        try:
            rule = sigma.parse(path.read_text("utf-8"))
            found[rule.id] = rule
        except (SigmaRuleError, OSError, UnicodeDecodeError) as error:
            problems.append((path.name, str(error)))
    return Ruleset(rules=tuple(found.values()), problems=tuple(problems))


@cache
def shipped() -> tuple[Rule, ...]:
    directory = files("checkvalve.content.rules")
    named = sorted((f for f in directory.iterdir() if f.name.endswith(".yml")), key=lambda f: f.name)
    return tuple(sigma.parse(f.read_text("utf-8")) for f in named)


def hits(rules: Sequence[Rule], event: Mapping[str, Any]) -> list[Rule]:
    """Rules that match an event. Most events are of no class that a rule asks for, and cost nothing more."""
    asked = [r for r in rules if r.classes is None or event.get("class_uid") in r.classes]
    if not asked:
        return []
    values = sigma.values_of(event)
    return [r for r in asked if r.matches(values)]


def web_fields(imported: Imported) -> dict[str, Any] | None:
    """A line of an access log by Sigma's names; None for any other record."""
    if imported.head.format != "combined":
        return None
    found = _LINE.search(imported.raw.decode("utf-8", "replace"))
    if found is None:
        return None
    fields: dict[str, Any] = {ours: found[group] or "" for group, ours in _NAMES}
    fields["sc-status"] = int(found["status"])
    return fields | {twin: fields[name] for name, twin in _TWINS.items()}


def check(path: str) -> Rule:
    """A user's rule held against its own samples. EngineError says what is wrong with it."""
    try:
        text = Path(path).read_text("utf-8")
        rule = sigma.parse(text)
    except UnicodeDecodeError as error:
        raise EngineError("bad_rule", f"{path} is not UTF-8") from error
    except SigmaRuleError as error:
        raise EngineError("bad_rule", f"{path}: {error}") from error
    wrong = [n for n, (event, wanted) in enumerate(rule.samples, start=1) if rule.matches(sigma.values_of(event)) is not wanted]
    if wrong:
        raise EngineError("bad_rule", f"{path}: of its own samples, number {', '.join(map(str, wrong))} are judged otherwise")
    return rule


def described(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    return [
        {
            "id": r.id,
            "title": r.title,
            "level": r.level,
            "about": r.source.product or r.source.category,
            "tags": list(r.tags),
            "samples": len(r.samples),
        }
        for r in rules
    ]
