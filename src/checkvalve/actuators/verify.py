"""Seeing for ourselves that a way out is closed: ask it as a visitor would."""

from typing import Final

import aiohttp

from checkvalve.actuators.http import ShopError, request, route_url
from checkvalve.actuators.wordpress import Shop

CLOSED: Final = (401, 403, 404, 503)


async def route_is_closed(session: aiohttp.ClientSession, shop: Shop, route: str) -> tuple[bool, str]:
    """(closed, what was seen). The question asked says nothing and names nobody."""
    try:
        answer = await request(session, "POST", route_url(shop.rest_url, route), json={"question": "hello"}, seconds=30)
    except ShopError as error:
        return False, f"the shop {error}"
    return answer.status in CLOSED, f"the route answered {answer.status}"
