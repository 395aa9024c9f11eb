"""Where things lie and which address is which. One data directory holds everything of one installation."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from checkvalve.engine.errors import EngineError

DEFAULT_LISTEN = "127.0.0.1:8470"
DEFAULT_GATEWAY = "127.0.0.1:8471"
STATE_URL = "CHECKVALVE_STATE"  # of the environment: it may hold a password, which no file of ours should
DEFAULT_DATA = "~/.local/share/checkvalve"
EXERCISE_MARK = "exercise.json"  # in the data directory of an exercise


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one installation. Addresses are `host:port`, URLs without a trailing slash."""

    data: Path
    listen: str = DEFAULT_LISTEN
    public_url: str = f"http://{DEFAULT_LISTEN}"  # as sensors and people reach core
    gateway_url: str = f"http://{DEFAULT_GATEWAY}"  # as the shop reaches the gateway
    sync_seconds: float = 5.0  # how often a shop's outbox is asked for
    state_url: str | None = None  # PostgreSQL; without one the state is a file in the data directory

    @property
    def state_file(self) -> Path:
        return self.data / "state.db"

    @property
    def state(self) -> Path | str:
        """What `open_state` takes."""
        return self.state_url or self.state_file

    @property
    def has_state(self) -> bool:
        return self.state_url is not None or self.state_file.exists()

    @property
    def archive_dir(self) -> Path:
        return self.data / "archive"

    @property
    def gateway_dir(self) -> Path:
        return self.data / "gateway"


def data_dir(given: str | None) -> Path:
    """`--data`, else CHECKVALVE_DATA, else the user's data directory."""
    return Path(given or os.environ.get("CHECKVALVE_DATA") or DEFAULT_DATA).expanduser().resolve()


def make_private(path: Path) -> None:
    """Create a directory that only its owner may enter; refuse one that others can."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_private(path)


def require_private(path: Path) -> None:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise EngineError("not_private", f"{path} can be read by other users; run: chmod -R go-rwx {path}")


def write_private(path: Path, content: bytes) -> None:
    """Replace a file's content at once and durably; nobody but its owner may read it."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def save_settings(settings: Settings) -> None:
    """Keep the addresses, so that other commands on this data directory know them."""
    make_private(settings.data)
    kept = {n: getattr(settings, n) for n in ("listen", "public_url", "gateway_url", "sync_seconds")}
    write_private(settings.data / "settings.json", json.dumps(kept, indent=1).encode())


def load_settings(data: Path) -> Settings:
    path = data / "settings.json"
    try:
        kept = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise EngineError("bad_settings", f"{path} is not JSON; delete it and run `checkvalve up` again") from error
    known = {k: v for k, v in kept.items() if k in ("listen", "public_url", "gateway_url", "sync_seconds")}
    # An exercise has a state of its own: the one that the environment names is real.
    state_url = None if is_exercise(data) else os.environ.get(STATE_URL) or None
    return Settings(data=data, state_url=state_url, **known)


def is_exercise(data: Path) -> bool:
    """Whether a data directory is an exercise's."""
    return (data / EXERCISE_MARK).exists()
