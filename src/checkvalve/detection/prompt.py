"""What a request gives a model to read, parted by who speaks: the shop, its documents, the person.

Read leniently from every shape of wire.md, section 7: nothing here decides whether a request is well-formed. Documents are
what a server is handed as such, what tools answer, and what stands in a system prompt between tags as prompt builders
write them (`<document visibility="internal"> … </document>`).
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

Visibility = Literal["public", "internal"]

SHOP: Final = frozenset(("system", "developer"))
TOOLS: Final = frozenset(("tool", "function"))
DOCUMENTS: Final = frozenset(("tool_result", "document", "search_result", "function_call_output", "file_search_call"))
MARKS: Final = ("visibility", "access")  # of a document, or in its metadata
INTERNAL: Final = frozenset(("internal", "private", "confidential", "restricted"))
DEEPEST: Final = 8
MAX_DOCUMENTS: Final = 50
_TEXTS: Final = ("text", "content", "output", "data", "source", "title", "results", "arguments")
_TAG: Final = re.compile(r"<(/?)(documents?|context|product|retrieved|source|page)\b([^<>]{0,200})>", re.IGNORECASE)
_MARK: Final = re.compile(rf"(?:{'|'.join(MARKS)})\s*=\s*[\"']?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    text: str
    visibility: Visibility = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """`system` is the shop's own instructions, without the documents in it; `said` what the person wrote, newest last."""

    system: str = ""
    documents: tuple[Document, ...] = ()
    said: tuple[str, ...] = ()


NO_PROMPT: Final = Prompt()


def read(body: Any) -> Prompt:
    """A decoded request body. What is not understood is left out."""
    if not isinstance(body, dict):
        return NO_PROMPT
    shop = [*_texts(body.get("system")), *_texts(body.get("instructions"))]
    documents = _documents(body.get("documents"))
    said = [*_texts(body.get("prompt"))]
    for message in (*_items(body.get("messages")), *_items(body.get("input"))):
        role = _name(message, "role")
        if role in SHOP:
            shop += _texts(message.get("content"))
        elif role in TOOLS or _is_document(message):
            documents += _documents([message])
        elif role in (None, "user"):
            parts = _items(message.get("content")) if isinstance(message, dict) else [message]
            documents += _documents([part for part in parts if _is_document(part)])
            said += [text for part in parts if not _is_document(part) for text in _texts(part)]
    system, tagged = _parted("\n".join(shop))
    return Prompt(system=system, documents=tuple([*documents, *tagged][:MAX_DOCUMENTS]), said=tuple(said))


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_document(part: Any) -> bool:
    return _name(part, "type") in DOCUMENTS


def _name(value: Any, key: str) -> str | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _documents(listed: Any) -> list[Document]:
    found = []
    for one in _items(listed)[:MAX_DOCUMENTS]:
        if text := "\n".join(_texts(one)):
            metadata = one.get("metadata") if isinstance(one, dict) else None
            marks = [d.get(m) for d in (one, metadata) if isinstance(d, dict) for m in MARKS]
            found.append(Document(text=text, visibility=_visibility(marks)))
    return found


def _parted(system: str) -> tuple[str, list[Document]]:
    """The shop's words, and the documents between tags in them. What is never closed stays the shop's."""
    kept: list[str] = []
    found: list[Document] = []
    opened: list[re.Match[str]] = []
    at = 0
    for tag in _TAG.finditer(system):
        if not tag[1]:
            opened.append(tag)
        elif opened and opened[-1][2].lower() == tag[2].lower():
            outermost = opened.pop()
            if not opened:
                kept.append(system[at : outermost.start()])
                text = _TAG.sub("\n", system[outermost.end() : tag.start()])
                found.append(Document(text=text, visibility=_visibility(_MARK.findall(outermost[3]))))
                at = tag.end()
    return "\n".join((*kept, system[at:])), found


def _visibility(marks: list[Any]) -> Visibility:
    return "internal" if any(isinstance(m, str) and m.lower() in INTERNAL for m in marks) else "public"


def _texts(value: Any, depth: int = 0) -> list[str]:
    """Every text in a part, whichever of the usual names it goes by."""
    if isinstance(value, str):
        return [value] if value else []
    if depth == DEEPEST:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _texts(item, depth + 1)]
    if isinstance(value, dict):
        return [text for name in _TEXTS if name in value for text in _texts(value[name], depth + 1)]
    return []
