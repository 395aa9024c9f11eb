"""Pairing a gateway with core (docs/spec/wire.md, section 2)."""

import base64
from urllib.parse import urlsplit

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.gateway.link import bounded
from checkvalve.gateway.settings import Credentials, GatewayError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def split_code(typed: str) -> tuple[str, str]:
    """(code, core's URL) of `K7QM-2XPD-9FHR@host:port`; http for a loopback host, else https."""
    code, at, address = typed.strip().partition("@")
    if not at or not code or not address:
        raise GatewayError("that is not a pairing code", "It looks like K7QM-2XPD-9FHR@127.0.0.1:8470")
    if "://" not in address:
        host = urlsplit(f"//{address}").hostname
        address = f"{'http' if host in LOOPBACK else 'https'}://{address}"
    return code, address.rstrip("/")


async def pair(typed: str, name: str, version: str) -> tuple[str, Credentials]:
    """Core's URL and the credentials to keep."""
    code, core = split_code(typed)
    key = Ed25519PrivateKey.generate()
    body = {
        "code": code,
        "kind": "gateway",
        "name": name,
        "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        "versions": {"checkvalve": version},
    }
    try:
        async with aiohttp.ClientSession() as session, session.post(f"{core}/v1/pair", json=body) as answer:
            data = msgspec.json.decode(await bounded(answer, 65536))
            if answer.status != 200:
                raise GatewayError(f"core refused: {data.get('error')}", str(data.get("hint")))
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
        raise GatewayError(f"core at {core} does not answer as core", "Check the address in the code") from error
    return core, Credentials(
        keyid=data["keyid"],
        private_key=base64.b64encode(key.private_bytes_raw()).decode(),
        core_public_key=data["core_public_key"],
        next_sequence=data.get("next_sequence", 1),
    )
