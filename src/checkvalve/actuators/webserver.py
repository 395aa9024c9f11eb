"""Orders as rules of a web server: what nginx and Apache are told while PHP is not to be trusted. No I/O.

A fragment stands beside whatever the administrator has written, and goes before it: nginx's server-level `if … return` and
Apache's server-level RewriteRule are asked before any location, .htaccess or PHP. WordPress takes a REST route not only from
the path but also from a parameter `rest_route` of query or form, under any spelling that PHP folds into that name; so
what is let through is written down strictly, and a form is given an empty `rest_route` in the query, which makes WordPress
refuse another one in the body ("variable mismatch").
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Server = Literal["nginx", "apache", "prepend"]  # the last: PHP itself, before anything else (gate.py)
Subject = Literal["path", "query", "method", "type", "address", "override"]

ADMIN: Final = ("/wp-login.php", "/wp-admin/")
FRONT: Final = "(admin-ajax|admin-post)[.]php$"  # below /wp-admin/, and asked for by visitors' pages
PATH: Final = re.compile(r"/[A-Za-z0-9._~/-]{1,200}")
SAFE_METHODS: Final = "^(GET|HEAD|OPTIONS)$"
# A query whose names PHP cannot fold into rest_route: it makes `_` of `.`, blanks and `[`, and undoes percent-encoding.
NAME: Final = "(?!rest_route(=|&|$))[A-Za-z0-9_-]+(=[^&]*)?"
STRICT: Final = f"^({NAME}(&{NAME})*)?$"
AND_STRICT: Final = f"(&{NAME})*$"
STORE: Final = "wc/store(/v1)?/(cart|checkout|batch)(/[A-Za-z0-9_-]+)*/?"
STORE_READ: Final = "wc/store(/v1)?(/[A-Za-z0-9_-]+)*/?"
OURS: Final = "checkvalve/v1/(sync|probe)"
AJAX: Final = (
    "(checkout|update_order_review|add_to_cart|remove_from_cart|get_refreshed_fragments|apply_coupon|remove_coupon"
    "|update_shipping_method|get_cart_totals|get_variation|wc_stripe_[a-z_]+|ppc-[a-z-]+)"
)
HOME: Final = "^/(index[.]php)?$"
ASSETS: Final = "^/wp-(content|includes)/[^?]+[.](css|js|mjs|png|jpe?g|gif|svg|webp|avif|woff2?|ttf|ico)$"
CODE_IN_UPLOADS: Final = "^/wp-content/uploads/.*[.](ph[a-z0-9]*|pht|htaccess)(/|$)"
METHOD_IN_QUERY: Final = "(^|&)[^=&]*(%|method)[^=&]*(=|&|$)"  # WordPress takes `_method` for the request's method
REST_IN_QUERY: Final = "(^|&)([^=&]*%[^=&]*|[^a-z0-9=&]*rest[^a-z0-9=&]+route[^=&]*)(=|&|$)"


class WebServerError(Exception):
    """An order that cannot be a rule, or a server that did not take it. `hint` says what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what}. {hint}" if hint else what)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A regular expression (PCRE) on one part of the request, letters of either case."""

    of: Subject
    like: str
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """All tests hold: this status. `spare`: not for what the checkout needs."""

    status: int
    tests: tuple[Test, ...]
    spare: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What the checkout of a shop needs beside what every WooCommerce has: prefixes of paths."""

    pages: tuple[str, ...] = ("/checkout/", "/cart/")
    webhooks: tuple[str, ...] = ("/wc-api/",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """What the server is told: requests that pass in any case, rules, and whether forms may not name a REST route."""

    open: tuple[tuple[Test, ...], ...] = ()
    rules: tuple[Rule, ...] = ()
    guard_forms: bool = False
    notes: tuple[str, ...] = ()


def check(action: str, args: dict[str, Any]) -> None:
    """WebServerError unless these are arguments the action can have."""
    match action:
        case "deny_path":
            if set(args) != {"path"}:
                raise WebServerError("deny_path takes a path")
            _path(args["path"])
        case "allow_list":
            if not {"address"} <= set(args) <= {"address", "path"}:
                raise WebServerError("allow_list takes addresses, and optionally a path")
            _addresses(args["address"])
            if "path" in args:
                _path(args["path"])
        case "read_only" | "maintenance":
            if args:
                raise WebServerError(f"{action} takes no arguments")
        case _:
            raise WebServerError(f"this web server knows no action {action[:40]!r}")


def fragment(orders: Iterable[dict[str, Any]], checkout: Checkout) -> Fragment:
    """All orders in force (payloads) as one fragment. WebServerError for one that cannot be a rule."""
    rules: list[Rule] = []
    notes, guard = [], False
    for order in sorted(orders, key=lambda o: str(o["jti"])):
        action, args = str(order["action"]), order["args"]
        check(action, args)
        notes.append(f"{order['jti']} {action}")
        rules += _rules(action, args)
        guard = guard or action in ("read_only", "maintenance") or str(args.get("path", "")).startswith("/wp-json")
    opened = (*_open_posts(checkout), *_open_reads(checkout)) if guard else ()
    return Fragment(open=opened, rules=tuple(dict.fromkeys(rules)), guard_forms=guard, notes=tuple(notes))


def _rules(action: str, args: dict[str, Any]) -> list[Rule]:
    no_code = Rule(status=403, tests=(Test(of="path", like=CODE_IN_UPLOADS),), spare=False)
    xmlrpc = Rule(status=403, tests=(Test(of="path", like="^/xmlrpc[.]php(/|$)"),), spare=False)
    if action == "deny_path":
        path = _path(args["path"])
        denied = [Rule(status=403, tests=(Test(of="path", like=_below(path)),), spare=False)]
        if path.startswith("/wp-json"):
            denied.append(Rule(status=403, tests=(Test(of="query", like=REST_IN_QUERY),)))
        return denied
    if action == "allow_list":
        others = Test(of="address", like=_addresses(args["address"]), negated=True)
        places = [Test(of="path", like=_below(p)) for p in ([_path(args["path"])] if "path" in args else ADMIN)]
        front = Test(of="path", like=f"^/wp-admin/{FRONT}", negated=True)
        return [Rule(status=403, tests=(place, front, others), spare=False) for place in places]
    if action == "read_only":
        writes = (
            Test(of="method", like=SAFE_METHODS, negated=True),
            Test(of="override", like="."),
            Test(of="query", like=METHOD_IN_QUERY),
        )
        return [no_code, xmlrpc, *(Rule(status=403, tests=(test,)) for test in writes)]
    return [no_code, xmlrpc, Rule(status=503, tests=())]


def _open_posts(checkout: Checkout) -> list[tuple[Test, ...]]:
    """What a customer and a payment service send. What WordPress' REST takes must be JSON, which is no form."""
    json = Test(of="type", like="^application/json")
    strict = Test(of="query", like=STRICT)
    post = Test(of="method", like="^(POST|PUT|DELETE)$")
    forms = [
        (post, Test(of="path", like=f"^/wp-json/({STORE}|{OURS})$"), strict, json),
        (post, Test(of="path", like=HOME), Test(of="query", like=f"^rest_route=/({STORE}|{OURS}){AND_STRICT}"), json),
        (post, Test(of="path", like=HOME), Test(of="query", like=f"^wc-ajax={AJAX}{AND_STRICT}")),
        (post, Test(of="path", like=HOME), Test(of="query", like=f"^wc-api=[A-Za-z0-9_-]+{AND_STRICT}")),
    ]
    for prefix in (*checkout.pages, *checkout.webhooks):
        needed = (json,) if prefix.startswith("/wp-json") else ()
        forms.append((post, Test(of="path", like=_below(_path(prefix))), strict, *needed))
    return forms


def _open_reads(checkout: Checkout) -> list[tuple[Test, ...]]:
    read = Test(of="method", like=SAFE_METHODS)
    strict = Test(of="query", like=STRICT)
    reads = [
        (read, Test(of="path", like=ASSETS)),
        (read, Test(of="path", like=f"^/wp-json/({STORE_READ}|{OURS})$"), strict),
        (read, Test(of="path", like=HOME), Test(of="query", like=f"^rest_route=/({STORE_READ}|{OURS}){AND_STRICT}")),
        (read, Test(of="path", like=HOME), Test(of="query", like=f"^wc-(ajax={AJAX}|api=[A-Za-z0-9_-]+){AND_STRICT}")),
    ]
    places = (*checkout.pages, *checkout.webhooks)
    return [*reads, *((read, Test(of="path", like=_below(_path(p))), strict) for p in places)]


def _path(value: Any) -> str:
    if not isinstance(value, str) or not PATH.fullmatch(value) or "//" in value or "/../" in f"{value}/":
        raise WebServerError(
            f"not a path below the shop's address: {str(value)[:80]!r}", "It looks like /wp-content/plugins/x/"
        )
    return value


def _below(path: str) -> str:
    """This path and what is below it, and with a slash at the end the path without it too."""
    return f"^{re.escape(path.rstrip('/'))}(/|$)"


def _addresses(value: Any) -> str:
    try:
        found = [ipaddress.ip_address(part.strip()) for part in str(value).split(",")]
    except ValueError as error:
        raise WebServerError(f"not addresses: {str(value)[:80]!r}", "It looks like 203.0.113.7, 2001:db8::7") from error
    return f"^({'|'.join(re.escape(str(address)) for address in found)})$"


# --- as each server writes it ----------------------------------------------------------------------------------------


def render(server: Server, made: Fragment) -> str:
    """The text, the same for the same orders. It answers 204 at its own `marker`: so it is seen to be in force."""
    head = [
        "# Written by Checkvalve from signed orders, and taken away by it. Do not change it.",
        *(f"# {n}" for n in made.notes),
    ]
    body = list(_nginx(made) if server == "nginx" else _apache(made))
    sign = f"{MARKER}{hashlib.sha256(repr(body).encode()).hexdigest()[:24]}"
    if server == "nginx":
        first = [f'if ($uri = "{sign}") {{ return 204; }}']
    else:
        first = ["RewriteEngine On", f"RewriteRule ^{re.escape(sign)}$ - [R=204,L]"]
    return "\n".join([*head, *first, *body]) + "\n"


def marker(text: str) -> str:
    """The path at which a fragment shows that it is in force."""
    found = re.search(rf"{re.escape(MARKER)}[0-9a-f]{{24}}", text.replace("\\", ""))
    return found[0] if found else ""


NGINX: Final[dict[Subject, str]] = {
    "path": "$uri",
    "query": "$args",
    "method": "$request_method",
    "type": "$content_type",
    "address": "$remote_addr",
    "override": "$http_x_http_method_override",
}
APACHE: Final[dict[Subject, str]] = {
    "path": "%{REQUEST_URI}",
    "query": "%{QUERY_STRING}",
    "method": "%{REQUEST_METHOD}",
    "type": "%{HTTP:Content-Type}",
    "address": "%{REMOTE_ADDR}",
    "override": "%{HTTP:X-HTTP-Method-Override}",
}
MARKER: Final = "/.checkvalve-"
ALONE: Final = "$checkvalve_open"


FORM: Final = (
    Test(of="method", like="^POST$"),
    Test(of="path", like="^/wp-json/", negated=True),
    Test(of="query", like="(^|&)rest_route=", negated=True),
)


def _nginx(made: Fragment) -> Iterable[str]:
    yield f'set {ALONE} "";'
    for tests in made.open:
        yield from _nginx_all(tests, f'set {ALONE} "1";')
    for rule in made.rules:
        yield from _nginx_all(rule.tests, f"return {rule.status};", spare=rule.spare)
    if made.guard_forms:
        yield from _nginx_all(FORM, "rewrite ^ $uri?rest_route=;")


def _nginx_all(tests: Sequence[Test], then: str, *, spare: bool = False) -> Iterable[str]:
    """nginx has no `and`: each test that holds adds its number, and the whole must be there."""
    wanted = "".join(str(n) for n in range(len(tests) + spare))
    yield 'set $checkvalve_all "";'
    for number, test in enumerate(tests):
        how = "!~*" if test.negated else "~*"
        yield f'if ({NGINX[test.of]} {how} "{test.like}") {{ set $checkvalve_all "${{checkvalve_all}}{number}"; }}'
    if spare:
        yield f'if ({ALONE} != "1") {{ set $checkvalve_all "${{checkvalve_all}}{len(tests)}"; }}'
    yield f'if ($checkvalve_all = "{wanted}") {{ {then} }}'


def _apache(made: Fragment) -> Iterable[str]:
    for tests in made.open:
        yield from _apache_all(tests, "- [E=checkvalve_open:1]")
    for rule in made.rules:
        flags = "F" if rule.status == 403 else f"R={rule.status},L"
        yield from _apache_all(rule.tests, f"- [{flags}]", spare=rule.spare)
    if made.guard_forms:
        yield from _apache_all(FORM, "%{REQUEST_URI}?rest_route= [QSA,PT]")


def _apache_all(tests: Sequence[Test], then: str, *, spare: bool = False) -> Iterable[str]:
    """Not for a request that the server itself has sent on: WordPress' .htaccess turns every page into /index.php."""
    yield 'RewriteCond %{ENV:REDIRECT_STATUS} "^$"'
    for test in tests:
        yield f'RewriteCond {APACHE[test.of]} "{"!" if test.negated else ""}{test.like}" [NC]'
    if spare:
        yield 'RewriteCond %{ENV:checkvalve_open} "!^1$"'
    yield f"RewriteRule ^ {then}"
