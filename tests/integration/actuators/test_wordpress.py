"""Pushing orders: signed as the wire says, and every bad answer is one clear failure."""

import hashlib

import aiohttp
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.actuators.fake_shop import FakeShop, cut, endless, says, slow

from checkvalve.actuators.http import ShopError
from checkvalve.actuators.wordpress import Shop, Synced, WordPressHand
from checkvalve.events import signature

SYNC = "/checkvalve/v1/sync"
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the core of these tests").digest())


async def sync(session: aiohttp.ClientSession, shop: Shop, seconds: float = 5) -> Synced:
    hand = WordPressHand(session, KEY, lambda: 1_790_000_000, lambda: "nonce-of-this-test")
    return await hand.sync(shop, ["a.b.c"], seconds)


async def test_an_order_arrives_signed_by_core(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.applied = [{"jti": "ord-1", "status": "done", "detail": ""}]
    assert await sync(session, fake.shop) == Synced(applied={"ord-1": ("done", "")}, pending=3)
    method, _, headers, body = fake.asked(SYNC)[0]
    assert msgspec.json.decode(body) == {"site": "s-test", "orders": ["a.b.c"]}
    signature.check_digest(headers["content-digest"], body)
    message = signature.Message(method=method, path="", headers=headers)
    given = signature.parse_input(headers)
    signature.verify(message, given, signature.POST_TO_PLUGIN, KEY.public_key().public_bytes_raw())
    assert (given.keyid, given.created) == ("core", 1_790_000_000)
    assert headers["checkvalve-site"] == "s-test"


async def test_a_shop_without_pretty_addresses_gets_its_orders_too(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    await sync(session, fake.plain)
    assert len(fake.asked(SYNC)) == 1


@pytest.mark.parametrize(
    ("status", "permanent"), [(301, False), (401, True), (403, True), (404, True), (429, False), (500, False), (503, False)]
)
async def test_a_refusal_says_whether_to_try_again(
    fake: FakeShop, session: aiohttp.ClientSession, status: int, permanent: bool
) -> None:
    fake.bend[SYNC] = says(b'{"error": "bad_signature"}', status=status, Location=f"{fake.origin}/wp-json/elsewhere")
    with pytest.raises(ShopError, match=rf"answered {status} \(bad_signature\)") as caught:
        await sync(session, fake.shop)
    assert caught.value.permanent is permanent
    assert not fake.asked("/elsewhere")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"[]", b"{}", b'{"applied": {}}', b'{"applied": null}', b"\xff", b"[" * 50_000],
    ids=lambda b: repr(b[:12]),
)
async def test_a_200_that_is_no_answer_is_a_failure(fake: FakeShop, session: aiohttp.ClientSession, body: bytes) -> None:
    fake.bend[SYNC] = says(body)
    with pytest.raises(ShopError):
        await sync(session, fake.shop)


async def test_nonsense_among_the_answers_does_not_hide_the_good_ones(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.applied = [None, 7, {}, {"jti": ["x"], "status": {}}, {"jti": "ord-1", "status": "done", "detail": "x" * 9000}]
    synced = await sync(session, fake.shop)
    assert synced.applied["ord-1"] == ("done", "x" * 300)


async def test_a_shop_that_cannot_be_had_may_be_tried_again(
    fake: FakeShop, session: aiohttp.ClientSession, nobody: Shop
) -> None:
    for bend in (cut, endless, slow):
        fake.bend[SYNC] = bend
        with pytest.raises(ShopError) as caught:
            await sync(session, fake.shop, seconds=1)
        assert not caught.value.permanent
    with pytest.raises(ShopError, match="cannot be reached") as caught:
        await sync(session, nobody)
    assert not caught.value.permanent
