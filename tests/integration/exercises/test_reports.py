"""What an exercise leaves behind: the after-action report in every form, and its case as others read it."""

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import docx
import pytest
import stix2
from pypdf import PdfReader

from checkvalve.engine import exercise_report
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings
from checkvalve.exercises import library

Played = Mapping[tuple[str, str], dict[str, Any]]


def form(played: Played, wanted: str, name: str = "cache-mixup", players: str = "bad") -> bytes:
    record = played[name, players]
    return exercise_report.rendered(Settings(data=record["home"]), record["id"], wanted)


def text_of(data: bytes, wanted: str) -> str:
    match wanted:
        case "pdf":
            return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)
        case "docx":
            document = docx.Document(io.BytesIO(data))
            cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
            return "\n".join([*(p.text for p in document.paragraphs), *cells])
        case _:
            return data.decode()


@pytest.mark.parametrize("wanted", ["html", "pdf", "docx", "json"])
def test_every_form_tells_the_whole(played: Played, wanted: str) -> None:
    text = " ".join(text_of(form(played, wanted), wanted).split())
    assert text.count("EXERCISE") >= 3
    for said in (
        "42 of 100 points" if wanted != "json" else '"percent": 42',
        "95 min",  # until somebody acknowledged
        "Wait until the cause is known",  # a decision
        "came late",  # why something is in the improvement plan
        "Who would have acknowledged at 3 a.m.?",  # the hot wash
        (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-"),  # when it is due, in real time
        "gdpr_72h",
    ):
        assert said in text, said


def test_every_page_of_the_pdf_says_what_it_is(played: Played) -> None:
    pages = [p.extract_text() for p in PdfReader(io.BytesIO(form(played, "pdf", "core-rce-friday"))).pages]
    assert len(pages) > 2 and all("EXERCISE" in page for page in pages)


def test_the_word_file_says_it_on_every_page(played: Played) -> None:
    with zipfile.ZipFile(io.BytesIO(form(played, "docx"))) as archive:
        headers = [archive.read(n).decode() for n in archive.namelist() if n.startswith("word/header")]
    assert any("EXERCISE" in header for header in headers)


def test_hostile_words_stay_words(tmp_path: Path, played: Played) -> None:
    """A scenario's text goes into a page; it must not become part of it."""
    record = json.loads(form(played, "json"))
    home = Settings(data=tmp_path)
    there = tmp_path / "exercises" / "EX-0001"
    there.mkdir(parents=True)
    shown = record["report"] | {"title": 'EXERCISE: <script>alert(1)</script> #import "x" $a$'}
    (there / "record.json").write_text(json.dumps({**record, "view": shown, "veris": {}, "stix": {}}))
    html = exercise_report.rendered(home, "EX-0001", "html").decode()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "#import" in text_of(exercise_report.rendered(home, "EX-0001", "pdf"), "pdf")


@pytest.mark.parametrize("name", ["../../etc", "EX-0001/../EX-0002", "EX-1", "EX-9999", ""])
def test_what_is_no_exercise_is_said_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError, match="exercise"):
        exercise_report.read(Settings(data=tmp_path), name)


@pytest.mark.parametrize("name", library.names())
def test_the_case_is_read_by_the_reader_of_stix(played: Played, name: str) -> None:
    bundle = stix2.parse(form(played, "stix", name, "good").decode(), allow_custom=False)
    kinds = {o.type for o in bundle.objects}
    assert {"incident", "report", "identity", "marking-definition"} <= kinds
    marked = [o for o in bundle.objects if o.type not in ("identity", "marking-definition")]
    statement = next(o for o in bundle.objects if o.type == "marking-definition" and hasattr(o, "definition"))
    assert "EXERCISE" in statement.definition.statement
    for item in marked:
        assert "exercise" in item.labels and statement.id in item.object_marking_refs
        assert item.type == "relationship" or item.name.startswith("EXERCISE")
    ids = [o.id for o in bundle.objects]
    assert len(ids) == len(set(ids)) and set(next(o for o in bundle.objects if o.type == "report").object_refs) <= set(ids)


@pytest.mark.parametrize("name", library.names())
def test_the_case_is_said_in_words_of_veris(played: Played, name: str) -> None:
    found = json.loads(form(played, "veris", name, "good"))
    wanted = ("schema_version", "incident_id", "security_incident", "summary", "actor", "action", "asset", "timeline")
    assert all(n in found for n in (*wanted, "discovery_method"))
    assert found["plus"]["exercise"].startswith("EXERCISE") and found["summary"].startswith("EXERCISE")
    real = library.shipped(name).real
    assert found["security_incident"] == ("Confirmed" if real else "False positive")
    assert found["attribute"]["confidentiality"]["data_disclosure"] == ("Yes" if real else "No")
    assert found["timeline"]["incident"]["year"] in (2026, 2027)
    assert found["timeline"]["containment"]["unit"] in ("Minutes", "Never")


def test_exports_name_nobody(played: Played) -> None:
    for name in library.names():
        for wanted in ("veris", "stix"):
            text = form(played, wanted, name, "good").decode()
            assert "customer:" not in text and "@" not in text
