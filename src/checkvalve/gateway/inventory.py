"""What a model server tells of itself, and what it can forget: models, digests of their files, kept prompts.

Asked for in the shapes of llama.cpp, Ollama and vLLM; what a server does not know it answers with an error: no failure.
"""

import asyncio
import hashlib
import os
import stat
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from checkvalve.gateway.control import canonical, plain_digest
from checkvalve.gateway.link import bounded
from checkvalve.gateway.servers import Served, Server
from checkvalve.gateway.settings import Cache

ASK_S: Final = aiohttp.ClientTimeout(total=5)
MAX_TOLD: Final = 4 * 1024 * 1024
NO_ANSWER: Final = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class Inventory:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._hashed: dict[tuple[Any, ...], str] = {}  # files that were hashed, by what changes when they do

    async def served(self, server: Server, *, digests: bool) -> Served | None:
        """What it has now; None when it tells nothing, or does not answer."""
        models, tags = await asyncio.gather(self._told(server, "/v1/models"), self._told(server, "/api/tags"))
        names = {n for listed in (models, tags) for m in _listed(listed) for n in _names(m)}
        told = {n: d for m in _listed(tags) if (d := _text(m, "digest")) for n in _names(m)}
        if digests and not told:
            told = await self._digest_of_file(server, names)
        if not names:
            return None
        return Served(models=frozenset(map(canonical, names)), digests={canonical(n): plain_digest(d) for n, d in told.items()})

    async def answers(self, server: Server, url: str) -> str | None:
        """Why a model server at `url` is not ready to take over; None when it is."""
        for path in ("/health", "/v1/models"):  # llama.cpp is there but not ready while it loads
            try:
                status, _ = await self._ask("GET", url + path, server)
            except NO_ANSWER as error:
                return f"nothing answers there ({type(error).__name__})"
            if status >= 500:
                return f"it answers {path} with {status}"
        return None

    async def empty_cache(self, cache: Cache) -> str | None:
        """Why it could not be emptied; None when it was."""
        headers = {"Authorization": f"Bearer {cache.token}"} if cache.token else {}
        try:
            async with self._session.request(
                cache.method, cache.url, headers=headers, timeout=ASK_S, allow_redirects=False
            ) as answer:
                return None if answer.status < 300 else f"it answered {answer.status}"
        except NO_ANSWER as error:
            return f"it does not answer ({type(error).__name__})"

    async def forget_prompts(self, server: Server) -> bool:
        """Have a model server drop the prompts it keeps; False when it has no way to do so."""
        try:
            if (await self._ask("POST", server.url + "/reset_prefix_cache", server))[0] == 200:  # vLLM
                return True
            loaded = await self._told(server, "/api/ps")  # Ollama: what is unloaded keeps nothing
            for name in {n for m in _listed(loaded) for n in _names(m)}:
                await self._ask("POST", server.url + "/api/generate", server, {"model": name, "keep_alive": 0})
            if loaded is not None:
                return True
            slots = await self._told(server, "/slots")  # llama.cpp
            erased = [
                (await self._ask("POST", f"{server.url}/slots/{slot['id']:d}?action=erase", server))[0] == 200
                for slot in (slots if isinstance(slots, list) else ())
            ]
            return bool(erased) and all(erased)
        except (*NO_ANSWER, KeyError, TypeError):
            return False

    async def _told(self, server: Server, path: str) -> Any:
        try:
            status, body = await self._ask("GET", server.url + path, server)
            return msgspec.json.decode(body) if status == 200 else None
        except (*NO_ANSWER, RecursionError):
            return None

    async def _ask(self, method: str, url: str, server: Server, body: Any = None) -> tuple[int, bytes]:
        key = server.upstream.api_key
        async with self._session.request(
            method,
            url,
            data=None if body is None else msgspec.json.encode(body),
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            ssl=server.upstream.tls or True,
            timeout=ASK_S,
            allow_redirects=False,
        ) as answer:
            return answer.status, await bounded(answer, MAX_TOLD)

    async def _digest_of_file(self, server: Server, names: set[str]) -> dict[str, str]:
        """llama.cpp tells the path of its one model: the file is read here, if it is on this machine."""
        told = await self._told(server, "/props")
        path = _text(told, "model_path")
        if path is None or len(names) != 1 or server.upstream.host not in ("127.0.0.1", "::1", "localhost"):
            return {}
        try:
            digest = await asyncio.to_thread(self._hash, Path(path))
        except OSError:
            return {}
        return dict.fromkeys(names, digest)

    def _hash(self, path: Path) -> str:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place must not be waited for
        with os.fdopen(descriptor, "rb") as file:
            seen = os.fstat(descriptor)
            if not stat.S_ISREG(seen.st_mode):
                raise OSError("no regular file")
            key = (path, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)
            if key not in self._hashed:
                self._hashed[key] = hashlib.file_digest(file, "sha256").hexdigest()
            return self._hashed[key]


def _listed(told: Any) -> list[dict[str, Any]]:
    """`data` of OpenAI's list of models, `models` of Ollama's."""
    if not isinstance(told, dict):
        return []
    listed = told.get("data") if isinstance(told.get("data"), list) else told.get("models")
    return [m for m in listed if isinstance(m, dict)] if isinstance(listed, list) else []


def _names(model: dict[str, Any]) -> set[str]:
    aliases = model.get("aliases")
    named = {_text(model, n) for n in ("id", "name", "model")} | set(aliases if isinstance(aliases, list) else ())
    return {n for n in named if isinstance(n, str) and n}


def _text(told: Any, name: str) -> str | None:
    value = told.get(name) if isinstance(told, dict) else None
    return value if isinstance(value, str) and value else None
