"""The HTTP interfaces of model servers as one table: where a request holds its prompt, and an answer its text.

Dotted places; `*` is every item of a list, `**` every string below. Names are those of the servers' documentation: OpenAI
(also llama.cpp, vLLM, Ollama under /v1), Ollama under /api, llama.cpp's own, Anthropic's messages as llama.cpp serves them.
Answers are read by what is in them and not by the path asked: llama.cpp answers OpenAI's shapes under Ollama's path.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import unquote

Kind = Literal["text", "tool", "name", "copy"]
Place = tuple[Any, ...]
Body = dict[str, Any]

INDEXES: Final = ("index", "output_index", "content_index", "summary_index")  # where an event of OpenAI or Anthropic belongs


@dataclass(slots=True)
class Node:
    """A place in a body: what a string there is, and what is below it by key, `*` or `**`."""

    kind: Kind | None = None
    below: "dict[str, Node]" = field(default_factory=dict)


@dataclass(slots=True)
class Slot:
    """One string in a decoded body: `holder[key]`. Strings of one `place` continue each other, save copies.

    text: part of the answer; tool: arguments of a tool call; name: of the tool called; copy: what is whole by itself, as
    what was sent before.
    """

    holder: Any
    key: Any
    place: Place
    kind: Kind

    @property
    def text(self) -> str:
        return str(self.holder[self.key])  # a number in a tool call is text as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """`ends` makes the last messages of a stream that is ended early; it is given the text and the last message seen."""

    operation: str  # gen_ai.operation.name of OpenTelemetry
    ends: Callable[[str, Body], list[Body | str]]

    def ending(self, text: str, last: Body) -> list[Body | str]:
        """In the shape of the stream so far; in that of the path if nothing has come."""
        return next((ends for name, ends in ENDINGS if name in last), self.ends)(text, last)


def tree(**paths: str) -> Node:
    """{kind: "a.*.b c.d"} as nodes."""
    root = Node()
    for kind, listed in paths.items():
        for path in listed.split():
            node = root
            for step in path.split("."):
                node = node.below.setdefault(step, Node())
                if step == "**":
                    node.below[step] = node
            node.kind = kind  # type: ignore[assignment] # the keywords are Kinds
    root.below["*"] = root  # a list at the root holds several results
    return root


def slots(body: Any, root: Node, *, others: bool = False) -> list[Slot]:
    """Every non-empty string of a body that the tree names; with `others` also those it does not, as copies."""
    found: list[Slot] = []
    place = tuple([body.get(n) for n in INDEXES]) if isinstance(body, dict) and "type" in body else ()
    _walk(body, root, None, None, place, found, OTHER if others else None)
    return found


def _walk(value: Any, node: Node, holder: Any, key: Any, place: Place, found: list[Slot], other: Node | None) -> None:
    below = node.below
    if isinstance(value, str):
        kind = node.kind if node.kind is not None or other is None else other.kind
        if kind is not None:
            found.append(Slot(holder, key, place, kind))
    elif "**" in below and isinstance(value, dict | list):
        for k in value if isinstance(value, dict) else range(len(value)):
            _walk(value[k], below["**"], value, k, (*place, k), found, other)
    elif isinstance(value, dict):
        for k, inside in value.items():
            if inside and (next_ := below.get(k, other)) is not None:
                _walk(inside, next_, value, k, (*place, k), found, other)
    elif isinstance(value, list):
        if (next_ := below.get("*", other)) is not None:
            for i, item in enumerate(value):
                number = item.get("index", i) if isinstance(item, dict) else i
                _walk(item, next_, value, i, (*place, number if isinstance(number, int) else i), found, other)
    elif node.kind == "tool" and type(value) in (int, float):
        found.append(Slot(holder, key, place, node.kind))  # a telephone number needs no quotes


OTHER: Final = Node("copy")
OTHER.below["**"] = OTHER


# --- how each ends early ---------------------------------------------------------------------------------------------


def _kept(last: Body, *names: str) -> Body:
    return {n: last[n] for n in names if n in last}


def _chat_ends(text: str, last: Body) -> list[Body | str]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "content_filter"}
    return [{**_kept(last, "id", "object", "created", "model"), "choices": [choice]}, "[DONE]"]


def _completion_ends(text: str, last: Body) -> list[Body | str]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "content_filter"}
    return [{**_kept(last, "id", "object", "created", "model"), "choices": [choice]}, "[DONE]"]


def _response_ends(text: str, last: Body) -> list[Body | str]:
    delta = {"type": "response.output_text.delta", **_kept(last, "item_id", "output_index", "content_index"), "delta": text}
    why = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    return [delta, {"type": "response.incomplete", "response": why}]


def _ollama_chat_ends(text: str, last: Body) -> list[Body | str]:
    message = {"role": "assistant", "content": text}
    return [{**_kept(last, "model", "created_at"), "message": message, "done": True, "done_reason": "stop"}]


def _ollama_generate_ends(text: str, last: Body) -> list[Body | str]:
    return [{**_kept(last, "model", "created_at"), "response": text, "done": True, "done_reason": "stop"}]


def _llama_ends(text: str, last: Body) -> list[Body | str]:
    return [{**_kept(last, "index", "model"), "content": text, "stop": True, "stop_type": "eos"}]


def _messages_end(text: str, last: Body) -> list[Body | str]:
    delta = {"type": "content_block_delta", "index": last.get("index", 0), "delta": {"type": "text_delta", "text": text}}
    return [delta, {"type": "message_delta", "delta": {"stop_reason": "refusal"}}, {"type": "message_stop"}]


def _nothing(text: str, last: Body) -> list[Body | str]:
    del text, last
    return []


ENDINGS: Final[tuple[tuple[str, Callable[[str, Body], list[Body | str]]], ...]] = (
    ("choices", lambda text, last: (_completion_ends if _is_completion(last) else _chat_ends)(text, last)),
    ("message", _ollama_chat_ends),
    ("sequence_number", _response_ends),
    ("type", lambda text, last: (_response_ends if str(last["type"]).startswith("response.") else _messages_end)(text, last)),
    ("content", _llama_ends),
    ("response", _ollama_generate_ends),
)


def _is_completion(last: Body) -> bool:
    choices = last["choices"]
    return bool(choices) and isinstance(choices, list) and isinstance(choices[0], dict) and "text" in choices[0]


# --- the table -------------------------------------------------------------------------------------------------------

_CALLS = "tool_calls.*.function"
_SAID = "content content.*.text reasoning_content reasoning refusal audio.transcript"


def _under(prefix: str, paths: str) -> str:
    return " ".join(f"{prefix}.{p}" for p in paths.split())


ANSWER: Final = tree(
    text=f"{_under('choices.*.delta', _SAID)} {_under('choices.*.message', _SAID)} choices.*.text "  # OpenAI
    "delta output.*.content.*.text output.*.content.*.refusal output.*.summary.*.text "  # OpenAI's responses
    "message.content message.thinking response thinking "  # Ollama
    "content "  # llama.cpp
    "content.*.text content.*.thinking delta.text delta.thinking",  # Anthropic
    tool=f"choices.*.delta.{_CALLS}.arguments choices.*.message.{_CALLS}.arguments "
    "choices.*.delta.function_call.arguments choices.*.message.function_call.arguments output.*.arguments "
    f"message.{_CALLS}.arguments.** content.*.input.** delta.partial_json",
    name=f"choices.*.delta.{_CALLS}.name choices.*.message.{_CALLS}.name output.*.name item.name message.{_CALLS}.name "
    "content.*.name content_block.name",
    copy="text arguments refusal part.text item.content.*.text item.summary.*.text item.arguments "
    "response.output.*.content.*.text response.output.*.summary.*.text response.output.*.arguments",
)
PROMPT: Final = tree(
    text="messages.*.content messages.*.content.*.text messages.*.content.*.content messages.*.tool_calls.*.function.arguments "
    "system system.*.text instructions prompt prompt.* suffix content "
    "input input.* input.*.content input.*.content.*.text input.*.output input.*.arguments "
    "input_prefix input_suffix input_extra.*.text"
)

CHAT: Final = Api(operation="chat", ends=_chat_ends)
COMPLETION: Final = Api(operation="text_completion", ends=_completion_ends)
EMBEDDING: Final = Api(operation="embeddings", ends=_nothing)
LLAMA: Final = Api(operation="text_completion", ends=_llama_ends)

APIS: Final = {
    "chat/completions": CHAT,
    "completions": COMPLETION,
    "responses": Api(operation="chat", ends=_response_ends),
    "embeddings": EMBEDDING,
    "messages": Api(operation="chat", ends=_messages_end),
    "invocations": CHAT,  # vLLM, as SageMaker calls it
    "api/chat": Api(operation="chat", ends=_ollama_chat_ends),
    "api/generate": Api(operation="text_completion", ends=_ollama_generate_ends),
    "api/embed": EMBEDDING,
    "api/embeddings": EMBEDDING,
    "completion": LLAMA,
    "infill": LLAMA,
    "embedding": EMBEDDING,
}
# Answers that hold nothing but numbers, names of models, or what the caller sent.
WORDLESS: Final = {
    b"GET": frozenset(("", "models", "api/tags", "api/ps", "api/version", "version", "health", "ping", "load", "metrics")),
    b"POST": frozenset(
        (
            "tokenize",
            "detokenize",
            "apply-template",
            "messages/count_tokens",
            "rerank",
            "reranking",
            "score",
            "classify",
            "pooling",
        )
    ),
}


# What changes a model server, shows other people's prompts, or tells what it is doing: for its operator alone.
ADMINISTRATION: Final = frozenset(
    (
        *("api/pull", "api/push", "api/create", "api/copy", "api/delete", "api/blobs"),  # Ollama
        *("slots", "metrics", "lora-adapters", "models/load", "models/unload"),  # llama.cpp
        *("load_lora_adapter", "unload_lora_adapter", "sleep", "wake_up", "collective_rpc", "server_info"),  # vLLM
        *("reset_prefix_cache", "reset_mm_cache", "reset_encoder_cache", "start_profile", "stop_profile"),
        *("update_weights", "init_weight_transfer_engine", "scale_elastic_ep", "abort_requests", "pause", "resume", "shutdown"),
    )
)


def administrative(method: bytes, path: str) -> bool:
    """Whether this is for a model server's operator alone, below whatever prefix."""
    steps = _steps(path)
    ends = {"/".join(part) for part in (steps[-1:], steps[-2:], steps[-2:-1], steps[-3:-1])}  # also with a name behind it
    return method != b"OPTIONS" and (not ADMINISTRATION.isdisjoint(ends) or (method != b"GET" and steps[-1:] == ["props"]))


def _steps(path: str) -> list[str]:
    """The parts of a path as a server would take it, without a leading `v1`."""
    steps: list[str] = []
    for part in unquote(path).lower().split("/"):
        if part == "..":
            del steps[-1:]
        elif part not in ("", "."):
            steps.append(part)
    return steps[1:] if steps[:1] == ["v1"] else steps


def api_of(path: str) -> Api | None:
    """The interface behind a request's path (no query), below whatever prefix; None for what is not a model's answer."""
    steps = _steps(path)
    return APIS.get("/".join(steps[-2:])) or APIS.get("/".join(steps[-1:]))


def wordless(method: bytes, path: str) -> bool:
    """Whether no answer to this can hold what a model wrote, or what a server keeps of other requests."""
    return method in (b"HEAD", b"OPTIONS") or "/".join(_steps(path)) in WORDLESS.get(method, ())


@dataclass(slots=True)
class Facts:
    """What a model server tells of an answer besides its text. Tokens are counted by its own tokenizer."""

    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish: str | None = None

    def note(self, body: Any) -> None:
        """Take what one message tells; the last word stands."""
        if not isinstance(body, dict):
            return
        for told in (body, body.get("response"), body.get("message")):
            if isinstance(told, dict) and not TELLING.isdisjoint(told):
                self.model = _first(told, str, ("model",)) or self.model
                usage = told["usage"] if isinstance(told.get("usage"), dict) else told
                self.prompt_tokens = _first(usage, int, PROMPT_TOKENS) or self.prompt_tokens
                self.completion_tokens = _first(usage, int, COMPLETION_TOKENS) or self.completion_tokens
                self.finish = _first(told, str, FINISH) or self.finish
        choices = body.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and isinstance(choice.get("finish_reason"), str):
                self.finish = choice["finish_reason"]
        if self.model is None and isinstance(body.get("model"), str):
            self.model = body["model"]


PROMPT_TOKENS: Final = ("prompt_tokens", "input_tokens", "prompt_eval_count", "tokens_evaluated")
COMPLETION_TOKENS: Final = ("completion_tokens", "output_tokens", "eval_count", "tokens_predicted")
FINISH: Final = ("done_reason", "stop_type", "stop_reason")
TELLING: Final = frozenset((*PROMPT_TOKENS, *COMPLETION_TOKENS, *FINISH, "usage"))


def _first(told: dict[str, Any], kind: type, names: tuple[str, ...]) -> Any:
    return next((told[n] for n in names if isinstance(told.get(n), kind)), None)


def prompt_text(path: str, body: Any) -> str | None:
    """What a request gives the model to read, one part a line; None when the path or the body is not of a known shape."""
    if api_of(path) is None or not isinstance(body, dict):
        return None
    return "\n".join(s.text for s in slots(body, PROMPT))


def request_model(body: Any) -> str | None:
    """None also when a server that does not tell `model` from `Model`, as Ollama, could read another name than others."""
    if not isinstance(body, dict):
        return None
    named = [v for k, v in body.items() if k.casefold() == "model"]
    return named[0] if len(named) == 1 and isinstance(named[0], str) else None
