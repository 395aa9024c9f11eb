"""checkvalve detect: offline detection over JSON lines, one inference a line, one result a line."""

import argparse
import sys
from typing import Any

import msgspec

from checkvalve.cli.output import BAD, OK, complain, print_json
from checkvalve.detection.inference import Inference, Memory, judge
from checkvalve.engine import offline
from checkvalve.engine.core import now_ms
from checkvalve.engine.settings import data_dir, load_settings


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "detect", parents=[common], help="whose data is in these answers? (uses the imported register)"
    )
    parser.add_argument("file", help="JSONL, one inference a line")
    parser.add_argument("--site", help="which shop's register (default: the only one)")
    parser.set_defaults(run=_detect)


def _detect(arguments: argparse.Namespace) -> int:
    register = offline.register_of(load_settings(data_dir(arguments.data)), arguments.site)
    bad, memory = 0, Memory()
    results = []
    for number, line in enumerate(offline.read_file(arguments.file).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            inference = msgspec.json.decode(line, type=Inference)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            complain(f"line {number}: {str(error)[:200]}")
            bad += 1
            continue
        result = judge(inference, register, now_ms(), memory)
        if arguments.json:
            results.append(result)
        else:
            sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    if arguments.json:
        print_json({"results": results})
    return BAD if bad else OK
