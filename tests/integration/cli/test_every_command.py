"""Every command, as the outside relies on it: exit codes, one JSON document of a stable shape, one line for bad input.

The commands come from the parser itself. A new one without an example here fails the first test.
"""

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.unit.cli.parser import leaves, values

from checkvalve.cli.main import run

ALL = dict(leaves())
SERVERS = {("up",), ("core",), ("gateway",), ("modelstate", "serve"), ("evidence", "tail")}  # they run until they are stopped
# These need somebody outside, a running gateway or model, a step that waits, an edited file; they are tested in
# tests/integration/custody, gateway, modelstates, console and notices.
OUTSIDE = {("modelstate", "probe"), ("evidence", "anchor"), ("case", "approve"), ("case", "reject"), ("notice", "edited")}
OUTSIDE |= {("plugin", "roles")}  # needs a shop that answers; tests/integration/actuators
OUTSIDE |= {
    ("exercise", action) for action in ("run", "report", "done")
}  # not while a real case is open; tests/integration/exercises
OUTSIDE |= {("fleet", action) for action in ("run", "approve", "stop", "undo")}  # need shops; tests/integration/fleet
OUTSIDE |= {("host", action) for action in ("pair", "gate", "run", "runbook", "status", "lift")}  # tests/integration/webserver
OUTSIDE |= {("upstream", action) for action in ("show", "switch", "back")}
CASE, HOLD, DPO, SOMEBODY, STATE = "<case>", "<hold>", "<dpo>", "<person>", "<state>"
AGE = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
PLAYBOOK = Path(__file__).resolve().parents[3] / "src/checkvalve/content/playbooks/plugin-exposes-customer-data.json"
RULE = Path(__file__).resolve().parents[3] / "src/checkvalve/content/rules/llm-very-long-question.yml"
T, LATER = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
SET = {"data": [{"class": "simple", "delta": 0}], "ei": 1.0, "confidentiality": 0.5, "integrity": 0, "availability": 0}
PROFILE = {"role": "shop", "seat": "DE", "staff": 6, "turnover_eur": 900000, "balance_eur": 300000, "customers_in": ["DE"]}
SCOPE = {"window", "complete", "gaps", "confirmed", "worst_case", "subject_refs"}
FILES: dict[str, Any] = {
    "people.jsonl": {"ref": "customer:901", "email": "nine@example.com", "name": "Nine Hundred", "order_ids": [901]},
    "inferences.jsonl": {"id": "c-1", "completion": "write to nine@example.com"},
    "profile.json": PROFILE,
    "rota.json": {"contacts": {"owner": {"urls": ["json://127.0.0.1:9/"]}}, "rungs": [{"contacts": ["owner"]}]},
    "costs.json": {"budget": 5000, "rates_per_hour": {"dpo": 200}},
    "particulars.json": {"insurer": "Example Insurance", "customers_in": ["DE"]},
    "severity.json": {"confirmed": SET, "worst_case": SET},
    "places.json": {"places": [{"what": "model", "where": "DE", "holder": "Example Hosting"}]},
    "contracts.json": {"contracts": [{"party": "Example Hosting", "kind": "host", "agreed": {"notice_hours": 48}}]},
    "ocsf.jsonl": {"class_uid": 6003, "activity_id": 2, "time": 1795000000000, "metadata": {"uid": "a", "version": "1.8.0"}},
}


class Example(NamedTuple):
    """Good arguments, and the keys that the JSON answer has at least."""

    words: tuple[str, ...]
    keys: set[str]
    exit: int = 0


EXAMPLES: dict[tuple[str, ...], Example] = {
    ("doctor",): Example((), {"checks"}, 1),
    ("user", "add"): Example(("somebody",), {"name", "roles"}),
    ("user", "list"): Example((), {"users"}),
    ("user", "second-factor"): Example((SOMEBODY,), {"name", "uri"}),
    ("pair",): Example((), {"code"}),
    ("subjects", "import"): Example(("people.jsonl",), {"site", "people", "identifiers"}),
    ("canary", "plant"): Example(("document:returns",), {"store", "site", "name", "email", "entry", "put"}),
    ("canary", "list"): Example((), {"canaries"}),
    ("canary", "retire"): Example(("dataset:orders",), {"store", "entry", "retired"}),
    ("canary", "look"): Example(("people.jsonl",), {"files", "partly", "found"}),
    ("evidence", "verify"): Example((), {"ok", "entries", "checkpoint", "errors"}),
    ("evidence", "key"): Example((), {"key"}),
    ("evidence", "scope"): Example(("--since", T, "--until", LATER), SCOPE),
    ("evidence", "ingest"): Example(("ocsf.jsonl", "--format", "ocsf"), set()),
    ("evidence", "rules", "list"): Example((), {"rules", "problems"}),
    ("evidence", "rules", "check"): Example((str(RULE),), {"id", "title", "level", "about", "tags", "samples"}),
    ("evidence", "rules", "run"): Example((), {"hits", "read", "erased", "cut", "access_entry"}),
    ("evidence", "find"): Example(("shop-assistant", "--purpose", "a test"), {"hits", "erased", "access_entry"}),
    ("evidence", "erase"): Example(("--subject", "customer:2", "--reason", "a test"), {"subject", "records", "entry"}),
    ("evidence", "ask"): Example(("counts", "since=0", "until=4000000000000"), {"rows"}),
    ("evidence", "rebuild"): Example((), set()),
    ("evidence", "tiles"): Example(("tiles",), {"directory", "tiles"}),
    ("evidence", "custody"): Example((), {"readings"}),
    ("evidence", "hold", "set"): Example(
        ("--reason", "a test", "--subject", "customer:999", "--by", DPO), {"hold", "what", "entry"}
    ),
    ("evidence", "hold", "lift"): Example((HOLD, "--by", DPO), {"hold", "what", "entry"}),
    ("evidence", "hold", "list"): Example((), {"holds"}),
    ("evidence", "retention"): Example(("--keep", "imports=3650"), {"keep_days", "erased"}),
    ("evidence", "rotate-key"): Example((), {"old", "new"}),
    ("case", "run"): Example((CASE, "false-alarm"), {"entry", "run"}),
    ("case", "list"): Example((), {"cases"}),
    ("case", "show"): Example((CASE,), {"case", "scope", "transitions", "steps"}),
    ("case", "export"): Example((CASE, "--output", "bundle.zip"), {"bundle", "bytes"}),
    ("case", "register"): Example((), {"as_of", "breaches"}),
    ("case", "cost"): Example((CASE, "--assumptions", "costs.json"), {"items", "total_eur", "budget_eur", "legal_maxima"}),
    ("case", "reason"): Example((CASE, "a test"), {"entry"}),
    ("case", "decide"): Example((CASE, "--notify", "--reason", "a test"), {"entry"}),
    ("case", "note"): Example((CASE, "the disk is imaged", "--handover"), {"entry"}),
    ("case", "delay"): Example((CASE, "--authority", "Example Police, file 12", "--reason", "an arrest is near"), {"entry"}),
    ("case", "letters"): Example((CASE,), {"people", "waiting", "sent", "bounced", "failed", "nobody", "withdrawn"}, exit=1),
    ("case", "aware"): Example((CASE, "--at", T, "--regime", "uk_gdpr"), {"entry"}),
    ("case", "contained"): Example((CASE, "--how", "The plugin was removed."), {"entry"}),
    ("case", "hours"): Example((CASE, "24"), {"entry"}),
    ("case", "particulars"): Example(("particulars.json",), {"entry"}),
    ("page", "rota"): Example(("rota.json",), {"contacts", "rungs"}),
    ("page", "test"): Example((), {"reached", "failed", "entry"}, 1),
    ("notice", "draft"): Example((CASE,), {"regime", "incident", "version", "fields"}),
    ("notice", "filed"): Example((CASE, "--reference", "a test"), {"entry", "version", "clock"}),
    ("deadline",): Example(
        ("--regime", "gdpr_art33", "--start-event", "controller_aware", "--at", "2027-03-26T22:30:00Z"), {"regime", "clocks"}
    ),
    ("applicability",): Example(("profile.json",), {"regimes"}),
    ("severity",): Example(("severity.json",), {"confirmed", "worst_case"}),
    ("readiness",): Example((), {"minutes", "gaps", "good", "not_assessed"}, 1),
    ("review", "list"): Example((), {"reviews"}, 1),
    ("review", "done"): Example(("contacts",), {"review", "entry"}),
    ("residency", "keep"): Example(("places.json",), {"places", "transfers"}),
    ("residency", "check"): Example(("places.json",), {"places", "as_of", "review_overdue"}, 1),
    ("case", "conflicts"): Example((CASE,), {"conflicts"}, 1),
    ("contract", "keep"): Example(("contracts.json",), {"parties"}),
    ("contract", "check"): Example(("contracts.json",), {"contracts", "without_contract"}, 1),
    ("contract", "letter"): Example(("Example Hosting", "--file", "contracts.json"), {"party", "text"}),
    ("posture", "watch"): Example(("site", "--once"), {"since_ms", "weak", "new", "mended", "entry"}),
    ("posture", "scan"): Example(("directory",), {"checks"}),
    ("fleet", "plan"): Example(("shop-assistant",), {"shops", "stages", "unknown"}, 1),
    ("fleet", "status"): Example((), {"fleets"}),
    ("plugin", "inventory"): Example(("site",), {"directory", "since_ms", "plugins", "removed", "findings"}),
    ("plugin", "assess"): Example(("plugin",), {"slug", "version", "assessed", "findings", "checkout", "isolation"}),
    ("playbook", "lint"): Example((str(PLAYBOOK),), {"files"}),
    ("playbook", "simulate"): Example((str(PLAYBOOK),), {"paths"}),
    ("exercise", "list"): Example((), {"scenarios", "exercises"}),
    ("exercise", "lint"): Example((), {"files"}),
    ("exercise", "world"): Example(("--customers", "20", "--orders", "40"), {"seed", "people", "orders", "texts"}),
    ("exercise", "trend"): Example((), {"exercises"}),
    ("exercise", "plan"): Example((), {"items"}),
    ("detect",): Example(("inferences.jsonl",), {"results"}),
    ("modelstate", "enrol"): Example(("state.yaml",), {"components", "credentials"}),
    ("modelstate", "snapshot"): Example(("state.yaml",), {"id", "components", "signed", "refused"}),
    ("modelstate", "scan"): Example((), {"states", "indexed_again"}),
    ("modelstate", "list"): Example((), {"states", "refused"}),
    ("modelstate", "find"): Example(("nine@example.com",), {"snapshots", "assessed"}, 1),
    ("modelstate", "bom"): Example((STATE,), {"bomFormat", "components", "dependencies"}),
    ("modelstate", "seal"): Example((STATE, "--recipient", AGE, "-o", "somebody.age"), {"bundle", "bytes", "sha256", "entry"}),
    ("modelstate", "hold"): Example((STATE, "--reason", "a case"), {"held"}),
    ("modelstate", "prune"): Example((), {"past", "kept", "done"}),
    ("modelstate", "drill"): Example(
        (), {"done", "good", "why", "components", "age_ms", "restore_s", "start_s", "asked", "answered", "entry"}
    ),
    ("modelstate", "forget"): Example((), {"forgotten", "kept"}),
    ("modelstate", "verify"): Example((), {"ok", "errors"}),
    ("modelstate", "restore"): Example(("nine@example.com",), {"composition", "left_out", "lost", "restored_to"}),
}
RUNNABLE = [path for path in ALL if path not in SERVERS | OUTSIDE]


class Said(NamedTuple):
    exit: int
    out: str
    err: str


class Desk:
    """A working directory with an installation of its own, in which commands are typed."""

    def __init__(self, home: Path, installation: Path) -> None:
        self.data = home / "data"
        shutil.copytree(installation, self.data)
        for name, content in FILES.items():
            (home / name).write_text(json.dumps(content) + "\n")
        (home / "directory").mkdir()
        (home / "plugin").mkdir()
        (home / "plugin" / "plugin.php").write_text("<?php\n/* Plugin Name: Plugin\n * Version: 1.0 */\n")
        (home / "site").mkdir()
        shutil.copytree(home / "plugin", home / "site" / "plugin")
        shutil.copy(installation.with_name("state.yaml"), home)
        (home / "junk").write_bytes(bytes(range(256)) * 64)
        (home / "deep").write_bytes(b'{"a":' * 20_000)
        (home / "empty").touch()
        (home / "other.json").write_text('{"lines": [1, "two", null], "regimes": 5, "confirmed": []}\n[1]\n"x"\n')
        shutil.copy(home / "rota.json", self.data / "paging.json")
        self.made: dict[str, str] = {}
        self.made[CASE] = json.loads(self.type("case", "list", "--json").out)["cases"][0]["id"]
        self.made[STATE] = json.loads(self.type("modelstate", "list", "--json").out)["states"][-1]["id"]

    def type(self, *words: str, data: Path | str | None = None) -> Said:
        out, err = io.StringIO(), io.StringIO()
        typed = [*map(self._meant, words), "--data", str(data or self.data)]
        stdin, sys.stdin = sys.stdin, io.StringIO("a long enough password\n")
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run(typed)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.stdin = stdin
        return Said(code, out.getvalue(), err.getvalue())

    def _meant(self, word: str) -> str:
        """What a placeholder stands for; a person and a hold are made when first spoken of."""
        if word == DPO and DPO not in self.made:
            self.made[DPO] = "dee"
            self.type("user", "add", "dee", "--role", "dpo")
        if word == SOMEBODY and SOMEBODY not in self.made:
            self.made[SOMEBODY] = "sam"
            self.type("user", "add", "sam")
        if word == HOLD:
            put = self.type("evidence", "hold", "set", "--reason", "r", "--subject", "customer:998", "--by", DPO, "--json")
            if put.exit == 0:  # too many wrong passwords of other tries are refused for a while
                self.made[HOLD] = json.loads(put.out)["hold"]
        return self.made.get(word, word)


@pytest.fixture
def desk(tmp_path: Path, installation: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)
    yield Desk(tmp_path, installation)


def one_line(said: Said, words: Any) -> None:
    assert len(said.err.splitlines()) == 1, (words, said)
    assert said.err.startswith("checkvalve: "), (words, said)
    assert len(said.err) < 1000, (words, said.err[:200])


def held(said: Said, words: Any) -> None:
    """What holds for every answer to whatever was typed."""
    assert said.exit in (0, 1, 2), (words, said)
    assert "Traceback" not in said.err, (words, said)
    if said.exit == 2:
        one_line(said, words)


def test_no_command_was_forgotten() -> None:
    assert set(EXAMPLES) | SERVERS | OUTSIDE == set(ALL)


@pytest.mark.parametrize("path", RUNNABLE, ids=" ".join)
def test_good_input_is_answered_with_one_document_of_the_documented_shape(desk: Desk, path: tuple[str, ...]) -> None:
    example = EXAMPLES[path]
    if path == ("detect",):
        assert desk.type("subjects", "import", "people.jsonl").exit == 0
    said = desk.type(*path, *example.words, "--json")
    assert said.exit == example.exit, said
    answer = json.loads(said.out)
    assert said.err == ""
    assert isinstance(answer, dict) and answer.keys() >= example.keys
    if path != ("evidence", "erase"):  # what is erased cannot be erased again
        plain = desk.type(*path, *(w.replace("somebody", "another") for w in example.words))
        assert plain.exit == example.exit, plain
        assert plain.out.strip()


BAD = (
    "",
    "no-such-thing",
    "../no-such-directory/file",  # never a path that exists: some options are files to write
    "-1",
    "x" * 5000,
    "9" * 400,
    "\udcff",
    "INC-2026-9999",
    "2026-13-45T99:99:99Z",
)
BAD_FILES = ("no-such-file", "directory", "junk", "deep", "empty", "other.json")


@pytest.mark.parametrize("path", RUNNABLE, ids=" ".join)
def test_bad_values_are_one_line_each_and_never_a_traceback(desk: Desk, path: tuple[str, ...]) -> None:
    example = EXAMPLES[path].words
    for action in values(ALL[path]):
        for bad in (*BAD, *BAD_FILES):
            words = with_value(action.option_strings, example, bad)
            held(desk.type(*path, *words), (*path, *words))
    assert json.loads(desk.type("evidence", "verify", "--json").out)["ok"]  # and nothing was broken by it


def with_value(options: Sequence[str], example: tuple[str, ...], bad: str) -> tuple[str, ...]:
    """The example with one value changed: an option's, or the first word that belongs to none."""
    if options:
        kept = list(example)
        for name in options:
            if name in kept:
                del kept[kept.index(name) : kept.index(name) + 2]
        return (*kept, f"{options[0]}={bad}" if options[0].startswith("--") else bad)
    return (*example[1:], "--", bad) if example and not example[0].startswith("-") else (*example, "--", bad)


@pytest.mark.parametrize("path", RUNNABLE, ids=" ".join)
def test_a_data_directory_that_is_none(desk: Desk, path: tuple[str, ...], tmp_path: Path) -> None:
    example = EXAMPLES[path].words
    loose = tmp_path / "loose"
    loose.mkdir(mode=0o755)
    broken = tmp_path / "broken"
    broken.mkdir(mode=0o700)
    (broken / "settings.json").write_text("{")
    (broken / "state.db").write_bytes(b"not a database, by far not a database" * 200)
    for where in (tmp_path / "junk", loose, broken, tmp_path / "junk" / "below", tmp_path / ("x" * 300)):
        held(desk.type(*path, *example, "--json", data=where), (*path, where))
    nowhere = desk.type(*path, *example, "--json", data=tmp_path / "nowhere")
    held(nowhere, path)
    making = {("modelstate", "enrol"), ("modelstate", "snapshot"), ("plugin", "inventory"), ("posture", "watch")}
    if path not in making | {("user", "add"), ("user", "list"), ("pair",), ("subjects", "import"), ("evidence", "ingest")}:
        assert not (tmp_path / "nowhere").exists(), "a question makes no installation"


def test_a_huge_file_is_refused_before_it_is_read(desk: Desk) -> None:
    with Path("huge").open("wb") as file:
        file.truncate(3 * 2**30)  # sparse: costs no disk
    for path in (("playbook", "lint"), ("severity",), ("applicability",), ("evidence", "verify")):
        said = desk.type(*path, "huge")
        held(said, path)
        assert said.exit == 2 and "longer than" in said.err, (path, said)


def test_what_is_unknown_is_named_with_what_to_do(desk: Desk) -> None:
    for words, hint in (
        (("case", "show", "INC-1999-0001"), "case list"),
        (("case", "export", "INC-1999-0001"), "case list"),
        (("notice", "draft", "INC-1999-0001"), "case list"),
        (("notice", "draft", CASE, "--regime", "no_such_law"), "gdpr_art33"),
        (("deadline", "--regime", "no_such_law", "--start-event", "x", "--at", T), "no_such_law"),
        (("deadline", "--regime", "gdpr_art33", "--start-event", "controller_aware", "--at", "yesterday"), "yesterday"),
        (("evidence", "scope", "--since", "yesterday", "--until", T), "yesterday"),
        (("detect", "inferences.jsonl", "--site", "s-nowhere"), "--site"),
        (("subjects", "import", "people.jsonl", "--site", "s-nowhere"), "--site"),
    ):
        said = desk.type(*words)
        assert said.exit == 2, (words, said)
        one_line(said, words)
        assert hint in said.err, (words, said.err)


def test_the_deadline_of_the_contract(desk: Desk) -> None:
    said = desk.type(*("deadline", *EXAMPLES[("deadline",)].words, "--json"))
    clock = json.loads(said.out)["clocks"][0]
    assert clock.keys() >= {"id", "start_event", "due_utc", "disputed_later_utc", "unit", "article"}
    assert (clock["id"], clock["due_utc"], clock["article"]) == ("gdpr_72h", "2027-03-29T22:30:00Z", "33(1)")


def test_a_changed_log_and_a_bad_playbook_are_answers_not_errors(desk: Desk) -> None:
    segment = next((desk.data / "log" / "segments").iterdir())
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    said = desk.type("evidence", "verify", "--json")
    assert said.exit == 1
    assert json.loads(said.out)["errors"][0].keys() >= {"entry", "file", "what"}
    said = desk.type("playbook", "lint", "other.json", "--json")
    assert said.exit == 1
    assert json.loads(said.out)["files"][0]["errors"][0].keys() >= {"pointer", "code", "message"}


def process(desk: Desk, *words: str, **more: Any) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "checkvalve.cli", *words, "--data", str(desk.data)]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, timeout=60, **more)


@pytest.mark.parametrize("words", [("case", "list", "--json"), ("evidence", "key"), ("playbook", "simulate", str(PLAYBOOK))])
def test_a_closed_standard_output_is_no_traceback(desk: Desk, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = process(desk, *words, stdout=writer)
    finally:
        os.close(writer)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr
    with Path("/dev/full").open("wb") as full:
        done = process(desk, *words, stdout=full)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("core", "--listen", "nonsense"),
        ("core", "--listen", "127.0.0.1:99999"),
        ("core", "--listen", "198.51.100.1:8470"),
        ("gateway", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--pair", "not-a-code"),
        ("gateway", "--upstream", "ftp://model.example", "--listen", "127.0.0.1:0", "--core", "http://127.0.0.1:9"),
        ("up", "--upstream", "nonsense", "--listen", "127.0.0.1:1", "--gateway-listen", "127.0.0.1:2"),
        ("up", "--upstream", "http://127.0.0.1:9", "--listen", "nonsense"),
        ("up", "--upstream", "http://127.0.0.1:9", "--sync-seconds", "x"),
    ],
    ids=" ".join,
)
def test_a_server_that_cannot_start_says_why_in_one_line(desk: Desk, words: tuple[str, ...]) -> None:
    done = process(desk, *words, stdout=subprocess.DEVNULL)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(b"checkvalve: ")


def test_a_taken_port_is_named(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = process(desk, "core", "--listen", address, stdout=subprocess.DEVNULL)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert address.encode() in done.stderr
