"""The same notification as HTML, PDF and JSON. Values reach Typst as data, never as markup, so that none can inject any."""

from functools import cache
from importlib.resources import files

import jinja2
import msgspec
import typst

from checkvalve.notifications.notification import Notification
from checkvalve.regimes.deadline import parse_time

MAX_ENTRIES = 12


def _text(name: str) -> str:
    return files("checkvalve.content.letters").joinpath(name).read_text("utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["entries"] = entries_text
    return environment.from_string(_text("art33.html"))


def entries_text(entries: tuple[int, ...]) -> str:
    """The first log entry numbers, and how many more there are: the JSON form has them all."""
    numbers = [str(n) for n in entries[:MAX_ENTRIES]]
    more = len(entries) - len(numbers)
    if not numbers:
        return ""
    return ("log entry " if len(entries) == 1 else "log entries ") + ", ".join(numbers) + (f" and {more} more" if more else "")


def render_json(notification: Notification) -> bytes:
    return msgspec.json.format(msgspec.json.encode(notification.as_json()), indent=2)


def render_html(notification: Notification) -> str:
    return _template().render(n=notification)


def render_pdf(notification: Notification) -> bytes:
    body = notification.as_json()
    for group in ("fields", "background"):
        for line in body[group]:
            line["source"] = "; ".join(s for s in (line["provenance"], entries_text(tuple(line["entries"]))) if s)
    pdf = typst.compile(  # type: ignore[type-var] # its stub gives one type variable to two parameters
        _text("art33.typ").encode(),
        root=str(files("checkvalve.content.letters")),
        timestamp=int(parse_time(notification.created_utc).timestamp()),
        sys_inputs={"notification": msgspec.json.encode(body).decode()},
    )
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave no PDF")
    return pdf
