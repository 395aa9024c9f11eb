"""The archive made anew from the log: when one of its files was lost or changed.

Everything is digested again into a scratch state beside the real one, sealed, and put in place whole. Rows of erased entries
cannot come back: what they said is gone.
"""

import shutil
from typing import Final

from checkvalve.engine.changed import Changed
from checkvalve.engine.core import open_core
from checkvalve.engine.offline import opened
from checkvalve.engine.pipeline import Pipeline
from checkvalve.engine.reducing import Reducer
from checkvalve.engine.sealing import SEAL_ENTRIES, Sealer
from checkvalve.engine.settings import Settings
from checkvalve.store.archive import Archive
from checkvalve.store.schema import metadata
from checkvalve.store.state import State, open_state

# Made by pairing and by people, not by the log.
KEPT: Final = ("sites", "sensors", "pairing_codes", "users", "sessions", "login_failures")


def rebuild(settings: Settings) -> int:
    """How many entries are sealed now. Core must not run; JournalError when it does."""
    with opened(settings):  # an installation, or EngineError
        pass
    core = open_core(settings)
    scratch, fresh, old = (settings.data / n for n in ("rebuild.db", "archive.fresh", "archive.old"))
    try:
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)
        scratch.unlink(missing_ok=True)
        state = open_state(scratch)
        try:
            copy_kept(core.state, state)
            Pipeline(core.journal, Reducer(state, core.identity.repeat_key), Changed()).catch_up()
            archive = Archive(fresh, core.identity.log_key, core.identity.origin)
            sealer = Sealer(archive, state, core.now_ms)
            for until in [*range(SEAL_ENTRIES, core.journal.size, SEAL_ENTRIES), core.journal.size]:
                if until > archive.manifest.until:
                    sealer.seal(until)
        finally:
            state.close()
        if settings.archive_dir.exists():
            settings.archive_dir.rename(old)
        fresh.rename(settings.archive_dir)
        shutil.rmtree(old, ignore_errors=True)
        return archive.manifest.until
    finally:
        for path in settings.data.glob("rebuild.db*"):
            path.unlink()
        core.close()


def copy_kept(state: State, scratch: State) -> None:
    """What the log cannot give back: pairings, people, their log-ins."""
    with state.read() as source, scratch.begin() as db:
        for table in metadata.sorted_tables:  # rows that others refer to go first
            if table.name in KEPT and (rows := [dict(r._mapping) for r in source.execute(table.select())]):
                db.execute(table.insert(), rows)
