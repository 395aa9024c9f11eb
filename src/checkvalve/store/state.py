"""The state database: opened, migrated, and used in short transactions.

SQLite in WAL mode with synchronous=FULL, or PostgreSQL. What matters most lives in the log, so losing it loses no evidence.
On both there is one writer at a time, and a reader sees one moment: the code above relies on it and never asks which it is.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError

from checkvalve.store.journal import JournalError

ONE_WRITER: Final = 0x436865636B  # key of the lock that makes writers of one database wait for each other


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


def open_state(where: Path | str) -> State:
    """Open, creating and migrating as needed: a SQLite file by its path, PostgreSQL by its URL."""
    engine = _sqlite(where) if isinstance(where, Path) else _postgresql(where)
    try:
        migrate(engine)
    except DatabaseError as error:
        engine.dispose()
        said = str(error.orig).strip().splitlines()[0]
        raise StateError(
            f"{_name(engine)} cannot be used ({said})",
            "The log is untouched: bring the database back, from a backup if need be; core digests the rest",
        ) from error
    return State(engine)


def _name(engine: Engine) -> str:
    return engine.url.database or "" if engine.dialect.name == "sqlite" else engine.url.render_as_string(hide_password=True)


def _sqlite(path: Path) -> Engine:
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

    return engine


def _postgresql(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "postgresql":
            raise ArgumentError("another kind of database")
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            pool_pre_ping=True,
            execution_options={"preserve_rowcount": True},  # of an INSERT that may do nothing
        )
    except ArgumentError as error:
        hint = "CHECKVALVE_STATE is like postgresql://user@host/name"
        raise StateError("the state's URL is none of a PostgreSQL database", hint) from error
    except ModuleNotFoundError as error:
        raise StateError("the driver of PostgreSQL is missing", "pip install 'checkvalve[postgres]'") from error

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("checkvalve_read", False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ONE_WRITER})")

    return engine


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
