"""A year of an agency in a few minutes, with core killed again and again. `python -m benchmarks.soak --json`.

Shops that are made up have incidents one after the other, each a shipped scenario, played by good or by bad players; core is
the real one with its log, its state and a clock that is moved. At moments that nobody chose core's process is killed (SIGKILL)
and started again on what it left. What a sensor has to say is in its outbox on disk before it is sent, as in the plugin.
Afterwards everything must be accounted for: each line of each outbox, each change of each case, each command, each order, each
legal clock; the log verifies, and digested anew from empty it gives the same cases. Exit 1 when something is not.
"""

import argparse
import asyncio
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from benchmarks.report import machine, tell
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import exists, select

from checkvalve.actuators.wordpress import Shop, Synced
from checkvalve.engine import cases, casework, exercise, exercise_acts, exercise_shop, offline, paging_rota
from checkvalve.engine.changed import Changed
from checkvalve.engine.core import Core, open_core
from checkvalve.engine.exercise_clock import Clock
from checkvalve.engine.exercise_director import Director, Postbox
from checkvalve.engine.exercise_hands import HandsInMemory
from checkvalve.engine.exercise_players import Scripted
from checkvalve.engine.exercise_shop import GatewayInMemory, ShopInMemory, Wire
from checkvalve.engine.pipeline import Pipeline
from checkvalve.engine.rebuilding import copy_kept
from checkvalve.engine.reducing import Reducer
from checkvalve.engine.settings import EXERCISE_MARK, Settings, make_private, write_private
from checkvalve.engine.surroundings import Surroundings
from checkvalve.events.site import EXERCISE_SITE
from checkvalve.exercises import library, world
from checkvalve.exercises.measures import at_ms
from checkvalve.exercises.scenario import Act, Scenario, short_form
from checkvalve.exercises.world import DAY_MS, World
from checkvalve.store.schema import commands, exposures, incidents, notifications, orders, transitions
from checkvalve.store.state import State, open_state

NAME: Final = "EX-0001"
START: Final = "2026-01-01T08:00:00Z"
YEAR_MS: Final = 365 * DAY_MS
AFTER_DAYS: Final = 60
LONGEST_S: Final = 1.2  # from the beginning of an incident to the kill, at most
PATIENCE_S: Final = 300.0  # for a start or an end of core, and for an incident
ENDED: Final = ("done", "failed", "refused", "timeout", "skipped", "cancelled")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """`crashes`: how often core is killed."""

    incidents: int = 50
    shops: int = 20
    crashes: int = 25
    seed: int = 1

    def sites(self) -> list[str]:
        return [f"{EXERCISE_SITE}{n:012x}" for n in range(1, self.shops + 1)]

    def chance(self, *of: object) -> random.Random:
        return random.Random("/".join(map(str, (self.seed, *of))))

    def incident(self, number: int) -> tuple[str, Scenario, bool]:
        """(shop, scenario, good players): every scenario in turn, the long form now and then."""
        names = library.names()
        scenario = library.shipped(names[number % len(names)])
        chance = self.chance("incident", number)
        return chance.choice(self.sites()), scenario if number % 5 == 0 else short_form(scenario), chance.random() < 0.6

    def kills(self) -> Mapping[int, int]:
        """Incident -> how often core is killed in it; the same one can be hit twice."""
        chance = self.chance("crashes")
        return Counter(chance.randrange(self.incidents) for _ in range(self.crashes))


@dataclass(slots=True, kw_only=True)
class Outbox(Wire):
    """A wire whose events are on disk before they are sent: line n is number n. What core does not have is sent again."""

    file: Path

    def note(self, class_uid: int, activity_id: int, own: dict[str, Any], at_ms: int, **attributes: Any) -> None:
        Wire.note(self, class_uid, activity_id, own, at_ms, **attributes)
        with self.file.open("ab", buffering=0) as out:
            out.write(self.waiting[-1] + b"\n")

    def restore(self) -> None:
        """Once core has started: before, it may not have digested all that it has."""
        self.next = self.core.ingest.next_sequence(self.keyid)
        self.waiting = lines(self.file)[self.next - 1 :]


def lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines() if file.exists() else []


class ManyShops(HandsInMemory):
    """Hands that reach each of the shops."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.shops: dict[str, ShopInMemory] = {}
        self.open_state: State = given[0]

    async def start(self) -> None:
        self.wordpress = self  # type: ignore[assignment] # has `sync`, which is all that is asked of it

    async def sync(self, shop: Shop, tokens: list[str], seconds: float = 10) -> Synced:
        return await self.shops[shop.site].sync(shop, tokens, seconds)

    async def carry_out(self, command: Any) -> Any:
        with self.open_state.read() as db:
            site = db.scalar(select(incidents.c.site).where(incidents.c.id == command.incident))
        self.shop = self.shops[str(site)]
        return await super().carry_out(command)


# --- the process that is killed ----------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Year:
    """Core with its shops, as they were left."""

    wanted: Wanted
    directory: Path
    core: Core
    clock: Clock
    postbox: Postbox
    hands: ManyShops

    def secrets(self, site: str) -> list[bytes]:
        """As `exercise_shop.register` asks for them: the register's key, the shop's, the gateway's."""
        chance = self.wanted.chance("keys", site)
        return [chance.randbytes(32) for _ in range(3)]

    def wires(self, site: str) -> tuple[Outbox, Outbox]:
        made = []
        for kind, secret in zip(("wp", "gw"), self.secrets(site)[1:], strict=True):
            keyid, key = f"{kind}.{site}", Ed25519PrivateKey.from_private_bytes(secret)
            file = self.directory / f"{keyid}.outbox"
            made.append(Outbox(core=self.core, keyid=keyid, key=key, new_nonce=lambda: os.urandom(12).hex(), file=file))
        return made[0], made[1]

    def lives(self, site: str) -> World:
        size, chance = library.shipped("cache-mixup").world, self.wanted.chance("world", site)
        return world.make(chance, customers=size.customers, orders=size.orders, languages=size.languages, until_ms=at_ms(START))

    async def settle(self) -> None:
        """The shops come back with what was in force in them, and say what they had not said."""
        for site, shop in self.hands.shops.items():
            await self.hands.sync(
                Shop(site=site, rest_url=""), self.core.orders.in_force(site, "wordpress", self.core.now_ms())
            )
            assert isinstance(shop.wire, Outbox)
            shop.wire.restore()
            await shop.wire.send()

    async def rest(self) -> None:
        """Until every change of a case is in the log."""
        waiting = select(exists().where(transitions.c.handled_ms.is_(None)))
        for _ in range(600):
            with self.core.state.read() as db:
                if not db.scalar(waiting):
                    return
            await asyncio.sleep(0.1)

    async def live(self, number: int) -> None:
        site, scenario, good = self.wanted.incident(number)
        self.clock.to(at_ms(START) + number * YEAR_MS // self.wanted.incidents)
        shop, (_, gateway_wire) = self.hands.shops[site], self.wires(site)
        shop.ways, shop.shut, shop.checkout_closed, shop.traffic = scenario.ways, set(), False, 1.0
        self.hands.shop = shop
        gateway = GatewayInMemory(shop, gateway_wire, self.directory / f"gateway-{site}", shop.wire.key)
        gateway_wire.restore()
        await gateway_wire.send()
        await gateway.poll()
        chance, players = self.wanted.chance("chance", number), Scripted(good=good)
        await Director(scenario, self.core, self.clock, shop, gateway, players, self.postbox, chance).run()
        await exercise_acts.act(self.core, site, Act(close="The shop's work on it is done."), "user:controller", "")
        write_private(self.directory / "done", str(number + 1).encode())


def begin(wanted: Wanted, directory: Path) -> Year:
    """What is there is opened; the first time the shops are made and tell of their people."""
    settings = Settings(data=directory / "data", sync_seconds=3600)
    fresh = not settings.has_state
    make_private(settings.data)
    if fresh:
        write_private(settings.data / EXERCISE_MARK, msgspec.json.encode({"exercise": f"EXERCISE {NAME}"}))
        paging_rota.install(settings, msgspec.json.encode(exercise.ROTA))
    clock, postbox, hands = Clock(at_ms(START)), Postbox(), list[ManyShops]()

    def made(*given: Any) -> ManyShops:
        hands.append(ManyShops(*given))
        return hands[0]

    core = open_core(settings, Surroundings(now_ms=clock.now_ms, hands=made, page=postbox.take, exercise=NAME))
    if core.journal.size:
        clock.to(core.journal.read(core.journal.size - 1).header.t)
    hands[0].clock = clock
    year = Year(wanted=wanted, directory=directory, core=core, clock=clock, postbox=postbox, hands=hands[0])
    for site in wanted.sites():
        if fresh:
            secrets = iter(year.secrets(site))
            exercise_shop.register(core, site, f"EXERCISE {site}", clock.now_ms(), secrets.__next__)
        shop = ShopInMemory(core, site, (), year.lives(site), year.wires(site)[0])
        if fresh:
            shop.tell_people(year.secrets(site)[0], clock.now_ms())
        year.hands.shops[site] = shop
    year.hands.shop = shop
    return year


async def live(wanted: Wanted, directory: Path, setup: bool) -> None:
    """From where it was left to the end of the year. `setup`: only the shops."""
    year = begin(wanted, directory)
    await year.core.start()
    try:
        await year.settle()
        if setup:
            return
        done = int((directory / "done").read_text() if (directory / "done").exists() else 0)
        for number in range(done, wanted.incidents):
            print(f"incident {number}", flush=True)
            await year.live(number)
        for day in range(AFTER_DAYS):  # every order expires, every clock runs out
            year.clock.to(at_ms(START) + YEAR_MS + day * DAY_MS)
            await year.core.pager.look()
        await year.rest()
        print("over", flush=True)
    finally:
        await year.core.stop()


# --- the one that kills it ---------------------------------------------------------------------------------------------


def lived(wanted: Wanted, directory: Path) -> int:
    """Live through the year; how often core was killed."""
    with _process(wanted, directory, "--setup") as child:
        if child.wait(PATIENCE_S):
            raise SystemExit(f"the shops could not be made; see {directory}/core.log")
    left, chance, killed = Counter(wanted.kills()), wanted.chance("moments"), 0
    for _ in range(wanted.crashes + 1):
        with _process(wanted, directory, "--live") as child, _watched(child, PATIENCE_S * wanted.incidents):
            assert child.stdout is not None
            for said in child.stdout:
                words = said.decode().split()
                if words == ["over"]:
                    break
                number = int(words[1])
                if left[number]:
                    left[number] -= 1
                    time.sleep(chance.uniform(0.02, LONGEST_S))
                    if child.poll() is None:
                        child.kill()
                        killed += 1
                        break
            code = child.wait(PATIENCE_S)
        if code == 0:
            return killed
        if code != -9:
            raise SystemExit(f"core ended by itself with {code}; see {directory}/core.log")
    raise SystemExit("core was killed more often than was wanted")


@contextlib.contextmanager
def _watched(child: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """A core that hangs is ended, and counts as one that could not go on."""
    timer = threading.Timer(seconds, child.terminate)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _process(wanted: Wanted, directory: Path, how: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "benchmarks.soak", how, str(directory)]
    words += [f"--{n}={v}" for n, v in msgspec.structs.asdict(wanted).items()]
    with (directory / "core.log").open("ab") as log:
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log)


# --- afterwards --------------------------------------------------------------------------------------------------------


def audit(wanted: Wanted, directory: Path) -> tuple[dict[str, int], list[str]]:
    """(what was counted, what is not accounted for)."""
    settings = Settings(data=directory / "data")
    verified = offline.verify_live(settings)
    flaws = [f"log: {e}" for e in verified.errors]
    core = open_core(settings, Surroundings(exercise=NAME))
    try:
        sent, logged, pages = _read(core)
        end_ms = at_ms(START) + YEAR_MS + AFTER_DAYS * DAY_MS
        with core.state.read() as db:
            rows = db.execute(select(transitions)).all()
            known = [cases.incident_of(s) for s in db.scalars(select(incidents.c.state).order_by(incidents.c.id))]
            clocks = [(i.id, c) for i in known for c in casework.running_clocks(db, i, end_ms)]
            steps = db.execute(select(commands)).all()
            given = db.execute(select(orders)).all()
        sensors = [f"{kind}.{site}" for site in wanted.sites() for kind in ("wp", "gw")]
        said = {k: lines(directory / f"{k}.outbox") for k in sensors}
        flaws += [f"{k}: in the log is not what it said, each once and in order" for k in sensors if sent.get(k, []) != said[k]]
        twice = {name for name, times in logged.items() if times != 1}
        flaws += [f"transition {n}: {logged[n]} entries" for n in sorted(twice | {r.id for r in rows} ^ set(logged))]
        flaws += [f"transition {r.id} was never handled" for r in rows if r.handled_ms is None]
        flaws += [f"{i.id} is {i.status}" for i in known if i.status != "closed"]
        flaws += [f"command {s.id} ({s.kind}) is {s.status}" for s in steps if s.status not in ENDED and s.kind != "manual"]
        flaws += [
            f"order {o.jti} outlives the year"
            for o in given
            if o.expires_ms > end_ms and not o.released_by and o.action != "release"
        ]
        over = {(case, clock) for case, clock, reason in pages if reason == "clock_over"}
        silent = [(i, c) for i, c in clocks if not c.met and (i, c.clock) not in over]
        flaws += [f"{i}: {c.regime}, {c.clock} ran out, and nobody was paged" for i, c in silent]
        flaws += _replayed(core, directory)
    finally:
        core.close()
    counted = {
        "entries": verified.entries, "lines_sent": sum(map(len, sent.values())), "cases": len(known), "transitions": len(rows),
        "commands": len(steps), "orders": len(given), "clocks": len(clocks), "clocks_met": sum(c.met for _, c in clocks),
        "clocks_over": sum(not c.met for _, c in clocks), "pages": len(pages),
    }  # fmt: skip
    return counted, flaws


def _read(core: Core) -> tuple[dict[str, list[bytes]], Counter[str], list[tuple[str, str, str]]]:
    """(lines by sensor, entries by transition, pages as (case, clock, reason))."""
    sent: dict[str, list[bytes]] = {}
    logged: Counter[str] = Counter()
    pages = []
    for first in range(0, core.journal.size, 1000):
        for opened in core.journal.read_many(first, 1000):
            assert opened.clear is not None
            if opened.header.source.startswith(("wp.", "gw.")):
                sent.setdefault(opened.header.source, []).append(opened.clear)
            elif opened.header.kind == "decision":
                said = msgspec.json.decode(opened.clear)
                if said["type"] == "transition":
                    logged[said["transition"]["id"]] += 1
                elif said["type"] == "paged":
                    pages.append((said["incident"], said["alarm"].partition(".")[0], said["reason"]))
    return sent, logged, pages


def _replayed(core: Core, directory: Path) -> Iterator[str]:
    """The state that the log alone gives, against the one that was lived through."""
    for left in directory.glob("again.db*"):
        left.unlink()
    scratch = open_state(directory / "again.db")
    try:
        copy_kept(core.state, scratch)
        Pipeline(core.journal, Reducer(scratch, core.identity.repeat_key), Changed()).catch_up()
        for table in (incidents, transitions, exposures, notifications):
            kept = [n for n in table.c if n.name != "id"] if table is exposures and "id" in table.c else list(table.c)
            with core.state.read() as lived_db, scratch.read() as again_db:
                one, two = ({repr(r) for r in db.execute(select(*kept))} for db in (lived_db, again_db))
            if one != two:
                yield f"{table.name}: digested anew it is another ({len(one - two)} rows lost, {len(two - one)} new)"
    finally:
        scratch.close()


def soak(wanted: Wanted, directory: Path) -> tuple[dict[str, Any], list[str]]:
    started = time.monotonic()
    killed = lived(wanted, directory)
    counted, flaws = audit(wanted, directory)
    figures = {"incidents": wanted.incidents, "shops": wanted.shops, "kills": killed} | counted
    return figures | {"unaccounted": len(flaws), "seconds": round(time.monotonic() - started)}, flaws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    for name, value in msgspec.structs.asdict(Wanted()).items():
        parser.add_argument(
            f"--{name}", type=int, default=value, choices=range(1, 10_000), metavar="N", help="default: %(default)s"
        )
    parser.add_argument("--live", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--setup", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    wanted = Wanted(**{n: getattr(arguments, n) for n in Wanted.__struct_fields__})
    if directory := arguments.live or arguments.setup:
        asyncio.run(live(wanted, directory, arguments.setup is not None))
        return
    now = machine()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        figures, flaws = soak(wanted, Path(directory))
    tell({"machine": now, "figures": figures, "peers": {}}, as_json=arguments.json)
    for flaw in flaws[:50]:
        print(flaw, file=sys.stderr)
    sys.exit(1 if flaws else 0)


if __name__ == "__main__":
    main()
