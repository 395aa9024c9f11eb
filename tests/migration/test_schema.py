"""What the migrations build is what the code's tables say, and an older database is brought there."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import Engine

from checkvalve.store.schema import metadata
from checkvalve.store.state import migrate, open_state


def shape(engine: Engine) -> dict[str, Any]:
    """Everything a query could notice, by table: columns, keys, indexes, uniqueness."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)},
            "order": [c["name"] for c in inspector.get_columns(table)],
            "primary": inspector.get_pk_constraint(table),
            "foreign": sorted(map(str, inspector.get_foreign_keys(table))),
            "indexes": sorted((str(i["name"]), i["column_names"], i["unique"]) for i in inspector.get_indexes(table)),
            "unique": sorted((str(u["name"]), u["column_names"]) for u in inspector.get_unique_constraints(table)),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


@pytest.fixture
def declared(tmp_path: Path) -> dict[str, Any]:
    engine = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    metadata.create_all(engine)
    found = shape(engine)
    engine.dispose()
    return found


def test_migrations_build_the_tables_the_code_declares(tmp_path: Path, declared: dict[str, Any]) -> None:
    state = open_state(tmp_path / "migrated.db")
    migrated = shape(state.engine)
    state.close()
    assert set(migrated) == set(declared) == set(metadata.tables)
    for table in declared:
        assert migrated[table] == declared[table], table


def test_the_comparison_sees_a_difference(tmp_path: Path, declared: dict[str, Any]) -> None:
    state = open_state(tmp_path / "changed.db")
    state.close()
    with sqlite3.connect(tmp_path / "changed.db") as db:
        db.execute("DROP INDEX ix_events_trace")
        db.execute("ALTER TABLE findings ADD COLUMN more VARCHAR NOT NULL DEFAULT ''")
    db.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'changed.db'}")
    changed = shape(engine)
    engine.dispose()
    assert {t for t in declared if changed[t] != declared[t]} == {"events", "findings"}


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for _ in range(2):
        state = open_state(path)
        with state.read() as db:
            assert db.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar() == 1
        migrate(state.engine)
        state.close()


def test_every_migration_can_be_taken_in_order_from_nothing(tmp_path: Path) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "checkvalve:store/migrations")
    revisions = list(ScriptDirectory.from_config(config).walk_revisions())
    assert [r.down_revision for r in reversed(revisions)] == [None, *(r.revision for r in reversed(revisions))][:-1]
    files = sorted(Path(str(r.path)).name.split("_")[0] for r in revisions)
    assert files == sorted(r.revision for r in revisions)  # `migrate` takes the newest file's number for the head


def test_the_state_database_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_state(path).close()
    assert path.stat().st_mode & 0o077 == 0
