"""A sign of life to a watch outside, which pages people when it stops: the watch's address, called with GET."""

import urllib.error
import urllib.request
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 10.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def usable(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def beat(url: str) -> bool:
    """Whether the watch took it. Sends nothing about cases."""
    try:
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(urllib.request.Request(url), timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked by `usable`
            return bool(200 <= answer.status < 300)
    except (OSError, ValueError, urllib.error.URLError):
        return False
