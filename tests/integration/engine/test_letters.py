"""Letters to people: nothing before it was decided and nothing left open; each once; core never learns an address."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine.scene import CoreHere, Scene, scene, wait

from checkvalve.engine import statements, writing_letters
from checkvalve.engine.errors import EngineError
from checkvalve.incidents.case import IncidentError

SHOP = {
    "controller": "Example Tea House",
    "address": "Example Street 1, 10115 Berlin",
    "country": "DE",
    "contact_name": "Sam Example",
    "contact_email": "privacy@example.com",
}


class Office:
    """People who speak to a core that runs in this process."""

    def __init__(self, here: CoreHere, staged: Scene) -> None:
        self._core = here.core
        self._case = str(staged.respond()["case"]["id"])
        loop = here.core.changed._loop
        assert loop is not None
        self._loop: asyncio.AbstractEventLoop = loop
        self._site = staged.shop.sensor.site

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def decide(self, notify: bool = True) -> None:
        given = statements.Decided(
            case=self._case, regime="gdpr_art34", notify=notify, reason="addresses were shown", by="user:c"
        )
        self._do(statements.stated(self._core, given))

    def delay(self, authority: str = "", *, lift: bool = False) -> None:
        given = statements.Delayed(case=self._case, reason="an arrest is near", by="user:c", authority=authority, lift=lift)
        self._do(statements.stated(self._core, given))

    def enter(self, **given: Any) -> None:
        self._do(statements.stated(self._core, statements.Entered(site=self._site, given=given, by="user:c")))

    def write(self, *langs: str, withdraw: bool = False) -> dict[str, int]:
        given = writing_letters.Writing(case=self._case, reason="Art. 34", by="user:c", langs=langs, withdraw=withdraw)
        found: dict[str, int] = self._do(writing_letters.asked(self._core, given))
        return found


def became(staged: Scene) -> dict[str, int]:
    """How many letters are in each state, those without any left out."""
    shown = staged.case()
    assert shown is not None
    return {state: n for state, n in shown["letters"].items() if n}


def test_nobody_is_written_to_before_it_is_decided_and_everything_is_answered(tmp_path: Path) -> None:
    here = CoreHere(tmp_path / "data")
    with scene(here) as staged:
        staged.leak(0, 1)
        office = Office(here, staged)
        for notify, refused in ((None, "not_decided"), (False, "not_decided"), (True, "bad_language")):
            if notify is not None:
                office.decide(notify=notify)
            with pytest.raises(EngineError) as told:
                office.write()
            assert told.value.code == refused
        with pytest.raises(EngineError, match="leaves open: Who is the data protection officer"):
            office.write("en")
        assert became(staged) == {"people": 2}
        assert not staged.rows("SELECT 1 FROM orders WHERE action = 'write_letters'")


def test_each_is_written_to_once_in_the_words_that_were_kept(tmp_path: Path) -> None:
    here = CoreHere(tmp_path / "data")
    with scene(here) as staged:
        staged.leak(0, 1)
        staged.leak(500)  # whom the shop does not know any more
        office = Office(here, staged)
        office.enter(**SHOP)
        office.decide()
        assert office.write("de", "en")["waiting"] == 3
        wait(lambda: became(staged) == {"people": 3, "sent": 2, "nobody": 1}, "the letters go out")
        assert sorted(ref for ref, _ in staged.shop.sensor.written) == ["customer:2", "customer:3"]
        with pytest.raises(EngineError, match="everybody"):
            office.write("de", "en")

        rows = staged.rows("SELECT data FROM notifications WHERE regime = 'gdpr_art34'")
        kept = {d["lang"]: d["letters"][0] for d in map(json.loads, (row[0] for row in rows))}
        assert set(kept) == {"de", "en"}
        (sent,) = {tuple(letter.values()) for _, letter in staged.shop.sensor.written}
        assert sent[0] == kept["de"]["subject"] == "Ihre Daten bei Example Tea House: was geschehen ist"
        assert all(p in sent[1] for p in kept["de"]["paragraphs"] if isinstance(p, str))

        staged.leak(3)  # somebody more: only they are written to
        staged.respond()
        wait(lambda: became(staged)["people"] == 4, "the fourth is known")
        assert office.write("de", "en")["waiting"] == 1
        wait(lambda: became(staged)["sent"] == 3, "the letter goes out")
        assert [ref for ref, _ in staged.shop.sensor.written].count("customer:5") == 1
        assert len(staged.shop.sensor.written) == 3


def test_what_was_not_sent_can_be_withdrawn_and_asked_for_again_and_what_comes_back_is_counted(tmp_path: Path) -> None:
    here = CoreHere(tmp_path / "data")
    with scene(here) as staged:
        staged.shop.sensor.mail_works = False
        staged.leak(0, 1)
        office = Office(here, staged)
        office.enter(**SHOP)
        office.decide()
        office.write("en")
        wait(lambda: staged.shop.sensor.waiting, "the shop has the letters")
        office.write(withdraw=True)
        wait(lambda: became(staged) == {"people": 2, "withdrawn": 2}, "they are withdrawn")
        with pytest.raises(EngineError) as told:
            office.write(withdraw=True)
        assert told.value.code == "none_waiting"
        staged.shop.sensor.mail_works = True
        office.write("en")
        wait(lambda: became(staged) == {"people": 2, "sent": 2}, "they go out after all")
        for ref in ("customer:2", "customer:77"):
            staged.shop.sensor.record(4009, 1, {"letters": {"batch": "", "bounced": [ref]}}, trace=staged.shop.trace)
        staged.shop.sensor.flush()
        wait(lambda: became(staged) == {"people": 2, "sent": 1, "bounced": 1}, "the one that came back is counted")


def test_no_letter_goes_out_while_an_authority_asks_for_a_delay(tmp_path: Path) -> None:
    here = CoreHere(tmp_path / "data")
    with scene(here) as staged:
        staged.leak(0)
        office = Office(here, staged)
        office.enter(**SHOP)
        office.decide()
        with pytest.raises(IncidentError):
            office.delay(lift=True)
        with pytest.raises(IncidentError):
            office.delay(authority=" ")
        office.delay(authority="Example Police, file 12")
        with pytest.raises(EngineError, match="Example Police, file 12 asked"):
            office.write("en")
        office.delay(lift=True)
        assert office.write("en")["waiting"] == 1


def test_another_shop_cannot_speak_of_these_letters(tmp_path: Path) -> None:
    here = CoreHere(tmp_path / "data")
    with scene(here) as staged:
        staged.shop.sensor.mail_works = False
        staged.leak(0)
        office = Office(here, staged)
        office.enter(**SHOP)
        office.decide()
        office.write("en")
        wait(lambda: staged.shop.sensor.waiting, "the shop has the letters")
        batch = staged.shop.sensor.waiting[0][0]
        staged.gateway.tell(4009, site=staged.shop.sensor.site, letters={"batch": batch, "sent": ["customer:2"]})
        staged.shop.sensor.record(4009, 1, {"letters": {"batch": "ord-else", "sent": ["customer:2"]}}, trace=staged.shop.trace)
        staged.shop.sensor.record(4009, 1, {"letters": {"batch": [1], "sent": "customer:2"}}, trace=staged.shop.trace)
        staged.shop.sensor.flush()
        assert became(staged) == {"people": 1, "waiting": 1}
