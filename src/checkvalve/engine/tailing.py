"""Logs that a running program writes, line by line into the log of a running core: `checkvalve evidence tail`.

The place up to which core has acknowledged is kept in `follow/` of the data directory. What was read and not kept, because this
or core died in between, is read again, and its records are known again by the keys that `import_file` gives them, so a log
that is followed, imported, or both, counts once. A line counts when its end is written.

A log that is moved away and begun anew is read to its end first; of one that is copied and cut, or that was changed while
nobody followed it, the files beside it that were written since are read whole (`access.log.1`, `access.log-20261124.gz`).
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import BinaryIO, Final

import msgspec

from checkvalve.engine.errors import EngineError, JournalError
from checkvalve.engine.identity import Identity, load_identity
from checkvalve.engine.import_file import BATCH_BYTES, TRIED, Reading, Result, RunningCore, Wanted, batches, reading_of
from checkvalve.engine.import_file import import_file as bring_in
from checkvalve.engine.local_api import LocalApi
from checkvalve.engine.settings import Settings, make_private, write_private
from checkvalve.events.imports.cutting import MAX_RECORD
from checkvalve.events.imports.formats import FORMATS

POLL_S: Final = 1.0
LEFT_S: Final = 5.0  # a log that was moved away may still be written to for so long after its last line
HEAD: Final = 256  # bytes by which a file is known again, besides its number
BESIDE: Final = 60  # files beside it that are looked at
BEFORE_S: Final = (
    60.0  # files beside it that were written so long before the last line was read may hold that line's successors
)

Waiting = Callable[[str], None]  # told why nothing goes on now


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where a file was read. `head`: keyed digest of its first `headed` bytes. `read_s`: when, UTC seconds."""

    inode: int
    offset: int
    head: str
    headed: int
    read_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What came of following a log. `files`: how many files it was until now."""

    result: Result
    files: int


def follow(settings: Settings, wanted: Wanted, *, until: Callable[[], bool], waiting: Waiting) -> Followed:
    """Follow a log until `until` says so; then what stands there is read to its end once more.

    EngineError when the file, the format or an option is wrong, or no core runs at the beginning.
    """
    if wanted.format in FORMATS and not FORMATS[wanted.format].followed:
        names = ", ".join(name for name, form in FORMATS.items() if form.followed)
        raise EngineError("not_followed", f"{wanted.format} is no log that is written line by line; those are: {names}")
    identity = load_identity(settings.data)
    api = LocalApi(settings, identity)
    try:
        if not api.answers():
            raise EngineError("no_core", "to follow a log, core must run; start it with `checkvalve up`")
        return _Follower(settings, wanted, identity, RunningCore(api), until, waiting).run()
    finally:
        api.close()


class _Follower:
    def __init__(
        self,
        settings: Settings,
        wanted: Wanted,
        identity: Identity,
        core: RunningCore,
        until: Callable[[], bool],
        waiting: Waiting,
    ) -> None:
        self._settings, self._wanted, self._identity, self._core = settings, wanted, identity, core
        self._until, self._waiting = until, waiting
        self._reading: Reading = reading_of(settings, wanted)
        self._total: Result = self._reading.result
        self._files = 0
        self._line = 0  # lines before the next one
        make_private(settings.data / "follow")
        self._kept = settings.data / "follow" / f"{self._total.source}.{self._total.site}"

    def run(self) -> Followed:
        place = self._place()
        while True:
            with self._wanted.path.open("rb") as file:
                self._files += 1
                if place is not None and not self._goes_on(file, place):
                    self._beside(place)
                    place = None
                self._begin(file, place)
                if self._read(file):
                    return Followed(result=self._total, files=self._files)
            self._kept.unlink(missing_ok=True)
            place = None

    def _begin(self, file: BinaryIO, place: Place | None) -> None:
        """What the file held up to its place, read without sending it: only so are later records known as what they are."""
        keyer = self._reading.keyer
        self._reading = replace(reading_of(self._settings, self._wanted), result=self._total)
        self._line = 0
        if place is None:
            keyer.next_file()
            self._reading.keyer = keyer
        counted = replace(self._total)
        while place is not None and file.tell() < place.offset and (lines := _lines(file, place.offset)):
            for _ in self._records(lines):
                pass
        for name in ("records", "malformed", "undated", "first_ms", "last_ms"):
            setattr(self._total, name, getattr(counted, name))

    def _read(self, file: BinaryIO) -> bool:
        """Until the file was moved away or cut (False), or the end was asked for (True)."""
        quiet_s = time.monotonic()
        while True:
            ending = self._until()
            if lines := _lines(file):
                self._send(lines, file)
                quiet_s = time.monotonic()
                continue
            if ending:
                return True
            if (place := self._place()) is not None and not self._goes_on(file, place):
                self._beside(place)
                return False
            if self._was_moved(file) and time.monotonic() - quiet_s >= LEFT_S:
                self._send(file.read(MAX_RECORD), file)  # nobody ends its last line any more
                self._beside(self._place(), but=os.fstat(file.fileno()).st_ino)
                return False
            time.sleep(POLL_S)

    def _send(self, lines: bytes, file: BinaryIO) -> None:
        """Into the log, then the place is kept. Waits for a core that is away."""
        records = list(self._records(lines))
        total = self._total
        if total.records == total.malformed and total.records >= TRIED and self._place() is None:
            raise EngineError("wrong_format", f"this is no {self._reading.format.title}; nothing was stored")
        for batch in batches(records):
            new, known = self._put(batch)
            total.entries += new
            total.known += known
        headed = min(HEAD, file.tell())
        inode = os.fstat(file.fileno()).st_ino
        place = Place(inode=inode, offset=file.tell(), head=self._head(file, headed), headed=headed, read_s=time.time())
        write_private(self._kept, msgspec.json.encode(place))

    def _put(self, batch: list[bytes]) -> tuple[int, int]:
        while True:
            try:
                return self._core.put(batch)
            except EngineError as error:
                self._wait(error)

    def _wait(self, error: EngineError | JournalError) -> None:
        """For a core that is away or busy; what else is wrong is raised."""
        if (isinstance(error, EngineError) and error.code not in ("core_gone", "busy")) or self._until():
            raise error
        self._waiting(str(error))
        time.sleep(POLL_S)

    def _records(self, lines: bytes) -> Iterator[bytes]:
        context = replace(self._reading.context, written_ms=int(time.time() * 1000))
        form = self._reading.format
        for piece in form.cut(BytesIO(lines)):
            yield self._reading.record(replace(piece, number=self._line + piece.number), form.read(piece, context))
        self._line += lines.count(b"\n")

    def _beside(self, place: Place | None, but: int | None = None) -> None:
        """Files of this log that were written since the place was kept, oldest first, whole: what is known counts once."""
        if place is None:
            return
        path, since = self._wanted.path, place.read_s - BEFORE_S
        named = [p for p in path.parent.glob(f"{_plain(path.name)}[.-]*") if p.is_file()]
        found = [p for p in named if p.stat().st_mtime >= since and p.stat().st_ino != but]
        for beside in sorted(found, key=lambda p: p.stat().st_mtime)[-BESIDE:]:
            self._files += 1
            brought = self._brought(replace(self._wanted, path=beside, whole=True))
            for name in ("records", "entries", "known", "malformed", "undated"):
                setattr(self._total, name, getattr(self._total, name) + getattr(brought, name))
            self._total.notes += [f"{beside.name}: {note}" for note in brought.notes]

    def _brought(self, wanted: Wanted) -> Result:
        while True:
            try:
                return bring_in(self._settings, wanted, lambda _: None)
            except (EngineError, JournalError) as error:
                if isinstance(error, EngineError) and error.code in ("wrong_format", "no_file"):
                    return Result(format=wanted.format, source="", site="", notes=[error.hint])
                self._wait(error)

    def _place(self) -> Place | None:
        try:
            return msgspec.json.decode(self._kept.read_bytes(), type=Place)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise EngineError("bad_place", f"{self._kept} cannot be read; delete it: what is known counts once") from error

    def _goes_on(self, file: BinaryIO, place: Place) -> bool:
        """Whether this is the file that was read up to the place, and was not cut since."""
        status = os.fstat(file.fileno())
        same = status.st_ino == place.inode and status.st_size >= place.offset
        return same and self._head(file, place.headed) == place.head

    def _was_moved(self, file: BinaryIO) -> bool:
        try:
            return self._wanted.path.stat().st_ino != os.fstat(file.fileno()).st_ino
        except FileNotFoundError:
            return False  # moved, and not begun anew yet

    def _head(self, file: BinaryIO, size: int) -> str:
        return hashlib.blake2b(os.pread(file.fileno(), size, 0), key=self._identity.repeat_key, digest_size=16).hexdigest()


def _lines(file: BinaryIO, until: int | None = None) -> bytes:
    """Some whole lines from where the file stands, `b""` when there is none yet. `until`: no further than this byte."""
    lines: list[bytes] = []
    size = 0
    while size < BATCH_BYTES and (until is None or file.tell() < until):
        at = file.tell()
        line = file.readline(MAX_RECORD)
        if not line or (not line.endswith(b"\n") and len(line) < MAX_RECORD and until is None):
            file.seek(at)
            break
        lines.append(line)
        size += len(line)
    return b"".join(lines)


def _plain(name: str) -> str:
    """A file's name with nothing in it that a pattern would take for more."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
