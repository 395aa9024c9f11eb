import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.integration.actuators.fake_shop import FakeShop

from checkvalve.actuators.wordpress import Shop


@pytest.fixture
async def fake() -> AsyncIterator[FakeShop]:
    shop = FakeShop()
    await shop.start()
    yield shop
    await shop.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def nobody() -> Shop:
    """A shop at an address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return Shop(site="s-test", rest_url=f"http://127.0.0.1:{port}/wp-json/")
