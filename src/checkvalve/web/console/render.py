"""Templates into answers."""

from functools import cache
from typing import Any

import jinja2
from starlette.responses import HTMLResponse, Response

from checkvalve.web.console import times, words


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("checkvalve.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "utc": times.utc,
        "utc_ms": times.utc_ms,
        "iso": times.iso,
        "span": times.span,
        "count": words.count,
        "category": words.category,
        "short": words.short,
    }
    return environment


def page(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **context: Any) -> Response:
    context.setdefault("user", None)
    return HTMLResponse(_templates().get_template(template).render(context), status_code=status, headers=headers)
