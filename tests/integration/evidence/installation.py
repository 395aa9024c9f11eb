"""An installation without a server: sensors' lines go into the log and are digested at once."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import insert

from checkvalve.engine import erasing, searching
from checkvalve.engine.core import Core, open_core
from checkvalve.engine.decisions import draft
from checkvalve.engine.sealing import Sealer
from checkvalve.engine.settings import Settings
from checkvalve.events import event as ocsf
from checkvalve.events.pseudonym import identifiers
from checkvalve.store.archive import Archive
from checkvalve.store.journal import Draft
from checkvalve.store.schema import sensors, sites

T = TypeVar("T")
SITE = "s-aaaaaaaaaaaa"
SHOP, GATEWAY = f"wp.{SITE}", "gw.gpu-1"
KEY = bytes(range(32))
START = 1_790_000_000_000


@dataclass(slots=True)
class Installation:
    core: Core
    runner: asyncio.Runner
    now_ms: int = START
    pending: list[Draft] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=lambda: {SHOP: 0, GATEWAY: 0})

    def log(self, sensor: str, class_uid: int, own: dict[str, Any], **body: Any) -> int:
        """One event; its entry number."""
        self.numbers[sensor] += 1
        self.now_ms += 1000
        trace = body.pop("trace", None)
        line = ocsf.encode(
            class_uid=class_uid,
            activity_id=body.pop("activity_id", 1),
            time=self.now_ms,
            uid=f"{sensor}-{self.numbers[sensor]}",
            sequence=self.numbers[sensor],
            product="test",
            version="0",
            own=own,
            trace=trace,
            **body,
        )
        return self._append(Draft(kind="event", source=sensor, seq=self.numbers[sensor], clear=line, t=self.now_ms))

    def raw(self, line: bytes) -> int:
        """Bytes of the shop's sensor that are no event."""
        self.numbers[SHOP] += 1
        return self._append(Draft(kind="event", source=SHOP, seq=self.numbers[SHOP], clear=line, t=self.now_ms))

    def _append(self, one: Draft) -> int:
        """Written with the others when something is asked."""
        self.pending.append(one)
        return self.core.journal.size + len(self.pending) - 1

    def person(self, ref: str, **known: Any) -> None:
        subject = {"ref": ref, "identifiers": identifiers(KEY, **known)}
        self._append(draft("subject_put", at_ms=self.now_ms, by="user:test", site=SITE, subject=subject))

    def request(self, operation: str = "GET /wc/v3/orders", **own: Any) -> int:
        trace = own.pop("trace", None)
        api, answer = {"operation": operation}, {"code": 200}
        return self.log(SHOP, ocsf.API_ACTIVITY, own, api=api, http_response=answer, trace=trace)

    def order(self, number: int, by: str) -> int:
        own = {"requester": {"ref": by}, "order": {"number": str(number), "total": "10.00"}}
        return self.log(SHOP, ocsf.WEB_RESOURCES, own, web_resources=[{"type": "wc_order", "uid": str(number)}])

    def inference(
        self, prompt: str, completion: str, *, ref: str | None = None, plugin: str = "shop-assistant", **more: Any
    ) -> int:
        requester = {"ref": ref} if ref else {"anonymous": True}
        caller = {
            "site": SITE,
            "plugin": plugin,
            "route": "/ask",
            "session": more.get("session", "e" * 32),
            "requester": requester,
        }
        asked = {"messages": [{"role": "user", "content": prompt}]}
        said = {
            "id": f"inf-{self.numbers[GATEWAY] + 1}",
            "request": json.dumps(asked),
            "completion": completion,
            "started_ms": self.now_ms,
            "ended_ms": self.now_ms + 500,
            "outcome": "complete",
            "prompt_tokens": 10,
            "completion_tokens": 20,
            "tool_calls": [],
            "caller": caller,
        }
        own = {"site": SITE, "plugin": plugin, "route": "/ask", "session": caller["session"], "inference": said}
        return self.log(GATEWAY, ocsf.API_ACTIVITY, own, ai_model={"name": "smollm2"}, trace=more.get("trace"))

    def digest(self) -> None:
        if self.pending:
            self.core.journal.append_many(self.pending)
            self.pending = []
        self.core.pipeline.catch_up()

    def sealer(self, segment_entries: int) -> Sealer:
        archive = Archive(self.core.settings.archive_dir, self.core.identity.log_key, self.core.identity.origin)
        return Sealer(archive, self.core.state, lambda: self.now_ms, segment_entries=segment_entries)

    def seal_all(self, segment_entries: int = 10) -> Sealer:
        """Everything but the newest entries, in small segments, merged and trimmed."""
        self.digest()
        sealer = self.sealer(segment_entries)
        for _ in range(1000):
            if not sealer.step():
                return sealer
        raise AssertionError("sealing does not end")

    def find(self, value: str, **why: Any) -> searching.Found:
        why = {"reader": "user:dpo", "purpose": "test", "case": None} | why
        return self.working(lambda: searching.find(self.core, self.core.asker, value, **why))

    def erase(self, subject: str, *values: str, thorough: bool = False) -> erasing.Erased:
        asker = self.core.asker
        return self.working(
            lambda: erasing.erase(self.core, asker, subject, by="user:dpo", reason="asked", values=values, thorough=thorough)
        )

    def working(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """While the core digests what it decides."""
        self.digest()
        return self.runner.run(work())


@contextmanager
def installation(data: Path) -> Iterator[Installation]:
    core = open_core(Settings(data=data))
    with core.state.begin() as db:
        if core.journal.size == 0:
            db.execute(
                insert(sites).values(
                    site=SITE,
                    name="Shop",
                    site_url="https://shop.example",
                    rest_url="https://shop.example/wp-json/",
                    pseudonym_key=KEY,
                    created_ms=START,
                )
            )
            for keyid, kind, site in ((SHOP, "wordpress", SITE), (GATEWAY, "gateway", None)):
                row = {"keyid": keyid, "kind": kind, "site": site, "name": kind, "public_key": bytes(32), "paired_ms": START}
                db.execute(insert(sensors).values(**row, versions={}))
    runner = asyncio.Runner()
    digesting = runner.get_loop().create_task(core.pipeline.run())
    try:
        yield Installation(core, runner)
    finally:
        runner.run(_stop(core, digesting))
        runner.close()
        core.close()


async def _stop(core: Core, digesting: "asyncio.Task[None]") -> None:
    await core.committer.stop()
    digesting.cancel()
    await asyncio.gather(digesting, return_exceptions=True)
