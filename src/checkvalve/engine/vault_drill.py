"""The restore drill: the newest clean composition is brought back to another place, compared with what was signed, and, where
the shop says how, started and asked. What it showed is kept beside the vault, and where there is a log here it is a review.
"""

import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from checkvalve.engine import probing, vault_restore
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import load_settings, make_private, write_private
from checkvalve.engine.vault import Vault
from checkvalve.modelstates.composition import propose

RESULT: Final = "drill.json"
REVIEW: Final = "restore-drill"  # content/readiness/reviews.yaml
START_S: Final = 300.0  # for a model server to be ready
STOP_S: Final = 20.0


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """`age_ms`: of the oldest component brought back. `answered` of `asked` questions; None: it was not started."""

    done_ms: int
    good: bool
    why: str
    components: dict[str, str]  # component -> state
    age_ms: int
    restore_s: float  # verification included
    start_s: float | None = None  # from the call to the first answer that it is ready
    asked: int | None = None
    answered: int | None = None

    @property
    def said(self) -> str:
        """One line for the review; no personal data."""
        started = "not started" if self.start_s is None else f"ready after {self.start_s:.0f} s"
        return f"{self.why}; state {self.age_ms / 86_400_000:.1f} days old, back in {self.restore_s:.0f} s, {started}"


def drill(vault: Vault, now_ms: int, start: str | None = None) -> Drill:
    """`start`: a command with {dir} and {port} that serves the model of a restored directory. The result is kept."""
    found = _drilled(vault, now_ms, start)
    write_private(vault.directory / RESULT, msgspec.json.encode(found))
    return found


def last(vault: Vault) -> Drill | None:
    try:
        return msgspec.json.decode((vault.directory / RESULT).read_bytes(), type=Drill)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise EngineError("bad_drill", f"{vault.directory / RESULT} cannot be read; delete it and run a drill") from error


def review(vault: Vault, found: Drill, by: str) -> int | None:
    """The number of its entry in the log; None on a machine without one."""
    settings = load_settings(vault.directory.parent)
    if not settings.has_state:
        return None
    from checkvalve.engine import readiness  # slow to import

    done = readiness.Done(review=REVIEW, by=by, good=found.good, notes=found.said)
    entry: int = readiness.state(settings, done)["entry"]
    return entry


def _drilled(vault: Vault, now_ms: int, start: str | None) -> Drill:
    proposal = propose(vault_restore.find(vault, []).judge)
    chosen = {p.version.component: p.state for p in proposal.parts}
    began = time.monotonic()
    if not proposal.parts:
        return Drill(done_ms=now_ms, good=False, why="no clean state to bring back", components={}, age_ms=0, restore_s=0)
    age_ms = now_ms - min(p.received_ms for p in proposal.parts)
    make_private(vault.scratch)
    with tempfile.TemporaryDirectory(dir=vault.scratch, prefix="drill-") as room:
        target = Path(room) / "state"
        vault_restore.restore(vault, proposal.parts, target)
        took = round(time.monotonic() - began, 2)
        done = Drill(done_ms=now_ms, good=True, why="every byte as signed", components=chosen, age_ms=age_ms, restore_s=took)
        return _started(done, target, start) if start else done


def _started(done: Drill, target: Path, start: str) -> Drill:
    try:
        with serving(start, target) as (url, start_s):
            smoke = probing.smoke(url)
    except EngineError as error:
        return msgspec.structs.replace(done, good=False, why=error.hint)
    good = smoke.answered == smoke.asked
    why = f"{smoke.answered} of {smoke.asked} questions answered"
    return msgspec.structs.replace(
        done, good=good, why=why, start_s=round(start_s, 2), asked=smoke.asked, answered=smoke.answered
    )


@contextmanager
def serving(start: str, directory: Path) -> Iterator[tuple[str, float]]:
    """A model server of a restored directory on a free port: its address and how long it took. It is ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = _command(start, directory, port)
    began, url = time.monotonic(), f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)  # noqa: S603 # the operator's own
        except OSError as error:
            raise EngineError("bad_start", f"{command[0]} cannot be started ({error.strerror})") from error
        try:
            while not probing.ready(url):
                if process.poll() is not None:
                    raise EngineError("not_started", f"the model server ended with {process.returncode} before it was ready")
                if time.monotonic() - began > START_S:
                    raise EngineError("not_started", f"the model server was not ready after {START_S:.0f} s")
                time.sleep(0.2)
            yield url, time.monotonic() - began
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _command(start: str, directory: Path, port: int) -> Sequence[str]:
    """The words of a command line, without a shell."""
    if "{dir}" not in start or "{port}" not in start:
        raise EngineError(
            "bad_start", "give the command with {dir} and {port}: llama-server -m {dir}/base/model.gguf --port {port}"
        )
    try:
        words = shlex.split(start)
    except ValueError as error:
        raise EngineError("bad_start", f"the command cannot be read: {error}") from error
    found = [w.replace("{dir}", str(directory)).replace("{port}", str(port)) for w in words]
    if shutil.which(found[0]) is None:
        raise EngineError("bad_start", f"there is no program {found[0]!r}")
    return found
