"""Batches of events in (docs/spec/wire.md, sections 3 and 4): checked, numbered, on disk, then acknowledged.

Nothing is interpreted here. A batch is either refused whole with one reason, or every line of it is in the log.
"""

import asyncio
import hashlib
import re
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select, update

from checkvalve.engine.errors import EngineError
from checkvalve.events import signature
from checkvalve.events.errors import EventError
from checkvalve.store.journal import Draft, GroupCommitter, StoreBusyError
from checkvalve.store.schema import events, sensors, sequences
from checkvalve.store.state import State

MAX_BODY = 8 * 1024 * 1024
MAX_LINES = 500
MAX_SKEW_S = 300
NONCE_S = 600
REMEMBERED = 20_000  # lines per sensor whose digests are kept in memory, and all that are not digested yet
# How far detection may be behind before a sensor is asked to wait: a shop's flood must not hide what a gateway sees.
BEHIND_SECONDS = {"wordpress": 2.0, "gateway": 20.0, "webserver": 20.0}
SENSOR_SECONDS = 5.0  # how long a sensor's key is believed without asking the state

_SEQUENCE = re.compile(r"^(?P<first>[1-9]\d{0,15});\s?count=(?P<count>[1-9]\d{0,2})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    keyid: str
    kind: str
    site: str | None
    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    acknowledged: int  # highest sequence number on disk for this sensor's batch
    entries: tuple[int, int] | None  # first and last entry number; None when all lines were known


class Line(NamedTuple):
    """A line in the log, as it is known again."""

    digest: str
    entry: int


class Ingest:
    """One instance an installation; the only writer of sensor events."""

    def __init__(
        self,
        state: State,
        committer: GroupCommitter,
        repeat_key: bytes,
        digested: Callable[[], int],
        behind: Callable[[], float],
    ) -> None:
        """`digested` says up to which entry the state knows the log, `behind` how many seconds the rest will take."""
        self._state, self._committer, self._repeat_key = state, committer, repeat_key
        self._digested, self._behind = digested, behind
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._recent: defaultdict[str, OrderedDict[int, Line]] = defaultdict(OrderedDict)
        self._highest: dict[str, int] = {}  # number of each sensor, in the log
        self.sealed: Callable[[str, int, int], dict[int, str]] = lambda _sensor, _first, _last: {}  # digests, by number
        self._sensors: dict[str, tuple[Sensor, float]] = {}  # and until when it is believed without asking
        self._nonces: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._skews: dict[str, int] = {}

    def digest(self, line: bytes) -> str:
        """Recognises the same line again. Keyed: the value says nothing to whoever lacks the key."""
        return hashlib.blake2b(line, key=self._repeat_key, digest_size=16).hexdigest()

    def authenticate(self, message: signature.Message, required: tuple[str, ...], now_ms: int) -> Sensor:
        """The sensor that signed a GET, or EngineError. Fresh and never seen before."""
        given, sensor = self._verified(message, required)
        self.note_clock(sensor.keyid, given.created, now_ms)
        now = now_ms // 1000
        if abs(given.created - now) > MAX_SKEW_S:
            raise EngineError("stale", f"the sensor's clock is {given.created - now} s from ours; set its time (NTP)")
        while self._nonces and next(iter(self._nonces.values())) < now - NONCE_S:
            self._nonces.popitem(last=False)
        if (sensor.keyid, given.nonce) in self._nonces:
            raise EngineError("replayed", "this nonce was used before")
        self._nonces[(sensor.keyid, given.nonce)] = now
        return sensor

    async def accept(self, message: signature.Message, body: bytes, now_ms: int) -> Accepted:
        """Verify a batch and put it in the log. Returns after fsync."""
        given, sensor = self._verified(message, signature.POST_EVENTS)
        try:
            signature.check_digest(message.headers.get("content-digest"), body)
        except EventError as error:
            raise EngineError(error.code, error.hint) from error
        first, lines = _lines(message.headers.get("checkvalve-sequence", ""), body)
        self.note_clock(sensor.keyid, given.created, now_ms)
        async with self._locks[sensor.keyid]:
            fresh = self._fresh(sensor.keyid, first, lines)
            if not fresh:
                return Accepted(acknowledged=first + len(lines) - 1, entries=None)
            if (behind := self._behind()) > BEHIND_SECONDS[sensor.kind]:
                raise EngineError("busy", "core is still looking at what came before", retry_after=1 + int(behind / 2))
            drafts = [Draft(kind="event", source=sensor.keyid, seq=seq, clear=line, t=now_ms) for seq, line, _ in fresh]
            try:
                entries = await self._committer.append(drafts)
            except StoreBusyError as error:
                raise EngineError("busy", "the log cannot be written now (disk full?)", retry_after=5) from error
            self._remember(sensor.keyid, [(seq, digest) for seq, _, digest in fresh], entries)
        return Accepted(acknowledged=first + len(lines) - 1, entries=(entries[0], entries[-1]))

    def _remember(self, keyid: str, lines: list[tuple[int, str]], entries: list[int]) -> None:
        recent = self._recent[keyid]
        for (seq, digest), entry in zip(lines, entries, strict=True):
            recent[seq] = Line(digest, entry)
        self._highest[keyid] = max(self._highest_of(keyid), lines[-1][0])
        while len(recent) > REMEMBERED and next(iter(recent.values())).entry < self._digested():
            recent.popitem(last=False)

    def next_sequence(self, keyid: str) -> int:
        """The lowest number that this sensor has not used."""
        return self._highest_of(keyid) + 1

    def _highest_of(self, keyid: str) -> int:
        if keyid not in self._highest:
            with self._state.read() as db:
                self._highest[keyid] = db.scalar(select(sequences.c.highest).where(sequences.c.sensor == keyid)) or 0
        return self._highest[keyid]

    def note_clock(self, keyid: str, created: int, now_ms: int) -> None:
        skew = created * 1000 - now_ms
        if abs(skew - self._skews.get(keyid, 10**12)) > 2000:
            self._skews[keyid] = skew
            with self._state.begin() as db:
                db.execute(update(sensors).where(sensors.c.keyid == keyid).values(skew_ms=skew))

    def _verified(self, message: signature.Message, required: tuple[str, ...]) -> tuple[signature.SignatureInput, Sensor]:
        try:
            given = signature.parse_input(message.headers)
            sensor, sure = self._sensor(given.keyid)
            try:
                signature.verify(message, given, required, sensor.public_key)
            except EventError:
                if sure:
                    raise
                self._sensors.pop(given.keyid, None)  # paired again just now?
                sensor, _ = self._sensor(given.keyid)
                signature.verify(message, given, required, sensor.public_key)
        except EventError as error:
            raise EngineError(error.code, error.hint) from error
        return given, sensor

    def forget_sensors(self) -> None:
        """Somebody was paired: an old key of theirs ends here."""
        self._sensors.clear()

    def _sensor(self, keyid: str) -> tuple[Sensor, bool]:
        """The sensor, and whether the state was asked for it right now."""
        known, until = self._sensors.get(keyid, (None, 0.0))
        if known is not None and time.monotonic() < until:
            return known, False
        with self._state.read() as db:
            row = db.execute(select(sensors).where(sensors.c.keyid == keyid)).first()
        if row is None:
            self._sensors.pop(keyid, None)
            raise EngineError("unknown_sensor", "this sensor is not paired; run `checkvalve pair` and pair it again")
        sensor = Sensor(keyid=row.keyid, kind=row.kind, site=row.site, public_key=row.public_key)
        self._sensors[keyid] = sensor, time.monotonic() + SENSOR_SECONDS
        return sensor, True

    def _fresh(self, keyid: str, first: int, lines: list[bytes]) -> list[tuple[int, bytes, str]]:
        """The lines not yet in the log. A number that comes again with other bytes refuses the batch."""
        numbered = [(first + i, line, self.digest(line)) for i, line in enumerate(lines)]
        recent = self._recent[keyid]
        if first > self._highest_of(keyid):
            return numbered
        known = {seq: recent[seq].digest for seq, _, _ in numbered if seq in recent}
        unseen = [seq for seq, _, _ in numbered if seq not in known]
        if unseen:
            with self._state.read() as db:
                rows = db.execute(
                    select(events.c.seq, events.c.digest).where(
                        events.c.sensor == keyid, events.c.seq.between(unseen[0], unseen[-1])
                    )
                )
                known.update({row.seq: row.digest for row in rows})
            if any(seq not in known for seq in unseen if seq <= self._highest_of(keyid)):
                known = self.sealed(keyid, unseen[0], unseen[-1]) | known
        for seq, _, digest in numbered:
            if seq in known and known[seq] != digest:
                raise EngineError("sequence_conflict", f"number {seq} was sent before with other content")
        return [(seq, line, digest) for seq, line, digest in numbered if seq not in known]


def _lines(header: str, body: bytes) -> tuple[int, list[bytes]]:
    found = _SEQUENCE.match(header)
    if found is None:
        raise EngineError("bad_request", "Checkvalve-Sequence must read <first>;count=<n>")
    lines = body.removesuffix(b"\n").split(b"\n")
    if len(lines) != int(found["count"]) or len(lines) > MAX_LINES:
        raise EngineError("bad_request", f"{len(lines)} lines, {found['count']} announced, {MAX_LINES} allowed")
    return int(found["first"]), lines
