"""Templates into answers."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from checkvalve.web.console import times, words
from checkvalve.web.console.language import gettext, ngettext_plain, spoken

# Characters that turn the direction of what follows: with them a plugin's name can pass for another.
TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _plain(value: Any) -> Any:
    """Names come from shops that may be hostile; a translated sentence is markup that holds them."""
    if not isinstance(value, str) or TURNING.search(value) is None:
        return value
    plain = TURNING.sub("\ufffd", value)
    return Markup(plain) if isinstance(value, Markup) else plain  # noqa: S704 # was markup before


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("checkvalve.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(gettext, ngettext_plain, newstyle=True)  # type: ignore[attr-defined] # of the extension
    environment.globals |= {"words": words, "spoken": spoken}
    environment.filters |= {
        "utc": times.utc,
        "utc_ms": times.utc_ms,
        "iso": times.iso,
        "span": times.span,
        "count": words.count,
        "category": words.category,
        "short": words.short,
        "euros": words.euros,
        "title": words.title,
        "hand": words.hand,
        "named": words.name,
        "flag": words.flag,
        "role": words.role,
    }
    return environment


def page(template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any) -> Response:
    context.setdefault("user", None)
    return HTMLResponse(_templates().get_template(template).render(context), status_code=status, headers=headers)
