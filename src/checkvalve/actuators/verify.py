"""Seeing for ourselves that a way out is closed: ask it as a visitor would."""

from typing import Final

import aiohttp

from checkvalve.actuators.http import Answer, ShopError, request, route_url
from checkvalve.actuators.wordpress import Shop

METHODS: Final = ("POST", "GET")
GONE: Final = (404, 503)
BLOCKED: Final = "checkvalve_blocked"  # code of the plugin's own 403


async def route_is_closed(session: aiohttp.ClientSession, shop: Shop, route: str) -> tuple[bool, str]:
    """(closed, what was seen). The question asked says nothing and names nobody.

    Both methods are tried: a route that takes only one of them answers 404 to the other. A 401 or 403 that is not ours
    proves nothing: the route may only have missed a nonce or a log-in that a visitor has.
    """
    seen = []
    for method in METHODS:
        question = {"question": "hello"} if method == "POST" else None
        try:
            answer = await request(session, method, route_url(shop.rest_url, route), json=question, seconds=15)
        except ShopError as error:
            return False, f"{method}: the shop {error}"
        seen.append(f"{method} was answered {answer.status}")
        if answer.status not in GONE and not _ours(answer):
            return False, ", ".join(seen)
    return True, ", ".join(seen)


def _ours(answer: Answer) -> bool:
    try:
        body = answer.json()
    except ShopError:
        return False
    return answer.status == 403 and isinstance(body, dict) and body.get("code") == BLOCKED
