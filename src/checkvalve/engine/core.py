"""One installation, wired: keys, log, state, pipeline, worker. The web and the command line talk to this object only."""

import asyncio
import base64
import hashlib
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, select

from checkvalve.engine import anchoring, soundness, staffing
from checkvalve.engine.accounts import Accounts
from checkvalve.engine.changed import Changed
from checkvalve.engine.digesting import ReducerProcess
from checkvalve.engine.errors import EngineError
from checkvalve.engine.fleet_driver import FleetDriver
from checkvalve.engine.identity import Identity, load_identity
from checkvalve.engine.importer import Importer
from checkvalve.engine.ingest import Accepted, Ingest
from checkvalve.engine.live_watch import LiveWatch
from checkvalve.engine.local_api import Gatekeeper
from checkvalve.engine.orders import OrderBook
from checkvalve.engine.paging import Pager
from checkvalve.engine.pairing import Pairing
from checkvalve.engine.pipeline import Pipeline
from checkvalve.engine.reducing import Reducer
from checkvalve.engine.settings import Settings, is_exercise, make_private, require_private
from checkvalve.engine.surroundings import REAL, Surroundings, now_ms
from checkvalve.engine.worker import Worker
from checkvalve.events.signature import Message
from checkvalve.store.journal import Draft, GroupCommitter, Journal
from checkvalve.store.schema import erased, sensors, sites, subjects
from checkvalve.store.state import State, open_state

if TYPE_CHECKING:
    from checkvalve.store.asking import Asker

__all__ = ["Core", "now_ms", "open_core"]


class Core:
    """Made by `open_core`. `start()` and `stop()` run on the event loop; everything else may be called between."""

    def __init__(
        self, settings: Settings, identity: Identity, journal: Journal, state: State, surroundings: Surroundings = REAL
    ) -> None:
        self.settings = settings
        self._staff = staffing.load(settings.data).listed()
        self.surroundings = surroundings
        self.now_ms = surroundings.now_ms
        self.identity = identity
        self.journal = journal
        self.state = state
        self.changed = Changed()
        self.committer = GroupCommitter(journal)
        self.pipeline = Pipeline(journal, Reducer(state, identity.repeat_key, settings.data), self.changed)
        self.ingest = Ingest(state, self.committer, identity.repeat_key, self.pipeline.position, self.pipeline.behind)
        self.ingest.sealed = self._sealed_lines
        self.importer = Importer(state, self.committer, self.pipeline)
        self.gatekeeper = Gatekeeper(identity)
        self.accounts = Accounts(state)
        self.orders = OrderBook(state, identity)
        self.pairing = Pairing(state, identity, settings, self.ingest.next_sequence)
        hands = surroundings.hands(state, journal, self.orders, identity, self.changed, self.decide, self.now_ms)
        self.worker = Worker(state, hands, self.orders, self.decide, settings, self.changed, self.now_ms)
        self._fleets = FleetDriver(state, hands, self.orders, self.decide, self.changed, self.now_ms)
        self.pager = Pager(self)
        self._paging: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._digesting: asyncio.Task[None] | None = None
        self._sealing: asyncio.Task[None] | None = None
        self._anchoring: asyncio.Task[None] | None = None
        self._retaining: asyncio.Task[None] | None = None
        self._asker: Asker | None = None

    async def start(self) -> None:
        self.changed.bind(asyncio.get_running_loop())
        if not self.surroundings.exercise:  # a few hundred entries are not worth a process
            self.pipeline.reducer = ReducerProcess(self.settings.state, self.identity.repeat_key, self.settings.data)
        await asyncio.to_thread(self.pipeline.catch_up)
        self._digesting = asyncio.create_task(self.pipeline.run())
        if self.surroundings.exercise:  # which ends within minutes, and pages when its own clock moves
            await self.worker.start()
            return
        await asyncio.to_thread(self._erase_again)
        self._sealing = asyncio.create_task(self._seal())
        self._retaining = asyncio.create_task(self._retain())
        self._anchoring = asyncio.create_task(anchoring.keep_anchoring(self.settings, self.identity))
        await self.worker.start()
        self._fleets.start()
        self._paging = asyncio.create_task(self.pager.run())
        self._watching = asyncio.create_task(LiveWatch(self.state, self.decide, self.now_ms).run())

    async def stop(self) -> None:
        await self._fleets.stop()
        await self.worker.stop()
        await self.committer.stop()
        tasks = [
            task
            for task in (self._paging, self._watching, self._digesting, self._sealing, self._anchoring, self._retaining)
            if task is not None
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """For a core that was opened and not started."""
        if self._asker is not None:
            self._asker.close()
        self.pipeline.reducer.close()
        self.journal.close()
        self.state.close()
        soundness.seal(self.settings.data)

    @property
    def asker(self) -> "Asker":
        """Asks sealed segments and recent rows. Its engine is slow to import, so only when somebody asks."""
        if self._asker is None:
            from checkvalve.store.archive import Reading
            from checkvalve.store.asking import Asker

            identity = self.identity
            reading = Reading(directory=self.settings.archive_dir, origin=identity.origin, public_key=identity.log_public)
            self._asker = Asker(reading, self.state)
        return self._asker

    async def _retain(self) -> None:
        from checkvalve.engine.retention import keep_applying

        await keep_applying(self)

    async def _seal(self) -> None:
        sealing = await asyncio.to_thread(import_module, "checkvalve.engine.sealing")  # with its engine, a third of a second
        await sealing.keep_sealing(self.settings.archive_dir, self.identity, self.state, self.now_ms)

    def _erase_again(self) -> None:
        """Keys of erased entries that a crash left between decision and deletion."""
        with self.state.read() as db:
            numbers = [n for n in db.scalars(select(erased.c.entry)) if n < self.journal.size]
        if numbers:
            self.journal.erase(numbers)

    def _sealed_lines(self, sensor: str, first: int, last: int) -> dict[int, str]:
        from checkvalve.store.questions import QUESTIONS

        if not (self.settings.archive_dir / "manifest").exists():
            return {}
        found = self.asker.ask(QUESTIONS["lines"], sensor=sensor, first=first, last=last)
        return {row["seq"]: row["digest"] for row in found}

    async def accept(self, message: Message, body: bytes) -> Accepted:
        """A batch from a sensor: acknowledged once on disk, digested right after."""
        accepted = await self.ingest.accept(message, body, self.now_ms())
        if accepted.entries:
            self.pipeline.wake()
        return accepted

    async def decide(self, drafts: list[Draft]) -> list[int]:
        """Log decisions and digest them; returns their entry numbers once the state shows them."""
        entries = await self.committer.append(self.surroundings.marked(drafts))
        await self.pipeline.digested(entries[-1])
        return entries

    async def pair_sensor(self, body: bytes) -> dict[str, Any]:
        answer = self.pairing.pair(body, self.now_ms())
        self.ingest.forget_sensors()
        self.changed.ring()
        return answer

    def gateway_config(self) -> dict[str, Any]:
        """What a gateway needs to enforce and detect (docs/spec/wire.md, section 8)."""
        with self.state.read() as db:
            site_rows = db.execute(select(sites.c.site, sites.c.pseudonym_key).order_by(sites.c.site)).all()
            keys = db.execute(
                select(sensors.c.keyid, sensors.c.site, sensors.c.public_key).where(sensors.c.kind == "wordpress")
            ).all()
            revs = {
                r.site: r.rev
                for r in db.execute(select(subjects.c.site, func.max(subjects.c.rev).label("rev")).group_by(subjects.c.site))
            }
        config: dict[str, Any] = {
            "sites": {
                row.site: {
                    "pseudonym_key": _b64(row.pseudonym_key),
                    "contexts": {k.keyid: _b64(k.public_key) for k in keys if k.site == row.site},
                    "staff": self._staff,
                }
                for row in site_rows
            },
            "orders": self.orders.in_force(None, "gateway", self.now_ms()),
            "register": {row.site: revs.get(row.site, 0) for row in site_rows},
        }
        config["version"] = hashlib.sha256(msgspec.json.encode(config)).hexdigest()[:16]
        return config

    def register_since(self, site: str, since: int) -> list[dict[str, Any]]:
        query = select(subjects).where(subjects.c.site == site, subjects.c.rev > since).order_by(subjects.c.rev).limit(50_000)
        with self.state.read() as db:
            return [{"rev": r.rev, "ref": r.ref, "ids": r.ids, "gone": r.gone} for r in db.execute(query)]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def open_core(settings: Settings, surroundings: Surroundings = REAL) -> Core:
    """Open the data directory: refuses a second core, loose permissions, and a log shorter than its checkpoint."""
    make_private(settings.data)
    if is_exercise(settings.data) != bool(surroundings.exercise):
        raise EngineError(
            "exercise", f"{settings.data} is an exercise's: it can be looked at, and only that exercise writes to it"
        )
    for holds_keys in (settings.data / "keys.db", settings.state_file):
        if holds_keys.exists():
            require_private(holds_keys)
    identity = load_identity(settings.data)
    journal = Journal.open(settings.data, key=identity.log_key, origin=identity.origin)
    return Core(settings, identity, journal, open_state(settings.state), surroundings)
