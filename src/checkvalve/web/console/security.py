"""What every answer and every request of the console must pass, as plain ASGI wrappers.

Cookies cannot be trusted to prove that a person meant a request: a browser says where a request comes from in Sec-Fetch-Site
and Origin, and a change is accepted from our own pages only. The Host header is checked so that a name an attacker owns
cannot be pointed at this server (DNS rebinding).
"""

import base64
import hashlib
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

CSP = "default-src 'none'; style-src {style}; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
LIVE = {
    "Content-Security-Policy": CSP.format(style="'self'") + "; script-src 'self'; connect-src 'self'"
}  # runs our one script
SECURITY_HEADERS = {
    "Content-Security-Policy": CSP.format(style="'self'"),
    "X-Content-Type-Options": "nosniff",
    # not no-referrer: with it browsers send `Origin: null`, and our own forms could not be told from foreign ones
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def styled(document: str) -> dict[str, str]:
    """Headers for a document that brings its style along, so that it stands alone when saved: exactly that style is allowed."""
    styles = re.findall(r"<style>(.*?)</style>", document, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in styles]
    return {"Content-Security-Policy": CSP.format(style=" ".join(f"'sha256-{h}'" for h in hashes) or "'none'")}


class SecurityHeaders:
    """Sets each header that the handler has not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class KnownHost:
    """Refuses a request whose Host is neither ours nor a loopback name."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = LOOPBACK | {h.lower() for h in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and host_name(Headers(scope=scope).get("host", "")) not in self.hosts:
            refusal = PlainTextResponse(
                "This is not the address of this console. Check its public URL setting.\n", status_code=421
            )
            return await refusal(scope, receive, send)
        return await self.app(scope, receive, send)


class SameOrigin:
    """Refuses a change that our own pages did not ask for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and not is_own(Headers(scope=scope)):
            refusal = PlainTextResponse("Refused: the request did not come from a page of this console.\n", status_code=403)
            return await refusal(scope, receive, send)
        return await self.app(scope, receive, send)


def is_own(headers: Headers) -> bool:
    """Both headers are set by the browser and cannot be forged by a page. Neither present: no browser, refused as well."""
    fetch_site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if fetch_site is not None and fetch_site != "same-origin":
        return False
    if origin is not None:
        return bool(origin != "null" and _authority(origin) == headers.get("host", "").lower())
    return fetch_site == "same-origin"


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets; "" when it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
