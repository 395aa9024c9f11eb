"""The scope of a leak across three plugins, two models and forty sessions, exact against the script that made it."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import insert, select

from checkvalve.engine import casework, decisions, offline
from checkvalve.engine.core import open_core
from checkvalve.engine.settings import Settings
from checkvalve.events import event as ocsf
from checkvalve.events.pseudonym import identifiers
from checkvalve.incidents.case import ExposureRecord
from checkvalve.incidents.scope import Extent, Scope
from checkvalve.store.journal import Draft
from checkvalve.store.schema import contacts, exposures, incidents, sensors, sites

SITE, KEY = "s-aaaaaaaaaaaa", b"a" * 32
START: Final = 1_795_000_000_000
MINUTE: Final = 60_000
PEOPLE: Final = 500
PLUGINS: Final = (
    ("shop-assistant", "/shop-assistant/v1/ask"),
    ("order-helper", "/order-helper/v1/chat"),
    ("mailer", "compose"),
)
MODELS: Final = ("llama-small", "qwen-large")


def person(n: int) -> dict[str, Any]:
    """Synthetic; telephone numbers of the range that is kept for fiction."""
    return {"email": f"person{n}@example.com", "name": f"Vor{_word(n)} Nach{_word(n)}", "phone": f"+49 30 23125 {n:03d}"}


def _word(n: int) -> str:
    return "".join(chr(97 + int(d)) for d in f"{n:03d}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the script knows of one piece of data that an answer (or only a prompt) held."""

    subject: str
    category: str
    recipient: str
    plugin: str
    route: str
    session: str
    model: str
    at_ms: int
    answered: bool


class Script:
    """Two hours of forty sessions. Whoever asks sees some of everybody's data, and their own, which is no exposure."""

    def __init__(self) -> None:
        self.random = random.Random(20261124)
        self.truth: list[Shown] = []
        self.lines: list[bytes] = []
        self.sessions = [self._session(n) for n in range(40)]
        unseen = list(range(PEOPLE))
        self.random.shuffle(unseen)
        for number in range(240):
            self._ask(number, self.sessions[number % 40], [unseen.pop() for _ in range(min(len(unseen), 2))])

    def _session(self, n: int) -> dict[str, Any]:
        plugin, route = PLUGINS[n % 3]
        known = {"requester": {"ref": f"customer:{n}"}} if n % 2 else {"requester": {"anonymous": True}}
        return {"plugin": plugin, "route": route, "session": f"{n:032x}", "site": SITE, **known}

    def _ask(self, number: int, caller: dict[str, Any], fresh: list[int]) -> None:
        """One inference: `fresh` people are shown with one kind of data each, some others again, some stand in the prompt."""
        at, model = START + number * 30_000, MODELS[number // 7 % 2]
        again = self.random.sample(range(PEOPLE), 3)
        prompted = self.random.sample(range(PEOPLE), 2)
        said = [(n, self.random.choice(("email", "name", "phone"))) for n in (*fresh, *again)]
        asker = int(caller["session"], 16)
        said.append((asker, "email"))  # their own, where the session is that customer's
        text = " Further: ".join(person(n)[category] for n, category in said)
        request = {"messages": [{"role": "user", "content": " and ".join(person(n)["email"] for n in prompted)}]}
        self._know(said, caller, model, at, answered=True)
        self._know([(n, "email") for n in prompted], caller, model, at, answered=False)
        inference = {"id": f"inf-{number}", "caller": caller, "outcome": "complete", "ended_ms": at, "completion": f"{text}."}
        own = {"site": SITE, "inference": inference | {"request": msgspec.json.encode(request).decode()}}
        self.lines.append(line(ocsf.API_ACTIVITY, at, f"i-{number}", own, ai_model={"name": model}))

    def _know(self, said: list[tuple[int, str]], caller: dict[str, Any], model: str, at: int, *, answered: bool) -> None:
        ref = caller["requester"].get("ref")
        to = ref or f"session:{caller['session']}"
        where = {
            "plugin": caller["plugin"],
            "route": caller["route"],
            "session": caller["session"],
            "model": model,
            "at_ms": at,
        }
        found = {(f"customer:{n}", category) for n, category in said if f"customer:{n}" != ref}
        self.truth += [Shown(subject=s, category=c, recipient=to, answered=answered, **where) for s, c in sorted(found)]


def line(class_uid: int, at: int, uid: str, own: dict[str, Any], **more: Any) -> bytes:
    return ocsf.encode(
        class_uid=class_uid, activity_id=1, time=at, uid=uid, sequence=1, product="p", version="0", own=own, **more
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    script: Script
    settings: Settings


@pytest.fixture(scope="module")
def leak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leak]:
    settings = Settings(data=tmp_path_factory.mktemp("scope") / "data")
    script, core = Script(), open_core(settings)
    with core.state.begin() as db:
        url = "https://shop.example"
        values = {"site": SITE, "name": "Shop", "site_url": url, "rest_url": f"{url}/wp-json/"}
        db.execute(insert(sites).values(**values, pseudonym_key=KEY, created_ms=START))
        known = {"keyid": "gw.gpu-1", "kind": "gateway", "name": "gpu-1", "public_key": b"k" * 32}
        db.execute(insert(sensors).values(**known, paired_ms=START - MINUTE, versions={}))
    people = [{"ref": f"customer:{n}", "identifiers": identifiers(KEY, **person(n))} for n in range(PEOPLE)]
    core.journal.append_many([decisions.draft("subject_put", at_ms=START, by="t", site=SITE, subject=p) for p in people])
    drafts = [
        Draft(kind="event", source="gw.gpu-1", seq=n, clear=told, t=START + n * 30_000)
        for n, told in enumerate(script.lines, start=1)
    ]
    core.journal.append_many(drafts)
    core.pipeline.catch_up()
    core.close()
    yield Leak(script=script, settings=settings)


def expected(known: list[Shown]) -> Extent:
    """As incidents/scope.py defines its numbers, added up by another way."""
    people = {(k.subject, k.category) for k in known}
    ways = {(k.plugin, k.route, k.subject) for k in known}
    return Extent(
        subjects=len({k.subject for k in known}),
        records=len(people),
        categories=dict(Counter(c for _, c in people)),
        recipients=dict(Counter(r for r, _ in {(k.recipient, k.subject) for k in known})),
        channels=dict(Counter(f"{p} {r}" for p, r, _ in ways)),
    )


def exact(found: Scope, known: list[Shown]) -> None:
    answered = [k for k in known if k.answered]
    assert found.subject_refs == tuple(sorted({k.subject for k in answered}))
    for extent, of in ((found.confirmed, expected(answered)), (found.worst_case, expected(known))):
        assert (extent.subjects, extent.records) == (of.subjects, of.records)
        assert dict(extent.categories) == of.categories and dict(extent.recipients) == of.recipients
        assert sorted(extent.channels.values()) == sorted(of.channels.values())


def narrowed(
    leak: Leak, keep: Callable[[Shown], bool], since: int = START, until: int = START + 240 * 30_000, **by: str
) -> Scope:
    found = offline.scope(leak.settings, since, until, by)
    exact(found, [k for k in leak.script.truth if keep(k) and since <= k.at_ms <= until])
    return found


def test_the_whole_leak_is_exact_and_reaches_everybody(leak: Leak) -> None:
    found = narrowed(leak, lambda _: True)
    assert found.confirmed.subjects > 450 and len(found.confirmed.recipients) == 40
    with offline.opened(leak.settings) as state, state.read() as db:
        rows = db.execute(select(exposures.c.subject, exposures.c.category, exposures.c.recipient, exposures.c.inference))
        told = Counter((r.subject, r.category, r.recipient) for r in rows)
    assert told == Counter((k.subject, k.category, k.recipient) for k in leak.script.truth)


@pytest.mark.parametrize(("plugin", "route"), PLUGINS)
def test_each_plugin_and_its_route_alone_are_exact(leak: Leak, plugin: str, route: str) -> None:
    by_plugin = narrowed(leak, lambda k: k.plugin == plugin, plugin=plugin)
    assert by_plugin == narrowed(leak, lambda k: k.route == route, route=route)


@pytest.mark.parametrize("model", MODELS)
def test_each_model_and_any_window_of_it_are_exact(leak: Leak, model: str) -> None:
    for first, last in ((0, 119), (60, 61), (100, 239)):
        narrowed(leak, lambda k: k.model == model, START + first * 30_000, START + last * 30_000, model=model)


def test_each_of_the_forty_sessions_is_exact(leak: Leak) -> None:
    for session in {k.session for k in leak.script.truth}:
        found = narrowed(leak, lambda k, s=session: k.session == s, session=session)  # type: ignore[misc] # bound now
        assert len(found.confirmed.recipients) == 1


def test_each_persons_exposures_are_what_the_script_showed_of_them(leak: Leak) -> None:
    fields = ("subject", "category", "recipient", "plugin", "route", "session", "model", "seen_ms", "shown")
    with offline.opened(leak.settings) as state, state.read() as db:
        rows = casework.records(db, exposures.c.site == SITE)
    found = Counter(tuple(getattr(r, f) for f in fields) for r in rows)
    names = (*fields[:7], "at_ms", "answered")
    assert found == Counter(tuple(getattr(k, f) for f in names) for k in leak.script.truth)
    assert isinstance(rows[0], ExposureRecord)


def test_a_case_says_when_a_sensor_was_not_heard_and_its_notice_counts_from_below(leak: Leak) -> None:
    """The gateway spoke every thirty seconds, so its case is whole; take half an hour of contact away, and it is not."""
    with offline.opened(leak.settings) as state:
        with state.read() as db:
            case = db.scalars(select(incidents.c.id).order_by(incidents.c.id)).first()
            before = db.execute(select(contacts)).all()
        assert case is not None
        whole = offline.show_case(leak.settings, case)["scope"]
        assert whole["complete"] and whole["gaps"] == []
        hole = (START + 30 * MINUTE, START + 60 * MINUTE)
        with state.begin() as db:
            db.execute(contacts.delete())
            for since, until in ((START, hole[0]), (hole[1], START + 120 * MINUTE)):
                db.execute(insert(contacts).values(sensor="gw.gpu-1", since_ms=since, until_ms=until))
        try:
            shown = offline.show_case(leak.settings, case)["scope"]
            assert not shown["complete"] and len(shown["gaps"]) == 1
            assert "gw.gpu-1 was not heard from" in shown["gaps"][0]
            notice = offline.notice(leak.settings, case, "gdpr_art33")
            assert "gw.gpu-1 was not heard from" in msgspec.json.encode(notice).decode()
        finally:
            with state.begin() as db:
                db.execute(contacts.delete())
                for row in before:
                    db.execute(insert(contacts).values(**row._mapping))
