"""Talking to a shop that may be broken, slow or hostile: bounded reads, no redirects, failures as values."""

from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

MAX_ANSWER: Final = 1024 * 1024


class ShopError(Exception):
    """The shop did not answer as it should; the text goes on from "the shop". `permanent` False: trying again may help."""

    def __init__(self, what: str, *, permanent: bool = False) -> None:
        super().__init__(what)
        self.permanent = permanent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON; some shops print warnings before it, which is an error here as it is for a browser."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ShopError(f"answered {self.status} with something that is not JSON") from error


async def request(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    json: Any = None,
    body: bytes | None = None,
    seconds: float = 10,
) -> Answer:
    """One request; ShopError when there is no whole answer within the time."""
    timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(5, seconds))
    sent = dict(headers or {})
    if json is not None:
        body = msgspec.json.encode(json)
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
    try:
        async with session.request(
            method, URL(url, encoded=True), headers=sent, data=body, timeout=timeout, allow_redirects=False
        ) as answer:
            parts: list[bytes] = []
            size = 0
            async for part in answer.content.iter_any():
                size += len(part)
                if size > MAX_ANSWER:
                    raise ShopError("answered with more than 1 MiB")
                parts.append(part)
            lower = {k.lower(): v for k, v in answer.headers.items()}
            return Answer(status=answer.status, headers=lower, body=b"".join(parts))
    except TimeoutError as error:
        raise ShopError(f"did not answer within {seconds:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: an address or header that is none
        raise ShopError(f"cannot be reached ({type(error).__name__})") from error


def route_url(rest_url: str, route: str) -> str:
    """The URL of a REST route under a `rest_url` of either form (`/wp-json/` or `/?rest_route=/`)."""
    if "?" in rest_url:
        path, _, query = route.lstrip("/").partition("?")
        return rest_url.rstrip("/") + "/" + path + (f"&{query}" if query else "")
    return rest_url.rstrip("/") + "/" + route.lstrip("/")
