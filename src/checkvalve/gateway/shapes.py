"""The HTTP interfaces of model servers as one table: where a request holds its prompt, and an answer its text.

Paths are dotted; `*` is every item of a list, `**` every string below. Names are those of the servers' documentation: OpenAI
(also llama.cpp, vLLM, Ollama under /v1), Ollama under /api, llama.cpp's own, Anthropic's messages as llama.cpp serves them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import unquote

Kind = Literal["text", "tool", "name", "copy"]
Place = tuple[Any, ...]
Body = dict[str, Any]

INDEXES: Final = ("index", "output_index", "content_index", "summary_index")  # where an event of OpenAI or Anthropic belongs
TOOLS: Final = frozenset(("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"))


@dataclass(slots=True)
class Node:
    """A place in a body: what a string there is, and what is below it by key, `*` or `**`."""

    kind: Kind | None = None
    below: "dict[str, Node]" = field(default_factory=dict)


@dataclass(slots=True)
class Slot:
    """One string in a decoded body: `holder[key]`. Strings of one `place` continue each other, save copies.

    text: part of the answer; tool: arguments of a tool call; name: of the tool called; copy: what was sent before, whole.
    """

    holder: Any
    key: Any
    place: Place
    kind: Kind

    @property
    def text(self) -> str:
        text: str = self.holder[self.key]
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """`ending` makes the last messages of a stream that is ended early; it is given the text and the last message seen."""

    operation: str  # gen_ai.operation.name of OpenTelemetry
    prompt: Node
    answer: Node
    ending: Callable[[str, Body], list[Body | str]]


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


def slots(body: Any, root: Node) -> list[Slot]:
    """Every non-empty string of a body that the tree names."""
    found: list[Slot] = []
    place = tuple([body.get(n) for n in INDEXES]) if isinstance(body, dict) and "type" in body else ()
    _walk(body, root, None, None, place, found)
    return found


def _walk(value: Any, node: Node, holder: Any, key: Any, place: Place, found: list[Slot]) -> None:
    if isinstance(value, str):
        if node.kind is not None:
            found.append(Slot(holder, key, place, node.kind))
    elif "**" in node.below and isinstance(value, dict | list):
        for k in value if isinstance(value, dict) else range(len(value)):
            _walk(value[k], node.below["**"], value, k, (*place, k), found)
    elif isinstance(value, dict):
        below = node.below
        for k, inside in value.items():
            if inside and k in below:
                _walk(inside, below[k], value, k, (*place, k), found)
    elif isinstance(value, list) and "*" in node.below:
        for i, item in enumerate(value):
            number = item.get("index", i) if isinstance(item, dict) else i
            _walk(item, node.below["*"], value, i, (*place, number if isinstance(number, int) else i), found)


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


# --- the table -------------------------------------------------------------------------------------------------------

_CALLS = "tool_calls.*.function"
_SAID = "content content.*.text reasoning_content reasoning refusal"


def _under(prefix: str, paths: str) -> str:
    return " ".join(f"{prefix}.{p}" for p in paths.split())


CHAT = Api(
    operation="chat",
    prompt=tree(text="messages.*.content messages.*.content.*.text messages.*.tool_calls.*.function.arguments"),
    answer=tree(
        text=f"{_under('choices.*.delta', _SAID)} {_under('choices.*.message', _SAID)}",
        tool=f"choices.*.delta.{_CALLS}.arguments choices.*.message.{_CALLS}.arguments "
        "choices.*.delta.function_call.arguments choices.*.message.function_call.arguments",
        name=f"choices.*.delta.{_CALLS}.name choices.*.message.{_CALLS}.name",
    ),
    ending=_chat_ends,
)
COMPLETION = Api(
    operation="text_completion",
    prompt=tree(text="prompt suffix prompt.*"),
    answer=tree(text="choices.*.text"),
    ending=_completion_ends,
)
RESPONSES = Api(
    operation="chat",
    prompt=tree(text="instructions input input.*.content input.*.content.*.text input.*.output input.*.arguments"),
    answer=tree(
        text="delta output.*.content.*.text output.*.content.*.refusal output.*.summary.*.text",
        tool="output.*.arguments",
        name="output.*.name item.name",
        copy="text arguments refusal part.text item.content.*.text item.summary.*.text item.arguments "
        "response.output.*.content.*.text response.output.*.summary.*.text response.output.*.arguments",
    ),
    ending=_response_ends,
)
EMBEDDING = Api(operation="embeddings", prompt=tree(text="input input.* content prompt"), answer=tree(), ending=_nothing)
OLLAMA_CHAT = Api(
    operation="chat",
    prompt=tree(text="messages.*.content"),
    answer=tree(
        text="message.content message.thinking", tool="message." + _CALLS + ".arguments.**", name=f"message.{_CALLS}.name"
    ),
    ending=_ollama_chat_ends,
)
OLLAMA_GENERATE = Api(
    operation="text_completion",
    prompt=tree(text="system prompt suffix"),
    answer=tree(text="response thinking"),
    ending=_ollama_generate_ends,
)
LLAMA = Api(
    operation="text_completion",
    prompt=tree(text="prompt prompt.* input_prefix input_suffix input_extra.*.text"),
    answer=tree(text="content"),
    ending=_llama_ends,
)
MESSAGES = Api(
    operation="chat",
    prompt=tree(text="system system.*.text messages.*.content messages.*.content.*.text messages.*.content.*.content"),
    answer=tree(
        text="content.*.text content.*.thinking delta.text delta.thinking",
        tool="content.*.input.** delta.partial_json",
        name="content.*.name content_block.name",
    ),
    ending=_messages_end,
)

APIS: Final = {
    "chat/completions": CHAT,
    "completions": COMPLETION,
    "responses": RESPONSES,
    "embeddings": EMBEDDING,
    "messages": MESSAGES,
    "api/chat": OLLAMA_CHAT,
    "api/generate": OLLAMA_GENERATE,
    "api/embed": EMBEDDING,
    "api/embeddings": EMBEDDING,
    "completion": LLAMA,
    "infill": LLAMA,
    "embedding": EMBEDDING,
}


def api_of(path: str) -> Api | None:
    """The interface behind a request's path (no query), however it is written; None for what is not a model's answer."""
    parts = [p for p in unquote(path).lower().split("/") if p and p != "."]
    if parts[:1] == ["v1"]:
        parts = parts[1:]
    return APIS.get("/".join(parts))


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
    api = api_of(path)
    if api is None or not isinstance(body, dict):
        return None
    return "\n".join(s.text for s in slots(body, api.prompt))


def request_model(body: Any) -> str | None:
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) else None
