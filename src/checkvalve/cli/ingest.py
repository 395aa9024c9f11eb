"""checkvalve evidence ingest | tail."""

import argparse
import signal
import threading
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from checkvalve.cli.output import OK, complain, console, print_json
from checkvalve.engine.import_file import Result, Wanted, import_file
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.engine.tailing import follow
from checkvalve.events.imports.formats import FORMATS
from checkvalve.regimes.deadline import from_ms, parse_time, rfc3339


def add_parser(actions: Any, common: argparse.ArgumentParser) -> None:
    ingest = actions.add_parser(
        "ingest", parents=[common], help="another program's log into the log: each record once, however often it is given"
    )
    ingest.add_argument("file", metavar="FILE", help="plain or gzip; for plugins also a database dump or an SQLite database")
    _describe(ingest, tuple(FORMATS))
    ingest.add_argument(
        "--whole", action="store_true", help="nobody writes to it any more: its last line counts without an end"
    )
    ingest.set_defaults(run=_ingest)
    tail = actions.add_parser("tail", parents=[common], help="follow a log that is being written, across its rotation")
    tail.add_argument("file", metavar="FILE")
    _describe(tail, tuple(name for name, form in FORMATS.items() if form.followed))
    tail.add_argument("--once", action="store_true", help="read what is there now, then end; the next call goes on from there")
    tail.set_defaults(run=_tail)


def _describe(parser: argparse.ArgumentParser, formats: tuple[str, ...]) -> None:
    """What a file does not say itself."""
    parser.add_argument("--format", required=True, choices=formats, help="what wrote it")
    parser.add_argument("--site", help="of which shop (default: the only one)")
    parser.add_argument("--source", metavar="NAME", help="which machine, where several have such a log, e.g. web1")
    parser.add_argument("--zone", default="UTC", metavar="ZONE", help="of local times in it, e.g. Europe/Berlin (default: UTC)")
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--day-first", dest="day_first", action="store_true", default=None, help="05/06/2026 is the 5th of June")
    order.add_argument("--month-first", dest="day_first", action="store_false", help="05/06/2026 is the 6th of May")
    parser.add_argument("--started-at", metavar="T", help="when the model server started (llama.cpp counts from there)")


def _wanted(arguments: argparse.Namespace) -> Wanted:
    return Wanted(
        path=Path(arguments.file),
        format=arguments.format,
        site=arguments.site,
        name=arguments.source,
        zone=arguments.zone,
        day_first=arguments.day_first,
        started_ms=int(parse_time(arguments.started_at).timestamp() * 1000) if arguments.started_at else None,
        whole=getattr(arguments, "whole", False),
    )


def _tail(arguments: argparse.Namespace) -> int:
    """Until it is told to end (SIGTERM, SIGINT); then what stands in the file is read and told."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    said: set[str] = set()

    def waiting(why: str) -> None:
        if why not in said:
            complain(f"waiting: {why}")
            said.add(why)

    settings = load_settings(data_dir(arguments.data))
    done = follow(settings, _wanted(arguments), until=lambda: arguments.once or asked.is_set(), waiting=waiting)
    if arguments.json:
        print_json(done)
    else:
        _tell(done.result)
    return OK


def _ingest(arguments: argparse.Namespace) -> int:
    wanted = _wanted(arguments)
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
