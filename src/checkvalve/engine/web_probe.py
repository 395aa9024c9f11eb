"""Whether the shop's own web server gives away what must not be given: asked as a stranger, a few bytes a file.

Only the address that the user named is asked, no redirect is followed, and of what comes back nothing is kept but the status.
"""

import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlsplit

from checkvalve.engine.errors import EngineError
from checkvalve.posture.exposure import is_data
from checkvalve.posture.hygiene import CONFIG_COPY
from checkvalve.posture.types import Deployment, Problem, WebFile

MAX_ASKED: Final = 500
SECONDS: Final = 10.0
AT_ONCE: Final = 4
FEW: Final = 16  # bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def proven(declared: Deployment, address: str) -> Deployment:
    """The deployment with `given` of each file of data below the web root. EngineError when nobody answers there."""
    base = _base(address)
    wanted = [f for f in declared.web_files if is_data(f.url) or CONFIG_COPY.search(f.url)]
    asked, rest = wanted[:MAX_ASKED], wanted[MAX_ASKED:]
    if _status(base, "/") is None:
        raise EngineError("nobody_answers", f"nobody answers at {base}; give the address under which this shop is reached")
    with ThreadPoolExecutor(AT_ONCE) as many:
        statuses = dict(zip((f.url for f in asked), many.map(lambda f: _status(base, f.url), asked), strict=True))
    problems = [*declared.problems, *_unanswered(statuses)]
    if rest:
        problems.append(Problem(file=base, why=f"{len(rest)} more files were not asked for"))
    files = tuple(_answered(f, statuses.get(f.url)) for f in declared.web_files)
    return replace(declared, web_files=files, problems=tuple(problems))


def _base(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise EngineError("bad_address", "give the shop's address as https://shop.example.com")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _status(base: str, url: str) -> int | None:
    """None: no answer at all."""
    headers = {"Range": f"bytes=0-{FEW - 1}", "User-Agent": "Checkvalve posture"}
    request = urllib.request.Request(base + quote(url), headers=headers)  # noqa: S310 - http or https, see _base
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=SECONDS) as answer:
            answer.read(FEW)
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, ValueError):
        return None


def _answered(file: WebFile, status: int | None) -> WebFile:
    """Given is what came; another answer than a refusal (an error, a redirect to a log-in) proves nothing."""
    given = True if status in (200, 206) else False if status in (401, 403, 404, 410) else None
    return replace(file, given=given)


def _unanswered(statuses: dict[str, int | None]) -> Iterable[Problem]:
    return (Problem(file=url, why="the web server gave no answer") for url, status in statuses.items() if status is None)
