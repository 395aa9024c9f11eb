"""The state database: opened, migrated, and used in short transactions.

SQLite in WAL mode with synchronous=FULL; what matters most lives in the log, so losing this file loses no evidence.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError

from checkvalve.store.journal import JournalError


class StateError(JournalError):
    """The state database cannot be opened."""


class State:
    """A handle on the database. `begin()` is one writing transaction, `read()` a consistent view that blocks nobody."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self.engine.connect().execution_options(checkvalve_read=True) as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def open_state(path: Path) -> State:
    """Open (creating and migrating as needed) the SQLite database at `path`."""
    path.touch(mode=0o600)
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": 30, "check_same_thread": False},
        hide_parameters=True,  # an error must not carry a row's values into a log
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's recipe: we send BEGIN ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("checkvalve_read", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    try:
        migrate(engine)
    except DatabaseError as error:
        engine.dispose()
        raise StateError(
            f"{path} cannot be used ({error.orig})",
            "The log is untouched: restore this file from a backup, core digests the rest",
        ) from error
    return State(engine)


def migrate(engine: Engine) -> None:
    """Bring the database to the newest revision. Alembic is slow to import, so only when there is something to do."""
    newest = max(p.name.split("_")[0] for p in (Path(__file__).parent / "migrations" / "versions").glob("[0-9]*.py"))
    with engine.connect().execution_options(checkvalve_read=True) as connection:
        known = inspect(connection).has_table("alembic_version")
        if known and connection.scalar(text("SELECT version_num FROM alembic_version")) == newest:
            return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "checkvalve:store/migrations")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
