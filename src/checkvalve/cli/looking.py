"""checkvalve evidence find | erase | ask | rebuild."""

import argparse
import sys
from typing import Any

from rich.table import Table

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine import looking, rebuilding
from checkvalve.engine.settings import data_dir, load_settings

BY = "user:cli"


def add_parsers(actions: Any, common: argparse.ArgumentParser) -> None:
    find = actions.add_parser("find", parents=[common], help="where a value appears, sealed content included")
    find.add_argument("value", metavar="VALUE", help="an e-mail, a telephone, an order number, words; - reads it from stdin")
    find.add_argument("--purpose", default="incident response", help="why: it is kept with the reading (default: %(default)s)")
    find.add_argument("--case", help="for which case")
    find.set_defaults(run=_find)

    erase = actions.add_parser("erase", parents=[common], help="delete the keys of all records that hold a person")
    erase.add_argument("--subject", required=True, metavar="REF", help="as the exposures name them, e.g. customer:42")
    erase.add_argument("--reason", default="GDPR Art. 17", help="kept with the decision (default: %(default)s)")
    erase.add_argument(
        "--value",
        action="append",
        default=[],
        metavar="TEXT",
        help="a name, an address, … of the person, as it may stand in a text",
    )
    erase.add_argument("--every-record", action="store_true", help="open each record and compare it (a minute for 100,000)")
    erase.set_defaults(run=_erase)

    rebuild = actions.add_parser("rebuild", parents=[common], help="make the sealed segments anew from the log (core stopped)")
    rebuild.set_defaults(run=_rebuild)

    ask = actions.add_parser("ask", parents=[common], help="a question to all events, sealed segments included")
    ask.add_argument("question", choices=looking.ASKED)
    ask.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="times as milliseconds since 1970, UTC")
    ask.add_argument("--sql", choices=("duckdb", "spark", "clickhouse"), help="print the SQL for that engine instead")
    ask.set_defaults(run=_ask)


def _find(arguments: argparse.Namespace) -> int:
    value = sys.stdin.readline().strip() if arguments.value == "-" else arguments.value
    asked = looking.Looking(value=value, reader=BY, purpose=arguments.purpose, case=arguments.case)
    answer = looking.find(load_settings(data_dir(arguments.data)), asked)
    if arguments.json:
        print_json(answer)
    else:
        table = Table("entry", "time", "source", "field", "session", box=None)
        for hit in answer["hits"]:
            table.add_row(
                *(str(hit[n] if hit[n] is not None else "-") for n in ("entry", "time", "source", "field", "session"))
            )
        console.print(table)
        console.print(f"{len(answer['hits'])} places; this reading is entry {answer['access_entry']}")
        if answer["erased"]:
            console.print(f"{answer['erased']} more entries may have held it and are erased")
    return OK if answer["hits"] else NO


def _erase(arguments: argparse.Namespace) -> int:
    asked = looking.Erasing(
        subject=arguments.subject,
        by=BY,
        reason=arguments.reason,
        values=tuple(arguments.value),
        thorough=arguments.every_record,
    )
    answer = looking.erase(load_settings(data_dir(arguments.data)), asked)
    if arguments.json:
        print_json(answer)
    else:
        console.print(f"{answer['records']} records of {answer['subject']} can never be read again (entry {answer['entry']})")
        if answer["kept"]:
            console.print(f"[red]{answer['kept']} more are kept[/red]: they also hold somebody for whom a legal hold stands")
        for what in answer["not_searched"]:
            console.print(f"[yellow]not searched:[/yellow] {what}")
    return NO if answer["kept"] else OK


def _rebuild(arguments: argparse.Namespace) -> int:
    sealed = rebuilding.rebuild(load_settings(data_dir(arguments.data)))
    if arguments.json:
        print_json({"sealed": sealed})
    else:
        console.print(f"{sealed} entries are sealed anew")
    return OK


def _ask(arguments: argparse.Namespace) -> int:
    parameters = looking.parameters(arguments.question, arguments.parameters)
    if arguments.sql:
        print(looking.sql(arguments.question, arguments.sql, parameters))
        return OK
    rows = looking.ask(load_settings(data_dir(arguments.data)), arguments.question, parameters)
    if arguments.json:
        print_json({"rows": rows})
    else:
        show(rows)
    return OK if rows else NO


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(*(rows[0] if rows else ()), box=None)
    for row in rows:
        table.add_row(*(str(v) if v is not None else "-" for v in row.values()))
    console.print(table)
