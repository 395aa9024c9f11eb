"""All files of a plugin into an assessment: findings worth reading first, what the checkout needs of it, how to isolate it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from checkvalve.posture.plugins import facts
from checkvalve.posture.plugins.facts import FileFacts, Function, Ref

# The lower, the sooner a person should read it.
WEIGHT: Final = {
    "rest_no_permission": 20,
    "rest_open": 30,
    "ajax_nopriv_unchecked": 25,
    "sql_from_request": 10,
    "code_from_request": 5,
    "object_from_request": 8,
    "file_from_request": 12,
    "answer_cached_for_all": 15,
    "url_from_request": 35,
    "direct_file": 28,
    "llm_external": 60,
    "ajax_nopriv_unresolved": 80,
    "rest_unresolved": 85,
    "llm_local": 90,
}
FLOWS: Final = {"answer_cached_for_all": "a model's answer is kept under a key without the visitor: the next one may get it"}
DEPTH: Final = 4  # calls followed within the plugin to see what a handler touches
DEPTH_OF_CHECKS: Final = 2  # a question asked deeper is about something else
GRAVE: Final = frozenset((facts.PERSONAL, facts.LLM, facts.FILES, facts.DATABASE, facts.SETTINGS))
BY_DESIGN: Final = re.compile(r"oauth|well-known|webhook|callback|ping|health|status", re.I)
LOCAL: Final = re.compile(r"^(localhost|127\.|[\w.-]+:\d)")
DEPENDS: Final = (
    ("gateway", re.compile(r"^WC_(Payment_Gateway\w*|Abstract_\w*Gateway\w*)$|AbstractPaymentMethodType$"), None),
    ("shipping", re.compile(r"^WC_Shipping_\w+$"), re.compile(r"^woocommerce_(package_rates|shipping_methods)$")),
    (
        "price",
        None,
        re.compile(
            r"^woocommerce_(product_(variation_)?get_(regular_|sale_)?price|before_calculate_totals|cart_calculate_fees|get_price|calc_tax|matched_rates|cart_item_price)"
        ),
    ),
    (
        "other",
        None,
        re.compile(
            r"^woocommerce_(checkout_|store_api_checkout|payment_|before_checkout|after_checkout|review_order|thankyou|available_payment)"
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    rule: str
    file: str
    line: int
    what: str
    weight: int


def assess(slug: str, files: Sequence[FileFacts], vulnerabilities: dict[str, Any]) -> dict[str, Any]:
    """The answer of `checkvalve plugin assess` (contract.md). `rank` 1 is to be read first; `weight` orders over plugins."""
    main = next((f for f in files if f.name), None)
    known = _Known(files)
    ranked = sorted(known.findings(), key=lambda f: (f.weight, f.file, f.line))
    depends, why = _checkout(files)
    return {
        "slug": slug,
        "name": main.name if main else slug,
        "version": main.version if main else "",
        "assessed": {"files": len(files), "unparsed": sum(not f.parsed for f in files)},
        "findings": [
            {"rule": f.rule, "file": f.file, "line": f.line, "rank": n, "what": f.what, "weight": f.weight}
            for n, f in enumerate(ranked, start=1)
        ],
        "surface": _surface(files),
        "checkout": {"depends": depends, "why": why},
        "isolation": _isolation(files, depends),
        "known_vulnerabilities": vulnerabilities,
    }


class _Known:
    """Callbacks resolved over all files of the plugin."""

    def __init__(self, files: Sequence[FileFacts]) -> None:
        self.files = files
        self.by_name: dict[str, list[Function]] = {}
        self.by_place: dict[str, Function] = {}
        for f in files:
            for function in f.functions:
                self.by_place[function.place] = function
                if function.name:
                    self.by_name.setdefault(function.name, []).append(function)

    def resolve(self, ref: Ref) -> Function | None:
        if ref.kind == "closure":
            return self.by_place.get(ref.name)
        named = self.by_name.get(ref.name, [])
        if ref.kind == "function":
            return next((f for f in named if not f.cls), None)
        if ref.kind == "method":
            exact = [f for f in named if f.cls == ref.cls]
            methods = exact or [f for f in named if f.cls]
            return methods[0] if len(methods) == 1 or exact else None
        return None

    def reach(self, function: Function) -> tuple[bool, frozenset[str]]:
        """(whether it or a function it calls asks who is there, what it touches, through functions of the plugin)."""
        touches, checks = set(function.touches), function.checks
        seen, level = {function.place}, [function]
        for depth in range(DEPTH):
            level = [f for g in level for name in g.calls if len(self.by_name.get(name, ())) == 1 for f in self.by_name[name]]
            level = [f for f in {f.place: f for f in level}.values() if f.place not in seen]
            seen |= {f.place for f in level}
            touches.update(*(f.touches for f in level))
            checks = checks or (depth < DEPTH_OF_CHECKS and any(f.checks for f in level))
        return checks, frozenset(touches)

    def findings(self) -> Iterable[Finding]:
        for f in self.files:
            yield from self._routes(f)
            yield from self._ajax(f)
            for flow in f.flows:
                yield _finding(
                    flow.rule, f.file, flow.line, FLOWS.get(flow.rule, "request data reaches it in the same function")
                )
            if f.direct is not None:
                yield _finding(
                    "direct_file",
                    f.file,
                    f.direct,
                    "does something when its URL is called; switching the plugin off does not stop it",
                )
        yield from self._endpoints()

    def _endpoints(self) -> Iterable[Finding]:
        places: dict[str, list[tuple[str, int]]] = {}
        for f in self.files:
            for host, line in f.endpoints:
                places.setdefault(host, []).append((f.file, line))
        for host, (first, *others) in places.items():
            more = f", in {len(others) + 1} places" if others else ""
            rule = "llm_local" if LOCAL.match(host) else "llm_external"
            yield _finding(rule, *first, f"talks to {host}{more}")

    def _routes(self, f: FileFacts) -> Iterable[Finding]:
        for route in f.routes:
            if route.permission is None:
                yield self._graded("rest_no_permission", f, route.line, route.path, route.handler)
            elif route.permission.kind == "unresolved":
                yield _finding("rest_unresolved", f.file, route.line, f"{route.path}: who may call it could not be read")
            elif route.permission == Ref("function", "__return_true") or (
                (p := self.resolve(route.permission)) is not None and p.open
            ):
                yield self._graded("rest_open", f, route.line, route.path, route.handler)

    def _ajax(self, f: FileFacts) -> Iterable[Finding]:
        for hook in f.hooks:
            name = hook.name if not hook.dynamic else hook.name.strip("'\"")
            if "wp_ajax_nopriv_" not in name and not (hook.name.startswith("wc_ajax_")):
                continue
            handler = None if hook.dynamic or "…" in hook.name else self.resolve(hook.callback)
            if handler is None:
                yield _finding("ajax_nopriv_unresolved", f.file, hook.line, f"{hook.name}: its handler could not be read")
            elif not self.reach(handler)[0]:
                yield self._graded("ajax_nopriv_unchecked", f, hook.line, hook.name, hook.callback)

    def _graded(self, rule: str, f: FileFacts, line: int, what: str, handler: Ref) -> Finding:
        """An open door is graver the more lies behind it, and less so when the handler asks inside or the name says why."""
        function = self.resolve(handler)
        if function is None:
            return _finding(rule, f.file, line, f"{what}: open to everybody; its handler could not be read", 20)
        checks, touches = self.reach(function)
        if checks:
            return _finding(rule, f.file, line, f"{what}: open to everybody, its handler asks inside", 45)
        said = f", touches {', '.join(sorted(touches))}" if touches else ""
        extra = (
            (0 if touches & GRAVE else 25) + (15 if BY_DESIGN.search(what) else 0) - (10 if facts.PERSONAL in touches else 0)
        )
        return _finding(rule, f.file, line, f"{what}: open to everybody{said}", extra)


def _finding(rule: str, file: str, line: int, what: str, extra: int = 0) -> Finding:
    return Finding(rule=rule, file=file, line=line, what=what, weight=WEIGHT[rule] + extra)


def _surface(files: Sequence[FileFacts]) -> dict[str, Any]:
    """Everything that it opens, findings or not."""
    hooks = [h.name for f in files for h in f.hooks]
    return {
        "rest": sorted({r.path for f in files for r in f.routes}),
        "ajax": sorted({h for h in hooks if h.startswith(("wp_ajax_", "wc_ajax_"))}),
        "webhooks": sorted({h for h in hooks if h.startswith("woocommerce_api_")}),
        "shortcodes": sorted({s for f in files for s in f.shortcodes}),
        "direct_files": sorted(f.file for f in files if f.direct is not None),
        "llm_endpoints": sorted({host for f in files for host, _ in f.endpoints}),
        "touches": sorted({t for f in files for function in f.functions for t in function.touches}),
        "requires_plugins": sorted({r for f in files for r in f.requires}),
    }


def _checkout(files: Sequence[FileFacts]) -> tuple[str, list[str]]:
    """What the checkout needs of it: the first of gateway, shipping, price, other."""
    found: dict[str, list[str]] = {}
    for f in files:
        for kind, parent, hook in DEPENDS:
            if parent is not None:
                found.setdefault(kind, []).extend(f"{f.file}: a class extends {p}" for p in f.parents if parent.search(p))
            if hook is not None:
                found.setdefault(kind, []).extend(f"{f.file}:{h.line}: {h.name}" for h in f.hooks if hook.search(h.name))
    for kind, _, _ in DEPENDS:
        if found.get(kind):
            return kind, [why for k, _, _ in DEPENDS for why in found.get(k, [])][:20]
    return "no", []


def _isolation(files: Sequence[FileFacts], depends: str) -> dict[str, Any]:
    cron = sorted({c for f in files for c in f.cron})
    actions = sorted({a for f in files for a in f.actions})
    webhooks = sorted({h.name for f in files for h in f.hooks if h.name.startswith("woocommerce_api_")})
    lost = [f"cron: {c}" for c in cron] + [f"action: {a}" for a in actions] + [f"webhook: {w}" for w in webhooks]
    direct = [f.file for f in files if f.direct is not None]
    return {
        "safe": ["surface", "everywhere"] if depends == "no" else ["surface", "except_checkout"],
        "work_lost": lost,
        "also_close": direct,  # reached without WordPress: the gate or the web server must close them
    }
