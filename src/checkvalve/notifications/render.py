"""A notification as HTML, PDF, DOCX and JSON. Values reach Typst as data, never as markup, so that none can inject any."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

import jinja2
import msgspec
import typst

from checkvalve.incidents.wording import wording
from checkvalve.notifications.letters import question
from checkvalve.notifications.notification import Notification
from checkvalve.notifications.register import FACTS, Entry
from checkvalve.notifications.view import view
from checkvalve.regimes.deadline import parse_time


def _text(name: str) -> str:
    return files("checkvalve.content.letters").joinpath(name).read_text("utf-8")


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text(name))


def render_register(entries: Sequence[Entry], now: str) -> str:
    """The register as a page that stands alone."""
    questions = {name: question(name, wording("en")) for name in FACTS}
    return _template("register.html").render(entries=entries, questions=questions, now=now)


def render_json(notification: Notification) -> bytes:
    return msgspec.json.format(msgspec.json.encode(notification.as_json()), indent=2)


def render_html(notification: Notification) -> str:
    return _template("notice.html").render(v=view(notification))


def render_pdf(notification: Notification) -> bytes:
    pdf = typst.compile(  # type: ignore[type-var] # its stub gives one type variable to two parameters
        _text("notice.typ").encode(),
        root=str(files("checkvalve.content.letters")),
        timestamp=int(parse_time(notification.created_utc).timestamp()),
        sys_inputs={"view": msgspec.json.encode(view(notification)).decode()},
    )
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave no PDF")
    return pdf


def render_docx(notification: Notification) -> bytes:
    from checkvalve.notifications.word import word_document  # slow to import, and seldom asked for

    return word_document(view(notification), parse_time(notification.created_utc))


FORMATS: Final[Mapping[str, Callable[[Notification], bytes]]] = {
    "json": render_json,
    "html": lambda n: render_html(n).encode(),
    "pdf": render_pdf,
    "docx": render_docx,
}
