"""Pairing of sensors by a short-lived code (docs/spec/wire.md, section 2)."""

import base64
import binascii
import hashlib
import re
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import delete, insert, select, update

from checkvalve.engine.errors import EngineError
from checkvalve.engine.identity import Identity
from checkvalve.engine.settings import Settings
from checkvalve.store.schema import pairing_codes, sensors, sites
from checkvalve.store.state import State

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_MS = 15 * 60 * 1000
WRONG_WINDOW_MS = 10 * 60 * 1000
MAX_WRONG = 10
KINDS = {"wordpress": "wp", "gateway": "gw", "webserver": "ws"}  # and what their key ids begin with


class PairRequest(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    kind: str
    public_key: str
    name: str = ""
    site_url: str = ""
    rest_url: str = ""
    versions: dict[str, str] = {}


class Pairing:
    def __init__(self, state: State, identity: Identity, settings: Settings, next_sequence: Callable[[str], int]) -> None:
        self._state, self._identity, self._settings = state, identity, settings
        self._next_sequence = next_sequence
        self._wrong: deque[int] = deque(maxlen=MAX_WRONG)

    def new_code(self, by: str, now_ms: int) -> str:
        """A code with the address to reach core at, as a person types it into the shop."""
        raw = "".join(secrets.choice(ALPHABET) for _ in range(12))
        code = "-".join(raw[i : i + 4] for i in (0, 4, 8))
        with self._state.begin() as db:
            db.execute(delete(pairing_codes).where(pairing_codes.c.expires_ms < now_ms))
            db.execute(
                insert(pairing_codes).values(
                    code_hash=_hash(code), created_ms=now_ms, expires_ms=now_ms + CODE_MS, used_ms=None, created_by=by
                )
            )
        url = self._settings.public_url
        parts = urlsplit(url)
        plain = parts.scheme == ("http" if parts.hostname in ("127.0.0.1", "localhost", "::1") else "https")
        return f"{code}@{parts.netloc + parts.path if plain else url}"

    def pair(self, body: bytes, now_ms: int) -> dict[str, Any]:
        """Register a sensor. Returns what it must pin."""
        if len(self._wrong) == MAX_WRONG and now_ms - self._wrong[0] < WRONG_WINDOW_MS:
            raise EngineError("too_many_attempts", "too many wrong codes; wait ten minutes", retry_after=600)
        request, key = _checked(body)
        with self._state.begin() as db:
            used = db.execute(
                update(pairing_codes)
                .where(
                    pairing_codes.c.code_hash == _hash(request.code.strip().upper()),
                    pairing_codes.c.used_ms.is_(None),
                    pairing_codes.c.expires_ms > now_ms,
                )
                .values(used_ms=now_ms)
            )
            if used.rowcount != 1:
                self._wrong.append(now_ms)
                raise EngineError("bad_code", "the code is wrong, used or older than 15 minutes; run: checkvalve pair")
            site, pseudonym_key = None, None
            if request.kind == "wordpress":
                site, pseudonym_key = self._site(db, request, now_ms)
            elif request.kind == "webserver":
                site = _known_site(db, request.site_url)
            keyid = f"{KINDS[request.kind]}.{site or request.name}"
            db.execute(delete(sensors).where(sensors.c.keyid == keyid))
            db.execute(
                insert(sensors).values(
                    keyid=keyid,
                    kind=request.kind,
                    site=site,
                    name=request.name[:200],
                    public_key=key,
                    paired_ms=now_ms,
                    versions=request.versions,
                )
            )
        answer: dict[str, Any] = {
            "keyid": keyid,
            "core_public_key": _b64(self._identity.core_public),
            "next_sequence": self._next_sequence(keyid),
        }
        if site:
            answer["site"] = site
        if pseudonym_key:
            answer |= {
                "pseudonym_key": _b64(pseudonym_key),
                "gateway_url": self._settings.gateway_url,
            }
        return answer

    def _site(self, db: Any, request: PairRequest, now_ms: int) -> tuple[str, bytes]:
        row = db.execute(select(sites).where(sites.c.site_url == request.site_url)).first()
        if row:
            db.execute(
                update(sites)
                .where(sites.c.site == row.site)
                .values(rest_url=request.rest_url, name=request.name[:200] or row.name)
            )
            return row.site, row.pseudonym_key
        site = "s-" + "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(12))
        pseudonym_key = secrets.token_bytes(32)
        db.execute(
            insert(sites).values(
                site=site,
                name=request.name[:200] or request.site_url,
                site_url=request.site_url,
                rest_url=request.rest_url,
                pseudonym_key=pseudonym_key,
                created_ms=now_ms,
            )
        )
        return site, pseudonym_key


def _checked(body: bytes) -> tuple[PairRequest, bytes]:
    try:
        request = msgspec.json.decode(body, type=PairRequest)
        key = base64.b64decode(request.public_key, validate=True)
        Ed25519PublicKey.from_public_bytes(key)
    except (msgspec.DecodeError, binascii.Error, ValueError, RecursionError) as error:
        raise EngineError("bad_request", "not a pairing request as in docs/spec/wire.md, section 2") from error
    if request.kind == "gateway":
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", request.name):
            raise EngineError("bad_request", "a gateway's name has letters, digits and hyphens")
    elif request.kind == "webserver":
        if not _is_http(request.site_url):
            raise EngineError("bad_request", "a hand at the web server names the site_url of its shop")
    elif request.kind != "wordpress" or not all(_is_http(u) for u in (request.site_url, request.rest_url)):
        raise EngineError("bad_request", "kind must be wordpress (with site_url and rest_url), gateway or webserver")
    return request, key


def _known_site(db: Any, url: str) -> str:
    """The shop that a hand beside it is for; it has been paired itself."""
    site = db.scalar(select(sites.c.site).where(sites.c.site_url.in_((url, url.rstrip("/"), url.rstrip("/") + "/"))))
    if site is None:
        raise EngineError("bad_request", "no shop with this site_url is paired; pair its plugin first")
    return str(site)


def _is_http(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and len(url) < 500


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
