"""The record of an exercise on disk, and its after-action report as HTML, PDF, DOCX, JSON; exports of its case."""

import io
import re
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import jinja2
import msgspec

from checkvalve.engine.errors import EngineError
from checkvalve.engine.exercise import Record, exercises_dir
from checkvalve.engine.settings import Settings, write_private
from checkvalve.exercises.review import span, view
from checkvalve.exercises.sharing import Told, stix, veris

FILE: Final = "record.json"
NAMESPACE: Final = uuid.UUID("0f2b7f0e-6d0b-5a52-9a0e-3a1f6a2d9c11")
MAX_TREND: Final = 20


def keep(home: Settings, record: Record) -> dict[str, Any]:
    """Write the record into the exercise's directory; what `read` gives."""
    about = {
        "players": record.players,
        "seed": record.seed,
        "start_ms": record.start_ms,
        "end_ms": record.end_ms,
        "held_ms": record.held_ms,
    }
    shown = view(record.id, record.scenario, record.score, record.measures, record.marks, about)
    told = Told(
        exercise=record.id,
        scenario=record.scenario,
        case=record.cases[0] if record.cases else None,
        measures=record.measures,
        marks=record.marks,
    )
    body: dict[str, Any] = {
        "exercise": f"EXERCISE {record.id}",
        "id": record.id,
        "scenario": record.scenario.id,
        **about,
        "score": shown["score"],
        "measures": msgspec.to_builtins(record.measures, str_keys=True),
        "expectations": {r.expectation.id: r.status for r in record.score.results},
        "decisions": {c.decision: c.option for c in record.score.choices},
        "cases": [c.id for c in record.cases],
        "pages": [title for title, _ in record.pages],
        "view": shown,
        "veris": veris(told),
        "stix": stix(told, lambda name: str(uuid.uuid5(NAMESPACE, f"{record.id}/{name}"))),
    }
    write_private(record.directory / FILE, msgspec.json.format(msgspec.json.encode(body), indent=1))
    return read(home, record.id)


def read(home: Settings, name: str) -> dict[str, Any]:
    """The record of an exercise that has ended."""
    if not re.fullmatch(r"EX-\d{4,6}", name):
        raise EngineError("not_found", f"{name[:40]!r} is no exercise; see `checkvalve exercise list`")
    try:
        found: dict[str, Any] = msgspec.json.decode((exercises_dir(home) / name / FILE).read_bytes())
    except FileNotFoundError as error:
        raise EngineError("not_found", f"there is no record of {name}; see `checkvalve exercise list`") from error
    return found


def past(home: Settings) -> list[dict[str, Any]]:
    """Every exercise that has ended, oldest first."""
    root = exercises_dir(home)
    return [read(home, p.parent.name) for p in sorted(root.glob(f"EX-*/{FILE}"))] if root.is_dir() else []


def trend(home: Settings) -> list[dict[str, Any]]:
    """One line an exercise: what became better, what worse."""
    return [
        {
            "name": r["id"],
            "scenario": r["scenario"],
            "players": r["players"],
            "percent": r["score"]["percent"],
            "acknowledge": span(r["measures"]["acknowledge"]),
            "contain": span(r["measures"]["contain"]),
            "notice": span(r["measures"]["notice"]),
        }
        for r in past(home)[-MAX_TREND:]
    ]


def rendered(home: Settings, name: str, form: str) -> bytes:
    record = read(home, name)
    shown = record["view"] | {"trend": trend(home)}
    return FORMATS[form](record, shown)


@cache
def _text(name: str) -> str:
    return files("checkvalve.content.scenarios").joinpath(name).read_text("utf-8")


def _json(record: Mapping[str, Any], shown: Mapping[str, Any]) -> bytes:
    kept = {k: v for k, v in record.items() if k not in ("view", "veris", "stix")}
    return msgspec.json.format(msgspec.json.encode(kept | {"report": shown}), indent=2)


def _html(_: Mapping[str, Any], shown: Mapping[str, Any]) -> bytes:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text("review.html")).render(v=shown).encode()


def _pdf(record: Mapping[str, Any], shown: Mapping[str, Any]) -> bytes:
    import typst

    inputs = {"view": msgspec.json.encode(shown).decode()}
    root = str(files("checkvalve.content.scenarios"))
    made = typst.compile(  # type: ignore[type-var] # its stub gives one type variable to two parameters
        _text("review.typ").encode(), root=root, timestamp=record["end_ms"] // 1000, sys_inputs=inputs
    )
    assert isinstance(made, bytes)
    return made


def _docx(_: Mapping[str, Any], shown: Mapping[str, Any]) -> bytes:
    import docx
    from docx.shared import Pt, RGBColor

    document = docx.Document()
    document.core_properties.title, document.core_properties.author = shown["document"], "Checkvalve"
    document.sections[0].header.paragraphs[0].add_run(shown["mark"]).bold = True
    document.add_heading(shown["title"], level=1)
    for line in shown["meta"]:
        document.add_paragraph().add_run(line).font.size = Pt(8.5)
    stamp = document.add_paragraph().add_run(shown["stamp"])
    stamp.bold, stamp.font.color.rgb = True, RGBColor(0x1D, 0x4E, 0x89)
    document.add_paragraph(f"{shown['score']['percent']} %: {shown['score']['points']} of {shown['score']['of']} points")
    document.add_paragraph(shown["summary"])
    for heading, columns, rows in _tables(shown):
        document.add_heading(heading, level=2)
        table = document.add_table(rows=1, cols=len(columns), style="Table Grid")
        for cell, name in zip(table.rows[0].cells, columns, strict=True):
            cell.text = name
        for row in rows:
            for cell, value in zip(table.add_row().cells, row, strict=True):
                cell.text = value
    document.add_heading("Hot wash", level=2)
    for question in shown["hot_wash"]:
        document.add_paragraph(question, style="List Bullet")
    document.add_paragraph(f"{shown['stamp']} {shown['origin']}")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _tables(shown: Mapping[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    measured = [[t["name"], t["value"], t["note"]] for t in shown["times"]]
    measured += [[c["name"], c["value"], ""] for c in shown["counts"]]
    measured += [[c["name"], c["value"], "margin to the clock"] for c in shown["clocks"]]
    measured += [[f"Mandatory fields at {f['name']}", f["value"], ""] for f in shown["fields"] if f["value"]]

    def rows(name: str, *columns: str) -> list[list[str]]:
        return [[str(row[c]) for c in columns] for row in shown[name]]

    return [
        ("Objectives", ["Objective", "Points", "Of"], rows("objectives", "text", "points", "of")),
        ("Measured", ["What", "Value", "Counted"], measured),
        (
            "Expectations",
            ["Expected", "Who", "Result", "Score", "Took"],
            rows("expectations", "text", "role", "status", "score", "took"),
        ),
        ("Decisions", ["Asked", "Who", "Decided", "Took"], rows("decisions", "asked", "role", "chosen", "took")),
        ("Improvement plan", ["What", "Why", "Owner", "By"], rows("improvements", "text", "why", "owner", "due")),
        ("Trend", ["Exercise", "Scenario", "Score"], rows("trend", "name", "scenario", "percent")),
        ("Timeline", ["At", "What", "Entry"], rows("timeline", "at", "what", "entry")),
    ]


def _export(name: str) -> Callable[[Mapping[str, Any], Mapping[str, Any]], bytes]:
    return lambda record, _: msgspec.json.format(msgspec.json.encode(record[name]), indent=2)


FORMATS: Final[Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], bytes]]] = {
    "json": _json,
    "html": _html,
    "pdf": _pdf,
    "docx": _docx,
    "veris": _export("veris"),
    "stix": _export("stix"),
}
