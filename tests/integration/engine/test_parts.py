"""A bug in one part of what is written for a chunk of entries: the other parts are kept, and it is a finding."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from tests.integration.engine.test_replay import Writer, paired

from checkvalve.engine import bypass, completeness, imports
from checkvalve.store.schema import cursor, events, findings, sequences

__all__ = ["paired"]  # a fixture
SHOP = "s-aaaaaaaaaaaa"
PRIVATE = "customer@example.com"


def broken(*_: Any) -> None:
    raise ValueError(PRIVATE)


@pytest.mark.parametrize(("module", "name"), [(imports, "remember"), (bypass, "note"), (completeness, "in_contact")])
def test_a_bug_in_one_part_holds_up_nothing_and_is_told(
    tmp_path: Path, paired: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, module: Any, name: str
) -> None:
    writer = Writer(paired_copy(paired, tmp_path))
    try:
        with monkeypatch.context() as bent:
            bent.setattr(module, name, broken)
            writer.apply(("request", (SHOP, 0)))
            writer.core.pipeline.catch_up()
        writer.apply(("request", (SHOP, 0)))
        writer.core.pipeline.catch_up()
        assert len(writer.query(events)) == 2
        assert [r.highest for r in writer.query(sequences)] == [2]
        assert [r.value for r in writer.query(cursor) if r.name == "next_entry"] == [writer.core.journal.size]
        (told,) = [r for r in writer.query(findings) if r.detector == "undigested_entry"]
        assert "ValueError" in told.summary
        assert PRIVATE not in told.summary + caplog.text
    finally:
        writer.core.close()


def test_a_value_that_no_column_holds_costs_its_own_row_alone(
    tmp_path: Path, paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from checkvalve.engine import observe

    whole = observe.row
    writer = Writer(paired_copy(paired, tmp_path))
    try:
        monkeypatch.setattr(observe, "row", lambda seen: whole(seen) | ({"time_ms": 2**70} if seen.seq == 2 else {}))
        for _ in range(3):
            writer.apply(("request", (SHOP, 0)))
        writer.core.pipeline.catch_up()
        assert [r.seq for r in writer.query(events)] == [1, 3]
        assert [r.detector for r in writer.query(findings)] == ["undigested_entry"]
    finally:
        writer.core.close()


def test_a_database_without_room_keeps_nothing_of_the_chunk_and_it_is_tried_again(
    tmp_path: Path, paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    writer = Writer(paired_copy(paired, tmp_path))
    try:
        with monkeypatch.context() as bent:
            bent.setattr(imports, "remember", full)
            writer.apply(("request", (SHOP, 0)))
            with pytest.raises(OperationalError):
                writer.core.pipeline.catch_up()
            assert writer.query(events) == []
        writer.core.pipeline.catch_up()
        assert len(writer.query(events)) == 1
        assert writer.query(findings) == []
    finally:
        writer.core.close()


def paired_copy(paired: Path, where: Path) -> Path:
    import shutil

    return Path(shutil.copytree(paired, where / "data"))
