"""checkvalve evidence ingest."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from checkvalve.cli.output import OK, console, print_json
from checkvalve.engine.import_file import Result, Wanted, import_file
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.events.imports.formats import FORMATS
from checkvalve.regimes.deadline import from_ms, parse_time, rfc3339


def add_parser(actions: Any, common: argparse.ArgumentParser) -> None:
    ingest = actions.add_parser(
        "ingest", parents=[common], help="another program's log into the log: each record once, however often it is given"
    )
    ingest.add_argument("file", metavar="FILE", help="plain or gzip; for plugins also a database dump or an SQLite database")
    ingest.add_argument("--format", required=True, choices=tuple(FORMATS), help="what wrote it")
    ingest.add_argument("--site", help="of which shop (default: the only one)")
    ingest.add_argument("--source", metavar="NAME", help="which machine, where several have such a log, e.g. web1")
    ingest.add_argument("--zone", default="UTC", metavar="ZONE", help="of local times in it, e.g. Europe/Berlin (default: UTC)")
    order = ingest.add_mutually_exclusive_group()
    order.add_argument("--day-first", dest="day_first", action="store_true", default=None, help="05/06/2026 is the 5th of June")
    order.add_argument("--month-first", dest="day_first", action="store_false", help="05/06/2026 is the 6th of May")
    ingest.add_argument("--started-at", metavar="T", help="when the model server started (llama.cpp counts from there)")
    ingest.set_defaults(run=_ingest)


def _ingest(arguments: argparse.Namespace) -> int:
    wanted = Wanted(
        path=Path(arguments.file),
        format=arguments.format,
        site=arguments.site,
        name=arguments.source,
        zone=arguments.zone,
        day_first=arguments.day_first,
        started_ms=int(parse_time(arguments.started_at).timestamp() * 1000) if arguments.started_at else None,
    )
    size = wanted.path.stat().st_size if wanted.path.is_file() else None
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(wanted.path.name, total=size)
        done = import_file(load_settings(data_dir(arguments.data)), wanted, lambda at: bar.update(task, completed=at))
    if arguments.json:
        print_json(done)
    else:
        _tell(done)
    return OK


def _tell(done: Result) -> None:
    console.print(f"{done.records} records: {done.entries} new in the log, {done.known} known before")
    if done.first_ms is not None and done.last_ms is not None:
        console.print(f"from {rfc3339(from_ms(done.first_ms))} to {rfc3339(from_ms(done.last_ms))}")
    if done.malformed:
        console.print(f"[yellow]{done.malformed} could not be read[/yellow]: they are entries, each with a finding")
    for note in done.notes:
        console.print(note)
