"""The hand in the shop: pushes orders to the plugin and asks it to empty its outbox (docs/spec/wire.md, section 9)."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.actuators.http import ShopError, request, route_url
from checkvalve.events import jws, signature

REPLAY_TYP: Final = "checkvalve-replay+jws"
REPLAY_PASS_S: Final = 60
REPLAYS: Final = 10  # kept calls played after one sync
REPLAY_SECONDS: Final = 5.0  # for all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    site: str
    rest_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What the plugin answered: (status, detail) by order id, the depth of its outbox, and calls for plugins that are back."""

    applied: dict[str, tuple[str, str]]
    pending: int
    kept: tuple[int, ...] = ()


class WordPressHand:
    """`now_s` and `nonce` give the time and randomness of a signature."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        key: Ed25519PrivateKey,
        now_s: Callable[[], int],
        nonce: Callable[[], str],
    ) -> None:
        self._session, self._key, self._now_s, self._nonce = session, key, now_s, nonce

    async def sync(self, shop: Shop, orders: list[str], seconds: float = 10) -> Synced:
        body = msgspec.json.encode({"site": shop.site, "orders": orders})
        headers = {"content-digest": signature.content_digest(body), "checkvalve-site": shop.site}
        message = signature.Message(method="POST", path="", headers=headers)
        headers |= signature.sign(
            message,
            signature.POST_TO_PLUGIN,
            key=self._key,
            keyid="core",
            created=self._now_s(),
            nonce=self._nonce(),
        )
        url = route_url(shop.rest_url, "checkvalve/v1/sync")
        answer = await request(self._session, "POST", url, headers=headers, body=body, seconds=seconds)
        if answer.status != 200:
            raise ShopError(f"answered {answer.status}{_code(answer.body)}", permanent=answer.status in (401, 403, 404))
        synced = _synced(answer.json())
        await self._replay(shop, synced.kept[:REPLAYS])
        return synced

    async def _replay(self, shop: Shop, kept: tuple[int, ...]) -> None:
        """Have calls that came for an isolated plugin played to it (docs/spec/wire.md, section 9). What does not get through
        stays kept; the next sync tells of it again."""
        url = route_url(shop.rest_url, "checkvalve/v1/probe")
        with contextlib.suppress(ShopError, TimeoutError):
            async with asyncio.timeout(REPLAY_SECONDS):
                for number in kept:
                    payload = {"aud": shop.site, "kept": number, "exp": self._now_s() + REPLAY_PASS_S}
                    token = jws.sign(payload, typ=REPLAY_TYP, kid="core", key=self._key)
                    await request(self._session, "GET", url, headers={"Checkvalve-Replay": token}, seconds=REPLAY_SECONDS)


def _synced(body: Any) -> Synced:
    if not isinstance(body, dict) or not isinstance(body.get("applied"), list):
        raise ShopError("answered in another form than agreed", permanent=True)
    applied = {
        str(item["jti"]): (str(item.get("status")), str(item.get("detail", ""))[:300])
        for item in body["applied"]
        if isinstance(item, dict) and "jti" in item
    }
    outbox = body.get("outbox")
    pending = outbox.get("pending") if isinstance(outbox, dict) else 0
    kept = body.get("kept")
    numbers = tuple(n for n in kept if type(n) is int) if isinstance(kept, list) else ()
    return Synced(applied=applied, pending=pending if isinstance(pending, int) else 0, kept=numbers)


def _code(body: bytes) -> str:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    code = found.get("error") or found.get("code") if isinstance(found, dict) else None
    return f" ({str(code)[:60]})" if code else ""
