"""An exercise reaches nobody and nothing real, says everywhere what it is, and stops when something real happens."""

import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, update

from checkvalve.cli.main import run as cli
from checkvalve.engine import exercise, offline
from checkvalve.engine.core import open_core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.exercise_hands import HandsInMemory
from checkvalve.engine.exercise_players import Scripted
from checkvalve.engine.settings import Settings
from checkvalve.engine.surroundings import Surroundings
from checkvalve.events import event as ocsf
from checkvalve.exercises import library, world
from checkvalve.exercises.measures import at_ms
from checkvalve.exercises.scenario import Inject
from checkvalve.incidents import case
from checkvalve.notifications.render import render_docx, render_html, render_json, render_pdf
from checkvalve.store.schema import incidents, sites, subjects
from checkvalve.store.state import open_state

Played = Mapping[tuple[str, str], dict[str, Any]]
REAL_SITE = "s-aaaaaaaaaaaa"
connections: list[Any] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        connections.append(arguments[1])


@pytest.fixture(scope="module", autouse=True)
def watched() -> None:
    """Every connection that this process opens is noted; a hook of the interpreter cannot be taken out again."""
    sys.addaudithook(_watch)


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A real shop, and what it was asked."""
    seen: list[str] = []

    class Shop(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join(5)


def directory(played: Played, name: str = "cache-mixup", players: str = "good") -> Path:
    record = played[name, players]
    return Path(record["home"]) / "exercises" / str(record["id"])


def plan(home: Settings, **more: Any) -> exercise.Plan:
    return exercise.Plan(scenario=library.shipped("cache-mixup"), home=home, players=Scripted(good=True), **more)


# --- nobody is reached -----------------------------------------------------------------------------------------------


def test_an_exercise_opens_no_connection_even_when_it_is_pointed_at_real_ones(
    home: Settings, asked: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody made a real shop the exercise's own, and wrote a real channel into its rota."""
    url, seen = asked
    monkeypatch.setattr("checkvalve.engine.exercise_shop.URL", url)
    monkeypatch.setitem(exercise.ROTA["contacts"], "lead", {"urls": [url.replace("http://", "json://")]})
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):
        assert connections, "the hook sees connections"
    connections.clear()
    record = exercise.run(plan(home))
    assert record.score.percent == 100 and record.measures.pages
    assert connections == [] and seen == []
    assert all(title.startswith("EXERCISE") and body.startswith("EXERCISE") for title, body in record.pages)


def test_hands_of_an_exercise_have_no_session() -> None:
    hands = HandsInMemory.__new__(HandsInMemory)
    with pytest.raises(EngineError, match="no way to a real shop"):
        hands.session  # noqa: B018


@pytest.mark.parametrize("address", ["owner@real-shop.de", "https://192.0.2.7/hook", "+49 171 1234567"])
def test_a_scenario_that_names_somebody_real_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    text = library.source("cache-mixup").decode().replace("privacy@tea.example", address)
    (tmp_path / "bad.yaml").write_text(text)
    assert cli(["exercise", "run", str(tmp_path / "bad.yaml"), "--data", str(tmp_path / "data")]) == 2
    assert "exercise lint" in capsys.readouterr().err
    assert not (tmp_path / "data" / "exercises").exists()


def test_a_real_core_does_not_open_an_exercise_nor_an_exercise_a_real_directory(played: Played, home: Settings) -> None:
    with pytest.raises(EngineError, match="exercise"):
        open_core(Settings(data=directory(played)))
    open_core(home).close()
    with pytest.raises(EngineError, match="exercise"):
        open_core(home, Surroundings(exercise="EX-0001"))


# --- it says what it is ----------------------------------------------------------------------------------------------


def entries(data: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    core = open_core(Settings(data=data), Surroundings(exercise="EX-0001"))
    try:
        for opened in core.journal.read_many(0, core.journal.size):
            assert opened.clear is not None
            yield opened.header.source, msgspec.json.decode(opened.clear.splitlines()[-1])
    finally:
        core.close()


@pytest.mark.parametrize("name", ["cache-mixup", "weights-in-bucket"])
def test_every_entry_of_the_log_says_that_it_is_an_exercise(played: Played, name: str) -> None:
    seen = 0
    for source, body in entries(directory(played, name)):
        own = body if source == "core" else body["unmapped"]["checkvalve"]
        assert own["exercise"].startswith("EXERCISE EX-"), (source, body)
        seen += 1
    assert seen > 300


def test_the_log_of_an_exercise_is_proven_as_any_other(played: Played) -> None:
    verified = offline.verify_live(Settings(data=directory(played)))
    assert verified.ok and verified.entries > 300


def test_every_form_of_every_document_says_it(played: Played) -> None:
    settings = Settings(data=directory(played))
    (shown,) = offline.list_cases(settings)
    assert shown["title"].startswith("EXERCISE: ") and shown["site"].startswith("x-")
    for document in ("gdpr_art33", "gdpr_art34"):
        notice = offline.notice(settings, shown["id"], document)
        assert notice.exercise and json.loads(render_json(notice))["exercise"] is True
        html = render_html(notice)
        assert html.count("EXERCISE") >= 3
        assert text_of_pdf(render_pdf(notice)).count("EXERCISE") >= 3
        assert "EXERCISE" in text_of_docx(render_docx(notice))
    assert all(e.title.startswith("EXERCISE") for e in offline.register(settings))


def test_a_real_document_does_not_say_it(home: Settings) -> None:
    assert "EXERCISE" not in case.apply(None, opening(REAL_SITE)).title
    assert case.apply(None, opening("x-000000000001")).title.startswith("EXERCISE: ")


def text_of_pdf(data: bytes) -> str:
    import io

    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def text_of_docx(data: bytes) -> str:
    import io

    import docx

    document = docx.Document(io.BytesIO(data))
    return "\n".join(p.text for p in document.paragraphs)


# --- something real happens ------------------------------------------------------------------------------------------


def opening(site: str) -> case.Transition:
    record = case.ExposureRecord(
        inference="i", subject="customer:1", category="email", recipient="anonymous", shown=True, entry=1, site=site,
        seen_ms=1_795_000_000_000, detected_ms=1_795_000_000_000, plugin="p", route="/r", session=None, model="m", trace=None,
    )  # fmt: skip
    return case.opening("INC-2026-0001", [record], 1, 1_795_000_000_000)


def real_case(home: Settings) -> Callable[[bool], None]:
    """Opens and closes a real case in the state of the installation."""
    open_core(home).close()
    state = open_state(home.state)
    incident = case.apply(None, opening(REAL_SITE))

    def put(is_open: bool) -> None:
        with state.begin() as db:
            known = db.execute(update(incidents).where(incidents.c.id == incident.id).values(open=is_open)).rowcount
            if not known:
                values = {"id": incident.id, "site": incident.site, "opened_ms": incident.opened_ms, "open": is_open}
                db.execute(insert(incidents).values(**values, state=msgspec.to_builtins(incident)))

    return put


def test_no_exercise_begins_while_a_real_case_is_open(home: Settings) -> None:
    real_case(home)(True)
    with pytest.raises(EngineError, match="INC-2026-0001"):
        exercise.run(plan(home))
    assert not exercise.exercises_dir(home).exists()


def test_an_exercise_freezes_while_a_real_case_is_open(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checkvalve.engine.exercise_director.LOOK_S", 0.0)
    put = real_case(home)
    held: list[float] = []

    class Interrupted(Scripted):
        def told(self, inject: Inject) -> None:
            if inject.id == "awareness":
                put(True)
                held.append(time.monotonic())
                threading.Timer(1.0, put, [False]).start()

    record = exercise.run(exercise.Plan(scenario=library.shipped("cache-mixup"), home=home, players=Interrupted(good=True)))
    kinds = [m.kind for m in record.marks]
    assert kinds.count("frozen") == kinds.count("resumed") == 1
    assert set(kinds[kinds.index("frozen") + 1 : kinds.index("resumed")]) <= {"order_placed"}, "nothing is given meanwhile"
    assert time.monotonic() - held[0] >= 1.0 and record.score.percent == 100


def test_a_made_up_person_who_is_a_real_customer_stops_it(home: Settings) -> None:
    scenario = library.shipped("cache-mixup")
    chance = random.Random(f"{scenario.id}/1")
    wanted = scenario.world
    lives = world.make(
        chance, customers=wanted.customers, orders=wanted.orders, languages=wanted.languages,
        until_ms=at_ms(scenario.starts),
    )  # fmt: skip
    core, key = open_core(home), b"k" * 32
    with core.state.begin() as db:
        db.execute(insert(sites).values(site=REAL_SITE, name="s", site_url="u", rest_url="r", pseudonym_key=key, created_ms=1))
        ids = [list(pair) for pair in world.registered(lives.people[3], key, ())]
        db.execute(insert(subjects).values(site=REAL_SITE, ref="customer:9", ids=ids, rev=1, gone=False))
    core.close()
    with pytest.raises(EngineError, match="real_people") as refused:
        exercise.run(plan(home))
    assert lives.people[3].email not in str(refused.value)
    fine = world.make(random.Random(2), customers=300, orders=900, languages=["de", "en"], until_ms=1_795_000_000_000)
    exercise.refuse_real_people(home, fine)  # another seed makes other people


def test_events_of_an_exercise_are_ocsf(played: Played) -> None:
    seen = {
        ocsf.parse(msgspec.json.encode(body)).class_uid  # type: ignore[union-attr] # Malformed has none, and fails here
        for source, body in entries(directory(played))
        if source != "core"
    }
    assert {ocsf.USER_INVENTORY, ocsf.API_ACTIVITY, ocsf.REMEDIATION_ACTIVITY, ocsf.WEB_RESOURCES} <= seen
