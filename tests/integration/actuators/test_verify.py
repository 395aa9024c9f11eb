"""A way out counts as closed only when a visitor cannot get through by either method, on the shop's own word."""

import aiohttp
import pytest
from aiohttp import web
from tests.integration.actuators.fake_shop import FakeShop, says

from checkvalve.actuators.verify import route_is_closed
from checkvalve.actuators.wordpress import Shop

ROUTE = "/shop-assistant/v1/ask"
BLOCKED = b'{"code": "checkvalve_blocked", "message": "closed", "data": {"status": 403}}'


async def test_our_refusal_is_closed(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.bend[ROUTE] = says(BLOCKED, status=403)
    assert await route_is_closed(session, fake.shop, ROUTE) == (True, "POST was answered 403, GET was answered 403")


async def test_a_route_that_is_gone_is_closed(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    assert (await route_is_closed(session, fake.shop, ROUTE))[0]
    assert (await route_is_closed(session, fake.plain, ROUTE))[0]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_route_open_to_one_method_is_open(fake: FakeShop, session: aiohttp.ClientSession, method: str) -> None:
    async def only(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=200 if request.method == method else 404)

    fake.bend[ROUTE] = only
    closed, seen = await route_is_closed(session, fake.shop, ROUTE)
    assert not closed
    assert f"{method} was answered 200" in seen


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, BLOCKED),
        (400, b'{"code": "rest_missing_callback_param"}'),
        (401, b'{"code": "rest_forbidden"}'),
        (403, b'{"code": "rest_cookie_invalid_nonce"}'),
        (403, b"<html>forbidden"),
        (403, b'["checkvalve_blocked"]'),
        (500, b""),
        (302, b""),
    ],
)
async def test_anything_else_is_not_known_to_be_closed(
    fake: FakeShop, session: aiohttp.ClientSession, status: int, body: bytes
) -> None:
    fake.bend[ROUTE] = says(body, status=status, Location="/elsewhere")
    closed, seen = await route_is_closed(session, fake.shop, ROUTE)
    assert not closed
    assert str(status) in seen


async def test_a_shop_that_is_gone_is_not_known_to_be_closed(session: aiohttp.ClientSession, nobody: Shop) -> None:
    closed, seen = await route_is_closed(session, nobody, ROUTE)
    assert not closed
    assert "cannot be reached" in seen


async def test_the_question_names_nobody(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.bend[ROUTE] = says(BLOCKED, status=403)
    await route_is_closed(session, fake.shop, ROUTE)
    assert [body for _, _, _, body in fake.asked(ROUTE)] == [b'{"question":"hello"}', b""]
