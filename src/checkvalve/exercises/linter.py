"""What is wrong with a scenario: its shape, then what no shape sees. Each error has a JSON pointer and a stable code."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from checkvalve.exercises.scenario import Act, Effect, Expectation, Inject, Option, Scenario, ScenarioError, Sign, span_ms
from checkvalve.exercises.signs import SIGNS
from checkvalve.exercises.world import languages
from checkvalve.incidents.facts import Organisation, Particulars
from checkvalve.regimes.deadline import parse_time
from checkvalve.regimes.law import RegimeError, regimes

MAX_BYTES: Final = 1024 * 1024
MAX_LASTS_MS: Final = 14 * 86_400_000
FIELDS: Final = (*Organisation.__dataclass_fields__, *Particulars.__dataclass_fields__)
_HOST = re.compile(r"(?:@|://|\bwww\.)([\w.-]+)|\b((?:[\w-]+\.)+(?:com|org|net|de|fr|pl|eu|io|shop|co\.uk|info|biz))\b", re.I)
_RESERVED = re.compile(r"(?:^|\.)(?:example|test|invalid|localhost|example\.(?:com|org|net))\.?$", re.I)
PHONE: Final = "a telephone number could be somebody's; leave it out"
_PHONE = re.compile(r"\+\d[\d ()/-]{6,}\d")


class LintError(msgspec.Struct, frozen=True, kw_only=True):
    pointer: str
    code: str
    message: str


def load(data: bytes) -> Scenario:
    """A scenario that lints clean, or ScenarioError."""
    if errors := lint(data):
        raise ScenarioError(f"{errors[0].pointer}: {errors[0].message}", "Run `checkvalve exercise lint FILE`")
    return _read(data)


def lint(data: bytes) -> list[LintError]:
    """All errors; of the shape only the first."""
    if len(data) > MAX_BYTES:
        return [LintError(pointer="", code="too-large", message="larger than 1 MiB")]
    try:
        scenario = _read(data)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        pointer = re.sub(r"[.\[]", "/", where.rstrip("`")).replace("]", "")
        return [LintError(pointer=pointer, code="shape", message=what[:300])]
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return [LintError(pointer="", code="not-yaml", message=" ".join(str(error).split())[:200])]
    return [
        *_times(scenario),
        *_names(scenario),
        *_ways(scenario),
        *_casting(scenario),
        *_decisions(scenario),
        *_scores(scenario),
        *_addresses(scenario),
    ]


def _read(data: bytes) -> Scenario:
    body = yaml.safe_load(data)
    return msgspec.convert(body, Scenario)


def _error(pointer: str, code: str, message: str) -> LintError:
    return LintError(pointer=pointer, code=code, message=message)


def _effects(s: Scenario) -> Iterator[tuple[str, Effect]]:
    for i, inject in enumerate(s.injects):
        for e, effect in enumerate(inject.effects):
            yield f"/injects/{i}/effects/{e}", effect
        for o, option in enumerate(inject.decision.options if inject.decision else ()):
            for e, effect in enumerate(option.effects):
                yield f"/injects/{i}/decision/options/{o}/effects/{e}", effect


def _options(s: Scenario) -> Iterator[tuple[str, Inject, Option]]:
    for i, inject in enumerate(s.injects):
        for o, option in enumerate(inject.decision.options if inject.decision else ()):
            yield f"/injects/{i}/decision/options/{o}", inject, option


def _times(s: Scenario) -> Iterator[LintError]:
    spans = [("/lasts", s.lasts), *((f"/injects/{i}/at", inject.at) for i, inject in enumerate(s.injects))]
    spans += [(f"/injects/{i}/decision/within", n.decision.within) for i, n in enumerate(s.injects) if n.decision]
    spans += [(f"/expectations/{i}/within", e.within) for i, e in enumerate(s.expectations)]
    spans += [(f"{p}/leak/every", e.leak.every) for p, e in _effects(s) if e.leak]
    spans += [(f"{p}/told/ago", e.told.ago) for p, e in _effects(s) if e.told]
    good = True
    for pointer, text in spans:
        try:
            span_ms(text)
        except ValueError as error:
            good = False
            yield _error(pointer, "bad-span", str(error))
    try:
        parse_time(s.starts)
    except RegimeError as error:
        yield _error("/starts", "bad-time", str(error))
    if not good:
        return
    lasts = span_ms(s.lasts)
    if not 0 < lasts <= MAX_LASTS_MS:
        yield _error("/lasts", "bad-span", "an exercise lasts up to 14 days")
    for i, inject in enumerate(s.injects):
        if span_ms(inject.at) >= lasts:
            yield _error(f"/injects/{i}/at", "after-the-end", "this comes after the exercise has ended")
        if i and span_ms(inject.at) < span_ms(s.injects[i - 1].at):
            yield _error(f"/injects/{i}/at", "out-of-order", "injects stand in the order of their times")


def _names(s: Scenario) -> Iterator[LintError]:
    for field in ("ways", "objectives", "injects", "expectations"):
        ids = [item.id for item in getattr(s, field)]
        for i, name in enumerate(ids):
            if name in ids[:i]:
                yield _error(f"/{field}/{i}/id", "twice", f"{name} is named twice")
    if not s.injects or not s.expectations or not s.objectives or not s.facilitator or not s.hot_wash:
        yield _error(
            "", "incomplete", "a scenario has objectives, injects, expectations, facilitator notes and hot-wash questions"
        )


def _ways(s: Scenario) -> Iterator[LintError]:
    ways = {w.id for w in s.ways}
    for pointer, effect in _effects(s):
        named = [effect.shut, effect.leak and effect.leak.way, effect.told and effect.told.way]
        for way in named:
            if way and way not in ways:
                yield _error(pointer, "no-such-way", f"there is no way {way}")
        people = (effect.leak and effect.leak.people) or (effect.told and effect.told.people) or 1
        if not 1 <= people <= s.world.customers:
            yield _error(pointer, "too-many-people", f"the shop has {s.world.customers} customers")


def _casting(s: Scenario) -> Iterator[LintError]:
    """Who is told and asked what, and after which choices."""
    objectives = {o.id for o in s.objectives}
    choices = {f"{d.id}.{o.id}" for d in s.decisions for o in d.options}
    for i, inject in enumerate(s.injects):
        if inject.objective not in objectives:
            yield _error(f"/injects/{i}/objective", "no-such-objective", f"there is no objective {inject.objective}")
        if inject.when and inject.when.chosen and inject.when.chosen not in choices:
            yield _error(f"/injects/{i}/when", "no-such-option", f"there is no option {inject.when.chosen}")
        roles = [*inject.to, *([inject.decision.role] if inject.decision else [])]
        for role in roles:
            if role not in s.roles:
                yield _error(f"/injects/{i}", "no-such-role", f"{role} takes no part in this exercise")
    for lang in s.world.languages:
        if lang not in languages():
            yield _error("/world/languages", "no-such-language", f"known: {', '.join(languages())}")
    for role in s.roles:
        if not any(role in n.to or (n.decision and n.decision.role == role) for n in s.injects):
            yield _error("/roles", "idle-role", f"{role} has nothing to do in this exercise")


def _decisions(s: Scenario) -> Iterator[LintError]:
    ids = [d.id for d in s.decisions]
    for i, inject in enumerate(s.injects):
        if (decision := inject.decision) is None:
            continue
        pointer = f"/injects/{i}/decision"
        if ids.count(decision.id) > 1:
            yield _error(f"{pointer}/id", "twice", f"{decision.id} is named twice")
        if sum(o.best for o in decision.options) != 1 or sum(o.worst for o in decision.options) > 1:
            yield _error(f"{pointer}/options", "no-best", "one option is the best, and at most one the worst")
    for pointer, _, option in _options(s):
        for a, act in enumerate(option.do):
            yield from _act(f"{pointer}/do/{a}", act)


def _act(pointer: str, act: Act) -> Iterator[LintError]:
    given = [n for n in Act.__struct_fields__ if getattr(act, n) is not None]
    if len(given) != 1:
        yield _error(pointer, "not-one-act", f"exactly one of {', '.join(Act.__struct_fields__)}")
    for regime in (act.file, act.notify and act.notify.regime):
        if regime and regime not in regimes():
            yield _error(pointer, "no-such-regime", f"there is no regime {regime}")
    for field in act.enter or ():
        if field not in FIELDS:
            yield _error(f"{pointer}/enter/{field}", "no-such-field", f"known: {', '.join(FIELDS)}")


def _scores(s: Scenario) -> Iterator[LintError]:
    injects = {i.id for i in s.injects}
    choices = {f"{d.id}.{o.id}" for d in s.decisions for o in d.options}
    for i, expectation in enumerate(s.expectations):
        pointer = f"/expectations/{i}"
        if expectation.objective not in {o.id for o in s.objectives}:
            yield _error(f"{pointer}/objective", "no-such-objective", f"there is no objective {expectation.objective}")
        if expectation.role not in s.roles:
            yield _error(f"{pointer}/role", "no-such-role", f"{expectation.role} takes no part in this exercise")
        if expectation.after not in injects:
            yield _error(f"{pointer}/after", "no-such-inject", f"there is no inject {expectation.after}")
        if not 1 <= expectation.score <= 100:
            yield _error(f"{pointer}/score", "bad-score", "a score is 1 to 100")
        yield from _sign(pointer, expectation, choices)
    for i, objective in enumerate(s.objectives):
        if not any(e.objective == objective.id for e in s.expectations):
            yield _error(f"/objectives/{i}", "not-measured", "no expectation measures this objective")


def _sign(pointer: str, expectation: Expectation, choices: set[str]) -> Iterator[LintError]:
    signs: list[Sign] = [s for s in (expectation.met, expectation.never) if s is not None]
    if len(signs) != 1:
        yield _error(pointer, "not-one-sign", "either met or never")
        return
    sign = signs[0]
    if sign.kind not in SIGNS:
        yield _error(pointer, "no-such-sign", f"known: {', '.join(SIGNS)}")
    if (sign.kind == "decided") != (sign.option is not None) or (sign.option and sign.option not in choices):
        yield _error(pointer, "no-such-option", f"{sign.kind} with option {sign.option}: no decision offers it")


def _addresses(s: Scenario) -> Iterator[LintError]:
    """Nothing in an exercise may point at anybody real: mail domains, web hosts, international telephone numbers."""
    for pointer, text in _strings(msgspec.to_builtins(s), ""):
        for what in somebody_real(text):
            if what != PHONE or not pointer.startswith("/references"):
                yield _error(pointer, "real-address", what)


def somebody_real(text: str) -> Iterator[str]:
    """What in a text could point at somebody, and what to write instead."""
    for found in _HOST.finditer(text):
        host = (found[1] or found[2]).rstrip(".")
        if not _RESERVED.search(host):
            yield f"{host[:60]} could be somebody's; use a domain of RFC 2606, like shop.example"
    if _PHONE.search(text):
        yield PHONE


def _strings(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, f"{pointer}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, f"{pointer}/{index}")
