"""One PHP file into facts, by tree-sitter queries. Errors in a file cost that file's broken part, not the others.

Names of functions are compared in lower case, as PHP does.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from typing import Final

import tree_sitter_php
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from checkvalve.posture.plugins import facts
from checkvalve.posture.plugins.facts import FileFacts, Flow, Function, Hook, Ref, Route

CHECK: Final = re.compile(
    r"^(current_user_can|check_ajax_referer|check_admin_referer|wp_verify_nonce|user_can|is_super_admin|hash_equals|is_user_logged_in"
    r"|wp_check_password|.*verif\w*_?(nonce|token|signature|request|ajax|secret|key|hash).*|.*check_?\w*(nonce|perm|cap|auth|token|referer).*"
    r"|.*(permission|capabilit)\w*_?check.*|.*validate_?(nonce|token|signature).*)$"
)
TOUCHES: Final = (
    (
        facts.PERSONAL,
        re.compile(
            r"^(wc_get_orders?|wc_get_customer\w*|get_users?|get_userdata|get_user_by|get_user_meta|get_billing_\w+|get_shipping_\w+|wp_get_current_user|get_current_user_id|get_comments?)$"
        ),
    ),
    (
        facts.FILES,
        re.compile(
            r"^(file_get_contents|file_put_contents|fopen|readfile|unlink|rename|copy|move_uploaded_file|wp_handle_upload|scandir|glob|unzip_file)$"
        ),
    ),
    (facts.DATABASE, re.compile(r"^(get_results|get_row|get_var|get_col|prepare|replace)$")),
    (facts.REMOTE, re.compile(r"^(wp_(safe_)?remote_\w+|curl_exec|fsockopen|stream_socket_client)$")),
    (
        facts.SETTINGS,
        re.compile(
            r"^(update_option|add_option|delete_option|set_transient|update_user_meta|wp_insert_user|wp_update_user|wp_insert_post|wp_set_auth_cookie)$"
        ),
    ),
    (
        facts.LLM,
        re.compile(
            r"^(wp_ai_client_prompt|wp_execute_ability|simpletextquery|simplechatbotquery|run_query|chat_completions?|create_completion)$"
        ),
    ),
)
REQUEST: Final = r"\$_(?:GET|POST|REQUEST|COOKIE|FILES)\b|get_(?:query_|body_|json_|url_|file_)?params?\(|php://input"
TAMED: Final = re.compile(
    r"absint|intval|\(int\)|\(float\)|floatval|esc_sql|->prepare|sanitize_key|sanitize_title|sanitize_file_name|in_array|array_map\(\s*['\"](?:absint|intval)|is_numeric|wc_clean|filter_var|basename|realpath|maybe_unserialize_check|wp_hash|md5\("
    r"|sanitize_\w*(?:by_array|orderby)|wp_handle_(?:upload|sideload)|media_handle_|tmp_name"
)
ASSIGNED: Final = re.compile(rf"\$(\w+)\s*=\s*(?!=)([^;]*(?:{REQUEST})[^;]*);")
TAMED_LATER: Final = re.compile(rf"\$(\w+)\s*=\s*(?!=)[^;]*(?:{TAMED.pattern})[^;]*;")
# Compared with what is allowed before it is used: a variable, or an element of a superglobal.
_HELD: Final = r"(\$\w+(?:\[\s*['\"]\w+['\"]\s*\])?)"
ALLOWED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:in_array|array_key_exists)\s*\(\s*{_HELD}",
        rf"isset\s*\(\s*[\w$>:-]+(?:\[[^\]]*\])*\[\s*{_HELD}\s*\]",
        rf"preg_match\s*\(\s*(?:'/\^[^']*\$/\w*'|\"/\^[^\"]*\$/\w*\")\s*,\s*{_HELD}",
    )
)
PREFIXED: Final = re.compile(r"^\s*(?:array\s*\(|\[)?[^,]*['\"][\w:\\]{4,}['\"]\s*\.")  # a name that begins as the author says
LOOKED_UP: Final = re.compile(r"(?<=[\w\]])\[[^\[\]]*\]")  # the key of something: what is there was put there by the author
DATABASE: Final = re.compile(r"wpdb|(?:->|::\$?|\$)_?db\b", re.I)
DANGERS: Final = (
    ("sql_from_request", re.compile(r"^(query|get_results|get_row|get_var|get_col)$"), "member"),
    (
        "code_from_request",
        re.compile(r"^(eval|assert|create_function|system|exec|shell_exec|passthru|popen|proc_open|call_user_func(_array)?)$"),
        "function",
    ),
    ("object_from_request", re.compile(r"^(unserialize|maybe_unserialize)$"), "function"),
    (
        "file_from_request",
        re.compile(r"^(file_get_contents|file_put_contents|fopen|readfile|unlink|copy|rename|show_source)$"),
        "function",
    ),
    ("url_from_request", re.compile(r"^(wp_remote_(get|post|request|head))$"), "function"),
)
LLM_HOST: Final = re.compile(
    r"(?<![\w.-])(api\.(?:openai|anthropic|mistral|groq|deepseek|cohere|together|perplexity)\.(?:com|ai|xyz)"
    r"|openrouter\.ai/api|generativelanguage\.googleapis\.com|api-inference\.huggingface\.co|[\w-]+\.openai\.azure\.com"
    r"|(?:localhost|127\.0\.0\.1|[\w.-]+):(?:11434|1234/v1|8080/v1|8000/v1))(?![\w-])"
)
COMMENT: Final = re.compile(r"^\s*(?://|#(?!\[)|/?\*)")
# An answer kept under a key that is made of the question alone is given to whoever asks the same.
KEEPS: Final = re.compile(r"^(set_(site_)?transient|wp_cache_(set|add|replace))$")
OF_QUESTION: Final = re.compile(r"\b(md5|sha1|hash|crc32|serialize|wp_json_encode|json_encode)\s*\(", re.I)
QUESTION: Final = re.compile(r"\$\w*(?:prompt|question|messages?\b|user_?input|query)", re.I)
OF_VISITOR: Final = re.compile(
    r"user_?id|current_user|session|customer|cookie|visitor|guest|thread|conversation|nonce|\bip\b|remote_addr", re.I
)
MODEL: Final = re.compile(
    r"openai|anthropic|ollama|llama|gpt|\bllm\b|completions?\b|wp_ai_client|\bai_|chatbot|/api/chat|/api/generate", re.I
)
GUARDS: Final = re.compile(r"ABSPATH|WPINC|WP_UNINSTALL_PLUGIN|defined\s*\(")
BOOTSTRAP: Final = re.compile(r"wp-load\.php|wp-config\.php|wp-blog-header\.php")
ACTS: Final = re.compile(
    r"\b(eval|include|require|unlink|move_uploaded_file|file_put_contents|readfile|system|exec|passthru|unserialize|echo|mysqli?_\w+)\b"
)
NEEDS_WORDPRESS: Final = re.compile(r"\b(esc_\w+|wp_\w+|__|_e|get_option|current_user_can|add_action|admin_url)\s*\(")
HEADER: Final = re.compile(r"^[ \t/*#@]*(Plugin Name|Version|Requires Plugins):\s*(.+?)\s*$", re.M | re.I)

_QUERY: Final = """
(function_call_expression function: [(name) (qualified_name)] @function arguments: (arguments) @arguments) @call
(member_call_expression name: (name) @member arguments: (arguments) @arguments) @call
(nullsafe_member_call_expression name: (name) @member arguments: (arguments) @arguments) @call
(scoped_call_expression name: (name) @member arguments: (arguments) @arguments) @call
(function_definition name: (name) @name body: (compound_statement) @body) @definition
(method_declaration name: (name) @name body: (compound_statement) @body) @definition
(anonymous_function body: (compound_statement) @body) @definition
(arrow_function body: (_) @body) @definition
(class_declaration name: (name) @class (base_clause [(name) (qualified_name)] @parent))
[(include_expression) (include_once_expression) (require_expression) (require_once_expression)] @include
"""


@cache
def _tools() -> tuple[Parser, Query]:
    language = Language(tree_sitter_php.language_php())
    return Parser(language), Query(language, _QUERY)


class _File:
    """The captures of one file."""

    def __init__(self, file: str, source: bytes) -> None:
        parser, query = _tools()
        self.file, self.source = file, source
        self.root = parser.parse(source).root_node
        self.calls: list[tuple[str, str, Node, Node]] = []  # (kind, name, arguments, call)
        self.definitions: list[tuple[Node, Node, str]] = []
        self.parents: list[str] = []
        self.includes: list[Node] = []
        for _, found in QueryCursor(query).matches(self.root):
            if "call" in found:
                kind = "function" if "function" in found else "member"
                name = _text(found[kind][0]).rpartition("\\")[2].lower()
                self.calls.append((kind, name, found["arguments"][0], found["call"][0]))
            elif "definition" in found:
                name = _text(found["name"][0]) if "name" in found else ""
                self.definitions.append((found["definition"][0], found["body"][0], name))
            elif "include" in found:
                self.includes.append(found["include"][0])
            elif "parent" in found:
                self.parents.append(_text(found["parent"][0]).rpartition("\\")[2])
        self.definitions.sort(key=lambda d: d[0].start_byte)
        self._starts = [d[0].start_byte for d in self.definitions]

    def enclosing(self, node: Node) -> int:
        """Index of the innermost definition around a node, -1 at the top level."""
        index = bisect_right(self._starts, node.start_byte) - 1
        while index >= 0 and self.definitions[index][0].end_byte < node.end_byte:
            index -= 1
        return index


def read(file: str, source: bytes) -> FileFacts:
    """The facts of one file. `parsed` False: nothing could be understood."""
    tree = _File(file, source)
    text = source.decode("utf-8", "replace")
    if tree.root.type == "ERROR" or (tree.root.has_error and not tree.calls and not tree.definitions):
        return FileFacts(file=file, parsed=False)
    header = {k.lower(): v for k, v in HEADER.findall(text[:8192])}
    routes, hooks, cron, actions, shortcodes = _registered(tree)
    return FileFacts(
        file=file,
        parsed=True,
        functions=tuple(_functions(tree)),
        routes=tuple(routes),
        hooks=tuple(hooks),
        cron=tuple(cron),
        actions=tuple(actions),
        shortcodes=tuple(shortcodes),
        parents=tuple(dict.fromkeys(tree.parents)),
        endpoints=tuple(_endpoints(text)),
        flows=(*_flows(tree), *_kept_for_all(tree)),
        direct=_direct(tree, text),
        name=header.get("plugin name", ""),
        version=header.get("version", "") if "plugin name" in header else "",
        requires=tuple(s.strip() for s in header.get("requires plugins", "").split(",") if s.strip()),
    )


def _endpoints(text: str) -> Iterator[tuple[str, int]]:
    """(host, line) of each that the code names; what a comment names is not talked to."""
    if LLM_HOST.search(text) is None:
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not COMMENT.match(line):
            yield from dict.fromkeys((m[1], number) for m in LLM_HOST.finditer(line.partition(" // ")[0]))


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _line(node: Node) -> int:
    return int(node.start_point[0]) + 1


def _functions(tree: _File) -> Iterator[Function]:
    called: dict[int, set[str]] = {}
    for _, name, _, call in tree.calls:
        called.setdefault(tree.enclosing(call), set()).add(name)
    for index, (definition, body, name) in enumerate(tree.definitions):
        names = frozenset(called.get(index, ()))
        inner = _text(body)
        yield Function(
            name=name.lower(),
            cls=_class(definition),
            place=f"{tree.file}:{definition.start_byte}",
            line=_line(definition),
            checks=any(CHECK.match(n) for n in names),
            open=_returns_true(body),
            touches=frozenset(what for what, pattern in TOUCHES if any(pattern.match(n) for n in names))
            | ({facts.LLM} if LLM_HOST.search(inner) else frozenset()),
            calls=names,
        )


def _class(node: Node) -> str:
    parent = node.parent
    while parent is not None and parent.type not in ("class_declaration", "trait_declaration", "anonymous_class"):
        parent = parent.parent
    name = parent.child_by_field_name("name") if parent is not None else None
    return _text(name).lower() if name is not None else ""


def _returns_true(body: Node) -> bool:
    if body.type != "compound_statement":  # an arrow function
        return _text(body).strip().lower() == "true"
    statements = [c for c in body.named_children if c.type != "comment"]
    return len(statements) == 1 and bool(re.fullmatch(r"return\s+true\s*;", _text(statements[0]).strip(), re.I))


# --- what is registered ----------------------------------------------------------------------------------------------


def _registered(tree: _File) -> tuple[list[Route], list[Hook], list[str], list[str], list[str]]:
    routes: list[Route] = []
    hooks: list[Hook] = []
    cron: list[str] = []
    actions: list[str] = []
    shortcodes: list[str] = []
    for _, name, arguments, call in tree.calls:
        args = [a.named_children[-1] for a in arguments.named_children if a.type == "argument" and a.named_children]
        match name:
            case "register_rest_route" if len(args) >= 2:
                path = (_literal(args[0]) or "…") + (_literal(args[1]) or "/…")
                routes += list(_routes(tree, path, args[2], call)) if len(args) > 2 else []
            case "add_action" | "add_filter" if len(args) >= 2:
                written = _literal(args[0])
                hooks.append(
                    Hook(
                        name=written or _text(args[0])[:80],
                        line=_line(call),
                        callback=_ref(tree, args[1], call),
                        dynamic=written is None,
                    )
                )
            case "wp_schedule_event" | "wp_schedule_single_event" if len(args) >= 2:
                cron.append(_literal(args[2 if name == "wp_schedule_event" and len(args) > 2 else 1]) or "…")
            case (
                "as_schedule_single_action"
                | "as_schedule_recurring_action"
                | "as_enqueue_async_action"
                | "as_schedule_cron_action"
            ):
                place = {"as_enqueue_async_action": 0, "as_schedule_single_action": 1}.get(name, 2)
                actions.append((_literal(args[place]) if len(args) > place else None) or "…")
            case "add_shortcode" if args:
                shortcodes.append(_literal(args[0]) or "…")
            case _:
                pass
    return routes, hooks, cron, actions, shortcodes


def _literal(node: Node) -> str | None:
    """The value of a string without variables; a concatenation gives its written parts, with … for the rest."""
    if node.type in ("string", "encapsed_string"):
        if any(c.type not in ("string_content", "escape_sequence") for c in node.named_children):
            return None
        return "".join(_text(c) for c in node.named_children)
    if node.type == "binary_expression":
        parts = [_literal(c) or "…" for c in node.named_children]
        return "".join(parts) if any(p != "…" for p in parts) else None
    return None


def _pairs(node: Node) -> dict[str, Node]:
    found = {}
    for element in node.named_children:
        if element.type == "array_element_initializer" and len(element.named_children) == 2:
            key = _literal(element.named_children[0])
            if key is not None:
                found[key] = element.named_children[1]
    return found


def _routes(tree: _File, path: str, node: Node, call: Node) -> Iterator[Route]:
    """A route has one endpoint or a list of them."""
    if node.type != "array_creation_expression":
        yield Route(path=path, line=_line(call), permission=Ref("unresolved"), handler=Ref("unresolved"))
        return
    pairs = _pairs(node)
    if "callback" in pairs or "permission_callback" in pairs:
        permission = _ref(tree, pairs["permission_callback"], call) if "permission_callback" in pairs else None
        handler = _ref(tree, pairs["callback"], call) if "callback" in pairs else Ref("unresolved")
        yield Route(path=path, line=_line(call), permission=permission, handler=handler)
        return
    for element in node.named_children:
        inner = element.named_children[-1] if element.named_children else None
        if inner is not None and inner.type == "array_creation_expression" and "callback" in _pairs(inner):
            yield from _routes(tree, path, inner, inner)


def _ref(tree: _File, node: Node, near: Node) -> Ref:
    text = _literal(node)
    if text is not None and "…" not in text:
        cls, colons, method = text.rpartition("::")
        return (
            Ref("method", method.lower(), cls.lower().rpartition("\\")[2])
            if colons
            else Ref("function", text.lower().rpartition("\\")[2])
        )
    if node.type in ("anonymous_function", "arrow_function"):
        return Ref("closure", f"{tree.file}:{node.start_byte}")
    if node.type == "array_creation_expression" and len(node.named_children) == 2:
        owner, last = (e.named_children[-1] for e in node.named_children)
        named = _literal(last)
        if named is not None and "…" not in named:
            own = _text(owner) in ("$this", "self::class", "static::class", "__CLASS__")
            cls = _class(near) if own else (_literal(owner) or _text(owner).removesuffix("::class")).lower().rpartition("\\")[2]
            return Ref("method", named.lower(), "" if cls.startswith("$") else cls)
    if node.type in ("member_call_expression", "scoped_call_expression", "function_call_expression"):
        name = node.child_by_field_name("name") or node.child_by_field_name("function")
        if name is not None and _text(node).endswith("(...)"):  # first-class callable
            return Ref("method" if node.type != "function_call_expression" else "function", _text(name).lower())
    return Ref("unresolved")


# --- what request data reaches ---------------------------------------------------------------------------------------


def _flows(tree: _File) -> Iterator[Flow]:
    tainted: dict[int, re.Pattern[str] | None] = {}
    for kind, name, arguments, call in tree.calls:
        for rule, pattern, needs in DANGERS:
            if kind == needs and pattern.match(name):
                # What a function is told to open, run or fetch is its first argument; a query may hold it anywhere.
                first = next((a for a in arguments.named_children if a.type == "argument"), arguments)
                given = _text(arguments if kind == "member" else first).replace("php://input", "")
                if kind == "member" and not DATABASE.search(_text(call).partition("(")[0]):
                    continue
                if rule == "code_from_request":
                    given = "" if PREFIXED.match(given) else LOOKED_UP.sub("", given) if "$_" not in given else given
                index = tree.enclosing(call)
                if index not in tainted:
                    tainted[index] = _taint(tree, index)
                dirty = tainted[index]
                if not TAMED.search(given) and (re.search(REQUEST, given) or (dirty is not None and dirty.search(given))):
                    yield Flow(rule=rule, line=_line(call))


def _allowed(text: str) -> set[str]:
    """What a function compares with what is allowed: variables and elements of superglobals, as they are written."""
    return {m[1] for pattern in ALLOWED for m in pattern.finditer(text)}


def _kept_for_all(tree: _File) -> Iterator[Flow]:
    for _, name, arguments, call in tree.calls:
        given = [a for a in arguments.named_children if a.type == "argument"]
        if KEEPS.match(name) and given:
            index = tree.enclosing(call)
            around = _text(tree.definitions[index][1]) if index >= 0 else ""
            key = _spelt_out(_text(given[0]), around)
            if (
                OF_QUESTION.search(key)
                and QUESTION.search(key)
                and not OF_VISITOR.search(key)
                and MODEL.search(around + tree.file)
            ):
                yield Flow(rule="answer_cached_for_all", line=_line(call))


def _spelt_out(expression: str, around: str) -> str:
    """An expression with what its variables were given in the same function, one step back."""
    parts = [expression]
    for variable in set(re.findall(r"\$(\w+)", expression)):
        parts += re.findall(rf"\${variable}\s*\.?=\s*(?!=)([^;]*);", around)
    return " ".join(parts)


def _taint(tree: _File, index: int) -> re.Pattern[str] | None:
    """Variables of a function that hold request data untamed, as a pattern."""
    text = _text(tree.definitions[index][1]) if index >= 0 else ""
    names = {m[1] for m in ASSIGNED.finditer(text) if not TAMED.search(m[2])}
    names -= {m[1] for m in TAMED_LATER.finditer(text)} | {held.lstrip("$") for held in _allowed(text)}
    return re.compile(r"\$(?:" + "|".join(map(re.escape, sorted(names))) + r")\b") if names else None


def _direct(tree: _File, text: str) -> int | None:
    """The line at which a file acts when its URL is called: it loads WordPress itself, or uses the request unguarded."""
    for include in tree.includes:
        if BOOTSTRAP.search(_text(include)):
            return _line(include)
    if GUARDS.search(text):
        return None
    for node in tree.root.named_children:
        said = _text(node) if node.type in ("expression_statement", "echo_statement", "if_statement") else ""
        if re.search(REQUEST, said) and ACTS.search(said) and not NEEDS_WORDPRESS.search(said):
            return _line(node)
    return None
