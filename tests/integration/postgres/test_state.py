"""The state on PostgreSQL: a whole response, the same rows as on SQLite, one writer at a time."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select
from tests.integration.engine import log
from tests.integration.engine.scene import scene
from tests.migration.test_schema import shape
from tests.wire.core_process import CoreProcess

from checkvalve.engine import rebuilding
from checkvalve.engine.core import open_core
from checkvalve.engine.settings import Settings, load_settings
from checkvalve.store.schema import cursor, metadata, sites
from checkvalve.store.state import StateError, open_state

Make = Callable[[], str]


def answered(data: Path) -> dict[str, Any]:
    """A leak answered to its end; what `case show` says of it."""
    with scene(CoreProcess(data=data)) as staged:
        staged.leak(0, 1)
        staged.leak(1, 2, 3)
        return staged.respond()


def test_a_leak_is_answered_with_the_state_on_postgresql(
    database: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECKVALVE_STATE", database())
    shown = answered(tmp_path / "data")
    assert shown["case"]["contained_ms"] is not None
    assert shown["scope"]["confirmed"]["subjects"] == 4
    assert not (tmp_path / "data" / "state.db").exists()
    core = open_core(load_settings(tmp_path / "data"))
    try:
        here = log.tables(core)
    finally:
        core.close()
    assert _replayed(tmp_path / "data", tmp_path / "copy", None, load_settings(tmp_path / "data")) == here


def test_a_log_gives_the_same_rows_on_both(database: Make, tmp_path: Path) -> None:
    answered(tmp_path / "data")
    on_sqlite = log.reduced(tmp_path / "data")
    on_postgresql = _replayed(tmp_path / "data", tmp_path / "copy", database(), Settings(data=tmp_path / "data"))
    for name, rows in on_sqlite.items():
        assert on_postgresql[name] == rows, name


def _replayed(data: Path, where: Path, state_url: str | None, known: Settings) -> dict[str, list[dict[str, Any]]]:
    """What the log at `data` gives from nothing in another database, with the pairings of `known`."""
    shutil.copytree(data, where)
    (where / "state.db").unlink(missing_ok=True)
    settings = Settings(data=where, state_url=state_url)
    source, fresh = open_state(known.state), open_state(settings.state)
    rebuilding.copy_kept(source, fresh)
    source.close()
    fresh.close()
    core = open_core(settings)
    try:
        log.forget(core)
        core.pipeline.catch_up()
        return log.tables(core)
    finally:
        core.close()


def test_migrations_build_the_tables_the_code_declares(database: Make) -> None:
    migrated, declared = open_state(database()), create_engine(database().replace("postgresql:", "postgresql+psycopg:"))
    metadata.create_all(declared)
    found, expected = shape(migrated.engine), shape(declared)
    migrated.close()
    declared.dispose()
    assert set(found) == set(expected) == set(metadata.tables)
    for table in expected:
        assert found[table] == expected[table], table


def test_writers_wait_for_each_other_and_readers_see_one_moment(database: Make) -> None:
    state = open_state(database())
    inside, overlaps = 0, []

    def write(number: int) -> None:
        nonlocal inside
        with state.begin() as db:
            inside += 1
            overlaps.append(inside)
            time.sleep(0.05)
            db.execute(cursor.insert().values(name=f"n{number}", value=number))
            inside -= 1

    with state.read() as db:
        assert db.scalar(select(func.count()).select_from(cursor)) == 0
        threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert db.scalar(select(func.count()).select_from(cursor)) == 0
    with state.read() as db:
        assert db.scalar(select(func.count()).select_from(cursor)) == 6
    assert set(overlaps) == {1}
    state.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://user:secret@127.0.0.1/x", "postgresql://user:secret@127.0.0.1:1/x"])
def test_a_database_that_cannot_be_had_is_one_line_without_its_password(url: str) -> None:
    with pytest.raises(StateError) as caught:
        open_state(url)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_reader_cannot_write(database: Make) -> None:
    state = open_state(database())
    with state.read() as db, pytest.raises(Exception, match="read-only"):
        db.execute(sites.delete())
    state.close()
