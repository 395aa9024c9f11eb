"""Whatever arrives in whatever order, digested as it came or all at once, with or without restarts: the same rows."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from tests.integration.engine import log

from checkvalve.engine import decisions
from checkvalve.engine.core import open_core
from checkvalve.engine.settings import Settings
from checkvalve.events import event as ocsf
from checkvalve.events.pseudonym import identifiers
from checkvalve.store.journal import Draft
from checkvalve.store.schema import commands, incidents, orders, sensors, sites, transitions

SITES = {"s-aaaaaaaaaaaa": b"a" * 32, "s-bbbbbbbbbbbb": b"b" * 32}
PEOPLE = [{"ref": f"customer:{n}", "email": f"person{n}@example.com", "name": f"Person Nr{n} Sample"} for n in range(4)]
START = 1_795_000_000_000

Op = tuple[str, Any]

person = st.integers(0, len(PEOPLE) - 1)
site = st.sampled_from(sorted(SITES))
way = st.sampled_from([("shop-assistant", "/shop-assistant/v1/ask"), ("helper", None), (None, None)])
reader = st.sampled_from([None, "customer:0", "customer:3"])
OPS: st.SearchStrategy[Op] = st.one_of(
    st.tuples(st.just("register"), st.tuples(site, person, st.booleans())),
    st.tuples(st.just("finding"), st.tuples(site, way, person, reader, st.integers(0, 3))),
    st.tuples(st.just("inference"), st.tuples(site, way, person, reader, st.integers(0, 3))),
    st.tuples(st.just("nonsense"), st.tuples(site, st.sampled_from([b"\xff", b"[" * 100, b"{}", b'{"class_uid": 6003}']))),
    st.tuples(st.just("request"), st.tuples(site, st.integers(0, 3))),  # and how many numbers are left out before it
    st.tuples(st.just("outcome"), st.tuples(st.integers(0, 20), st.sampled_from(["done", "failed", "expired", "timeout"]))),
    st.tuples(st.just("decision"), st.sampled_from(["aware_set", "late_reason_set", "note", "closed", "task_done", "draft"])),
    st.tuples(st.just("order"), st.sampled_from(["done", "failed", "refused"])),
    st.tuples(st.just("run"), st.sampled_from(["plugin-exposes-llm-endpoint", "stolen-woocommerce-api-key", "no-such"])),
    st.tuples(st.just("approval"), st.booleans()),
    st.tuples(st.just("log transitions"), st.none()),
    st.tuples(st.just("digest"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with two shops and a gateway, and nothing in its log."""
    data = tmp_path_factory.mktemp("paired") / "data"
    core = open_core(Settings(data=data))
    with core.state.begin() as db:
        for name, key in SITES.items():
            url = f"https://{name}.example"
            values = {"site": name, "name": name, "site_url": url, "rest_url": f"{url}/wp-json/"}
            db.execute(insert(sites).values(**values, pseudonym_key=key, created_ms=START))
        for keyid, kind, of in (*((f"wp.{s}", "wordpress", s) for s in SITES), ("gw.gpu-1", "gateway", None)):
            known = {"keyid": keyid, "kind": kind, "site": of, "name": keyid, "public_key": b"k" * 32}
            db.execute(insert(sensors).values(**known, paired_ms=START, versions={}))
    core.close()
    return data


class Writer:
    """Writes what an operation means into the log, as the parts of core would."""

    def __init__(self, data: Path) -> None:
        self.data, self.now = data, START
        self.numbers = dict.fromkeys(("gw.gpu-1", *(f"wp.{s}" for s in SITES)), 0)
        self.core = open_core(Settings(data=data))
        self.core.pipeline.catch_up()

    def restart(self) -> None:
        self.core.close()
        self.core = open_core(Settings(data=self.data))
        self.core.pipeline.catch_up()

    def apply(self, op: Op) -> None:
        name, values = op
        self.now += 1000
        match name:
            case "digest":
                self.core.pipeline.catch_up()
            case "restart":
                self.restart()
            case "nonsense":
                self.event(f"wp.{values[0]}", values[1])
            case "request":
                self.numbers[f"wp.{values[0]}"] += values[1]
                self.event(f"wp.{values[0]}", self.line(ocsf.API_ACTIVITY, route="/wc/v3/orders"))
            case "register":
                of, who, gone = values
                known = {k: v for k, v in PEOPLE[who].items() if k != "ref"}
                subject = {"ref": PEOPLE[who]["ref"], "identifiers": identifiers(SITES[of], **known), "gone": gone}
                self.event(f"wp.{of}", self.line(ocsf.USER_INVENTORY, subject=subject))
            case "finding" | "inference":
                self.answer(name, *values)
            case "order":
                jti = next((r.jti for r in self.query(orders)), "ord-unknown")
                self.event("gw.gpu-1", self.line(ocsf.REMEDIATION_ACTIVITY, outcome={"jti": jti, "status": values}))
            case "outcome":
                self.outcome(*values)
            case "run":
                for row in self.query(incidents)[:1]:
                    self.decide("run_asked", incident=row.id, playbook=values)
            case "approval":
                for row in self.query(commands):
                    if row.status == "waiting":  # a task among them is none that can be approved
                        self.decide("approval_given", command=row.id, approved=values, reason="seen")
            case "log transitions":
                for row in self.query(transitions):
                    if row.handled_ms is None:
                        self.decide("transition", transition={"id": row.id, "incident": row.incident, "kind": row.kind})
            case "decision":
                self.decision(values)

    def answer(self, kind: str, of: str, way: tuple[str | None, str | None], who: int, to: str | None, number: int) -> None:
        plugin, route = way
        if kind == "finding":
            found = {"subject": PEOPLE[who]["ref"], "category": "email", "inference": f"inf-{number}", "seen_ms": self.now}
            found["recipient"] = to or "anonymous"
            own = {"site": of, "plugin": plugin, "route": route, "exposures": [found, {"bad": 1}][: 1 + number % 2]}
            self.event("gw.gpu-1", self.line(ocsf.DETECTION_FINDING, **own))
            return
        caller = {"plugin": plugin, "route": route, "requester": {"ref": to} if to else {"anonymous": True}}
        inference = {"id": f"inf-{number}", "caller": caller, "outcome": "complete", "ended_ms": self.now}
        said = f"The order is from {PEOPLE[who]['name']}, {PEOPLE[who]['email']}."
        prompt = msgspec.json.encode({"messages": [{"role": "user", "content": f"{PEOPLE[0]['email']} asks"}]}).decode()
        self.event(
            "gw.gpu-1", self.line(ocsf.API_ACTIVITY, site=of, inference={**inference, "completion": said, "request": prompt})
        )

    def outcome(self, which: int, status: str) -> None:
        waiting = [r for r in self.query(commands) if r.status == "queued"]
        if not waiting:
            return
        row = waiting[which % len(waiting)]
        if row.kind == "order":
            payload = {"jti": f"ord-{row.id}", "aud": "s-aaaaaaaaaaaa", "hand": row.data["hand"], "action": row.data["action"]}
            payload |= {"args": row.data["args"], "exp": self.now // 1000 + 60, "incident": row.incident}
            self.decide("order_issued", order=payload, jws="a.b.c", command=row.id)
        self.decide("outcome", outcome={"command": row.id, "status": status, "detail": "", "data": {}})

    def decision(self, kind: str) -> None:
        case = next((r for r in self.query(incidents)), None)
        task = next((r for r in self.query(commands) if r.status == "waiting"), None)
        if kind == "task_done" and task is not None:
            self.decide(kind, command=task.id, note="seen")
        elif case is not None and kind == "draft":
            document = {"incident": case.id, "regime": "gdpr_art33", "version": self.now % 3, "complete": False}
            self.decide(kind, notification=document, saw=2)
        elif case is not None and kind != "task_done":
            self.decide(kind, incident=case.id, aware_ms=START, reason="a holiday", text="read")

    def query(self, table: Any) -> list[Any]:
        with self.core.state.read() as db:
            return list(db.execute(select(table).order_by(*table.primary_key.columns)))

    def line(self, class_uid: int, **own: Any) -> bytes:
        uid = secrets.token_hex(4)
        return ocsf.encode(
            class_uid=class_uid, activity_id=1, time=self.now, uid=uid, sequence=1, product="p", version="0", own=own
        )

    def event(self, source: str, line: bytes) -> None:
        self.numbers[source] += 1
        self.append("event", source, self.numbers[source], line)

    def append(self, kind: Literal["event", "decision"], source: str, seq: int | None, clear: bytes) -> None:
        self.core.journal.append_many([Draft(kind=kind, source=source, seq=seq, clear=clear, t=self.now)])

    def decide(self, kind: str, **data: Any) -> None:
        self.core.journal.append_many([decisions.draft(kind, at_ms=self.now, **data)])


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("replays")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ops=st.lists(OPS, max_size=40))
def test_any_log_is_reduced_to_the_same_rows_again(paired: Path, workplace: Path, ops: list[Op]) -> None:
    data = workplace / secrets.token_hex(6)
    shutil.copytree(paired, data)
    writer = Writer(data)
    try:
        for op in ops:
            writer.apply(op)
        writer.core.pipeline.catch_up()
        before = log.tables(writer.core)
    finally:
        writer.core.close()
    again = log.replayed(data, data.with_suffix(".copy"))
    for name, rows in before.items():
        assert again[name] == rows, name
    undigested = [f for f in before["findings"] if f["detector"] == "undigested_entry"]
    assert all("IncidentError" in f["summary"] for f in undigested), undigested  # a change that makes no sense is kept as one
    shutil.rmtree(data)
    shutil.rmtree(data.with_suffix(".copy"))


def test_the_operations_reach_what_they_are_meant_to_reach(paired: Path, tmp_path: Path) -> None:
    """The property above would prove little if nothing ever happened in it."""
    shutil.copytree(paired, tmp_path / "data")
    writer = Writer(tmp_path / "data")
    shop, route = "s-aaaaaaaaaaaa", ("shop-assistant", "/shop-assistant/v1/ask")
    story: list[Op] = [("register", (shop, n, False)) for n in range(4)]
    story += [("inference", (shop, route, 2, None, 1)), ("finding", (shop, route, 1, "customer:0", 2)), ("digest", None)]
    story += [("log transitions", None), ("decision", "aware_set"), ("decision", "draft"), ("request", (shop, 2))]
    for number in range(14):
        story += [("outcome", (0, "done")), ("digest", None), *([("restart", None)] if number % 5 == 4 else [])]
    try:
        for op in [*story, ("order", "done"), ("decision", "task_done"), ("digest", None)]:
            writer.apply(op)
        rows = log.tables(writer.core)
    finally:
        writer.core.close()
    assert {r["subject"] for r in rows["exposures"] if r["shown"]} == {"customer:1", "customer:2"}
    assert [r["done"] for r in rows["runs"]] == [True]
    assert {"contained", "run_finished", "aware_set", "draft_ready"} <= {r["kind"] for r in rows["transitions"]}
    assert len(rows["orders"]) == 3 and len(rows["notifications"]) == 1
    assert [r["detector"] for r in rows["findings"]] == ["sequence_gap"]
