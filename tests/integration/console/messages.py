"""Every text of the console that wants a translation: what the source marks with gettext's names, what the templates say."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jinja2

import checkvalve.web
from checkvalve.playbooks.loader import names, shipped

WEB = Path(checkvalve.web.__file__).parent
MARKED = {"_", "N_", "gettext", "ngettext"}
OWN_SERVER = "exercise"  # the room of an exercise is a server of its own, in the language of its scenario

Text = tuple[str, str | None]  # and its plural


def texts() -> set[Text]:
    return {*_of_source(), *_of_templates()}


def templates() -> list[Path]:
    return sorted(p for p in (WEB / "templates").glob("*.html") if not p.name.startswith(OWN_SERVER))


def playbook_texts() -> set[str]:
    """Names and descriptions of the shipped playbooks and their steps, and what most of them ask a person to do."""
    books = [shipped(name) for name in names()]
    steps = {s.name for book in books for s in book.steps.values() if s.type not in ("start", "end")}
    asked = Counter(c["command"] for book in books for s in book.steps.values() for c in s.commands if c["type"] == "manual")
    often = {text for text, times in asked.items() if times > len(books) / 2}
    return steps | often | {text for book in books for text in (book.name, book.description)} - {""}


def _of_source() -> Iterator[Text]:
    for path in [*(WEB / "console").glob("*.py"), WEB / "acknowledge.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKED:
                said = [a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                if said:
                    yield said[0], said[1] if node.func.id == "ngettext" else None


def _of_templates() -> Iterator[Text]:
    environment = jinja2.Environment(extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True)
    environment.policies["ext.i18n.trimmed"] = True
    for path in templates():
        for _line, _function, said in environment.extract_translations(path.read_text("utf-8")):  # type: ignore[attr-defined]
            if said is None:  # a variable, whose text is marked where it stands
                continue
            one, many, *_rest = (*said, None) if isinstance(said, tuple) else (said, None)
            yield str(one), many
