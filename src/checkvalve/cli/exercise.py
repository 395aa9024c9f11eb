"""checkvalve exercise: rehearse a leak with the real system on made-up people."""

import argparse
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import msgspec

from checkvalve.cli.output import BAD, NO, OK, complain, console, print_json
from checkvalve.engine.errors import EngineError
from checkvalve.engine.offline import read_file
from checkvalve.engine.settings import Settings, data_dir, load_settings
from checkvalve.exercises import library, world
from checkvalve.exercises.linter import LintError, lint, load
from checkvalve.exercises.measures import at_ms
from checkvalve.exercises.scenario import Role, Scenario, short_form

PLAYERS = ("scripted:good", "scripted:bad")
FORMS = ("html", "pdf", "docx", "json", "veris", "stix")
MAX_SPEED = 100_000.0


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("exercise", help="rehearse a leak: scenarios, runs, after-action reports")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", parents=[common], help="scenarios, and the exercises that were run")
    listed.set_defaults(run=_list)
    made = actions.add_parser("world", parents=[common], help="a made-up shop's people and a year of its trade")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--customers", type=int, default=5000)
    made.add_argument("--orders", type=int, default=20_000)
    made.add_argument("--languages", default="de,fr,pl,en", help="default: de,fr,pl,en")
    made.add_argument("--until", metavar="RFC3339", default="2026-11-01T00:00:00Z", help="end of the year of trade")
    made.add_argument("--out", metavar="DIR", help="write people, orders, baskets, texts and staff as JSON lines")
    made.set_defaults(run=_world)
    checked = actions.add_parser("lint", parents=[common], help="what is wrong with scenarios, or the schema they follow")
    checked.add_argument("files", nargs="*", metavar="FILE")
    checked.add_argument("--schema", action="store_true", help="print the JSON schema")
    checked.set_defaults(run=_lint)
    ran = actions.add_parser("run", parents=[common], help="run a scenario in a data space of its own")
    ran.add_argument("scenario", metavar="SCENARIO", help="a shipped scenario's name, or a file")
    ran.add_argument("--players", choices=PLAYERS, default=PLAYERS[0])
    ran.add_argument("--solo", action="store_true", help="you answer at this terminal; rules play the other roles")
    ran.add_argument("--role", choices=get_args(Role), help="with --solo: only for this role")
    ran.add_argument("--live", action="store_true", help="people play it in their browsers, by links; you lead it")
    ran.add_argument("--listen", default="127.0.0.1:8480", metavar="ADDR", help="with --live (default: %(default)s)")
    ran.add_argument("--public-url", metavar="URL", help="with --live: how phones reach that address")
    ran.add_argument("--speed", type=float, help="so many times as fast as life (default: as fast as core answers; people: 1)")
    ran.add_argument(
        "--short", action="store_true", help="the 20-minute form: the clock runs on when nobody has anything to do"
    )
    ran.add_argument("--seed", type=int, default=1)
    ran.set_defaults(run=_run)
    told = actions.add_parser("report", parents=[common], help="the after-action report, or its case as VERIS or STIX")
    told.add_argument("exercise", metavar="EXERCISE", help="like EX-0001")
    told.add_argument("--format", choices=FORMS, default="html")
    told.add_argument("--out", metavar="FILE")
    told.set_defaults(run=_report)
    trend = actions.add_parser("trend", parents=[common], help="scores and times over the exercises so far")
    trend.set_defaults(run=_trend)
    plan = actions.add_parser("plan", parents=[common], help="what exercises showed that must become better, and what was done")
    plan.set_defaults(run=_plan)
    done = actions.add_parser("done", parents=[common], help="an item of the plan was done")
    done.add_argument("item", metavar="ITEM", help="like EX-0001/acknowledged")
    done.add_argument("--note", metavar="TEXT", default="", help="what was done")
    done.set_defaults(run=_done)


def _home(arguments: argparse.Namespace) -> Settings:
    return load_settings(data_dir(arguments.data))


def _list(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import exercise_report

    scenarios = [library.shipped(n) for n in library.names()]
    runs = exercise_report.past(_home(arguments))
    if arguments.json:
        told = [{"id": s.id, "title": s.title, "form": s.form, "lasts": s.lasts, "roles": list(s.roles)} for s in scenarios]
        done = [{n: r[n] for n in ("id", "scenario", "players", "seed", "score", "cases")} for r in runs]
        print_json({"scenarios": told, "exercises": done})
        return OK
    for s in scenarios:
        console.print(f"[bold]{s.id}[/bold]  {s.title}  [dim]{s.form}, {s.lasts}[/dim]", soft_wrap=True)
    for r in runs:
        console.print(f"{r['id']}  {r['scenario']}  {r['players']}  {r['score']['percent']} %")
    return OK


def _world(arguments: argparse.Namespace) -> int:
    from checkvalve.engine.exercise import refuse_real_people

    chosen = [lang.strip() for lang in arguments.languages.split(",")]
    if unknown := [lang for lang in chosen if lang not in world.languages()]:
        raise EngineError("bad_language", f"{unknown[0][:20]!r}: known are {', '.join(world.languages())}")
    try:
        lives = world.make(
            random.Random(arguments.seed),  # noqa: S311 - the same again for the same seed
            customers=arguments.customers,
            orders=arguments.orders,
            languages=chosen,
            until_ms=at_ms(arguments.until),
        )
    except ValueError as error:
        raise EngineError("bad_world", str(error)) from error
    refuse_real_people(_home(arguments), lives)
    counts = {n: len(getattr(lives, n)) for n in ("people", "staff", "orders", "baskets", "texts")}
    counts |= {"refunds": sum(o.refunded_cents > 0 for o in lives.orders)}
    if arguments.out:
        _write(lives, Path(arguments.out))
    if arguments.json:
        print_json({"seed": arguments.seed, **counts, "directory": arguments.out})
    else:
        console.print(", ".join(f"{v} {k}" for k, v in counts.items()) + f"; seed {arguments.seed}. Nobody of them exists.")
    return OK


def _write(lives: world.World, directory: Path) -> None:
    """One file a kind. `people.jsonl` is what `checkvalve subjects import` takes."""
    numbers: dict[int, list[str]] = {}
    for order in lives.orders:
        numbers.setdefault(order.buyer, []).append(order.number)
    people = [{**msgspec.to_builtins(p), "name": p.name, "order_ids": numbers.get(i, [])} for i, p in enumerate(lives.people)]
    directory.mkdir(parents=True, exist_ok=True)
    rows = {"people": people, **{n: getattr(lives, n) for n in ("staff", "orders", "baskets", "texts")}}
    encoder = msgspec.json.Encoder()
    for name, items in rows.items():
        (directory / f"{name}.jsonl").write_bytes(encoder.encode_lines(items))


def _lint(arguments: argparse.Namespace) -> int:
    if arguments.schema:
        print_json(msgspec.json.schema(Scenario))
        return OK
    files = arguments.files or list(library.names())
    errors: dict[str, list[LintError]] = {f: lint(_source(f)) for f in files}
    if arguments.json:
        shown = [{"file": f, "ok": not e, "errors": [msgspec.to_builtins(x) for x in e]} for f, e in errors.items()]
        print_json({"files": shown})
    else:
        for file, found in errors.items():
            console.print(f"{file}: {'ok' if not found else f'{len(found)} errors'}", markup=False)
            for error in found:
                console.print(f"  {error.pointer or '/'}: {error.message} ({error.code})", markup=False, soft_wrap=True)
    return NO if any(errors.values()) else OK


def _source(named: str) -> bytes:
    return library.source(named) if named in library.names() else read_file(named)


def _run(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import exercise, exercise_report
    from checkvalve.engine.exercise_players import Scripted, Solo

    if arguments.role and not arguments.solo:
        complain("--role goes with --solo")
        return BAD
    if arguments.live and arguments.solo:
        complain("--live and --solo are two ways to play; choose one")
        return BAD
    if arguments.speed is not None and not 0 < arguments.speed <= MAX_SPEED:
        complain(f"--speed is above 0 and at most {MAX_SPEED:g}")
        return BAD
    scenario = load(_source(arguments.scenario))
    scenario = short_form(scenario) if arguments.short else scenario
    if arguments.live:
        return _live(arguments, scenario)
    speed = arguments.speed or (1.0 if arguments.solo and not arguments.short else None)
    players = (
        Solo(arguments.role, lambda text: console.print(text, markup=False), input, speed or 1.0)
        if arguments.solo
        else Scripted(good=arguments.players == PLAYERS[0])
    )
    home = _home(arguments)
    record = exercise.run(exercise.Plan(scenario=scenario, home=home, players=players, seed=arguments.seed, speed=speed))
    kept = exercise_report.keep(home, record)
    _came_of_it(arguments, kept)
    return OK


def _live(arguments: argparse.Namespace, scenario: Scenario) -> int:
    from checkvalve.cli.serve import address
    from checkvalve.engine import exercise
    from checkvalve.engine.exercise_players import Scripted
    from checkvalve.web.console.exercise_server import Door, play

    def opened(link: str) -> None:
        print(f"You lead it at {link}", file=sys.stderr if arguments.json else sys.stdout, flush=True)

    door = Door(
        listen=address(arguments.listen),
        public_url=arguments.public_url,
        brisk=arguments.short,
        opened=opened,
        ended=lambda kept: _came_of_it(arguments, kept),
    )
    players = Scripted(good=True)
    plan = exercise.Plan(
        scenario=scenario, home=_home(arguments), players=players, seed=arguments.seed, speed=arguments.speed or 1.0
    )
    play(plan, door)
    return OK


def _came_of_it(arguments: argparse.Namespace, kept: dict[str, Any]) -> None:
    if arguments.json:
        print_json({k: v for k, v in kept.items() if k not in ("view", "veris", "stix")})
        return
    shown = kept["view"]
    console.print(f"{shown['title']} ({kept['id']}): {kept['score']['percent']} %", markup=False, soft_wrap=True)
    for expectation in shown["expectations"]:
        line = f"  {expectation['status']:8} {expectation['score']:>9}  {expectation['text']} {expectation['took']}"
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"Report: checkvalve exercise report {kept['id']} --format pdf --out report.pdf")


def _report(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import exercise_report

    made = exercise_report.rendered(_home(arguments), arguments.exercise, arguments.format)
    if arguments.out:
        Path(arguments.out).write_bytes(made)
        if not arguments.json:
            console.print(f"{arguments.out}: {len(made)} bytes", markup=False)
    elif arguments.format in ("pdf", "docx"):
        complain(f"a {arguments.format} goes into a file; give --out FILE")
        return BAD
    elif not arguments.json:
        console.file.write(made.decode() + "\n")
    if arguments.json:
        print_json(msgspec.json.decode(exercise_report.rendered(_home(arguments), arguments.exercise, "json")))
    return OK


def _trend(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import exercise_report

    rows = exercise_report.trend(_home(arguments))
    if arguments.json:
        print_json({"exercises": rows})
        return OK
    if not rows:
        console.print("no exercise was run yet; see `checkvalve exercise list`")
    for r in rows:
        bar = "#" * (r["percent"] // 5)
        console.print(
            f"{r['name']}  {r['percent']:>3} %  {bar:20}  {r['scenario']}, acknowledged {r['acknowledge']}", markup=False
        )
    return OK


def _plan(arguments: argparse.Namespace) -> int:
    """Exit 1 while something is overdue."""
    from checkvalve.engine import exercise_plan
    from checkvalve.engine.core import now_ms

    found = exercise_plan.items(_home(arguments), now_ms())
    overdue = any(i.state == "overdue" for i in found)
    if arguments.json:
        print_json({"items": [asdict(i) for i in found]})
    else:
        for i in found:
            look = f", looked at on {i.look}" if i.look else ""
            console.print(
                f"{i.state:8} {i.id}  {i.owner}, due {i.due}{look}: {i.text} {i.note}".rstrip(), markup=False, soft_wrap=True
            )
        if not found:
            console.print("no exercise left anything to improve")
    return NO if overdue else OK


def _done(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import exercise_plan
    from checkvalve.engine.core import now_ms

    item = exercise_plan.finish(_home(arguments), arguments.item, "user:cli", arguments.note, now_ms())
    if arguments.json:
        print_json(item)
    else:
        console.print(f"{item.id}: {item.state}", markup=False)
    return OK
