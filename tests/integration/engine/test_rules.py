"""Sigma rules live, as events are digested, and over what is in the log; the user's own beside the shipped ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.integration.engine.scene import scene
from tests.wire.core_process import CoreProcess

from checkvalve.cli.main import run
from checkvalve.engine import custody, ruling
from checkvalve.engine.core import Core, now_ms, open_core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.rules import WEB, load
from checkvalve.engine.settings import Settings, load_settings
from checkvalve.events.imports.envelope import Head, Imported, wrap
from checkvalve.store.journal import Draft
from checkvalve.store.schema import findings, sensors

OWN = """title: A coupon was made
id: 0a1b2c3d-0000-4000-8000-000000000001
status: test
logsource:
  product: wordpress
detection:
  s:
    class_uid: 3004
    entity.type: coupon
  condition: s
level: low
samples:
  match:
    - {class_uid: 3004, entity: {type: coupon}}
  no_match:
    - {class_uid: 3004, entity: {type: webhook}}
"""


def event(number: int, class_uid: int, **body: Any) -> Draft:
    whole = {"class_uid": class_uid, "activity_id": 1, "time": now_ms(), "metadata": {"uid": f"e{number}", "version": "1.8.0"}}
    return Draft(kind="event", source="wp.s-test", seq=number, clear=json.dumps(whole | body).encode(), t=now_ms())


def line(status: int, number: int) -> Draft:
    asked = "GET /wp-content/uploads/rag/chats.jsonl?a=1 HTTP/1.1"
    raw = f'198.51.100.7 - - [25/Nov/2026:03:00:00 +0000] "{asked}" {status} 9 "-" "x"'
    head = Head(format="combined", source="front", site="s-test", key=f"k{number}", line=number, time=now_ms())
    clear = wrap(Imported(head=head, raw=raw.encode()))
    return Draft(kind="event", source="import.front", seq=number, clear=clear, t=now_ms())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with scene(CoreProcess(data=tmp_path / "data")):
        pass
    (tmp_path / "data" / "rules").mkdir(mode=0o700)
    (tmp_path / "data" / "rules" / "coupon.yml").write_text(OWN)
    (tmp_path / "data" / "rules" / "broken.yml").write_text("title: x")
    settings = load_settings(tmp_path / "data")
    core = open_core(settings)
    with core.state.begin() as db:
        known = {"keyid": "wp.s-test", "kind": "wordpress", "site": None, "name": "t", "public_key": b"k" * 32}
        db.execute(insert(sensors).values(**known, paired_ms=1, versions={}))
    core.journal.append_many(
        [
            event(1, 6002, activity_id=7, app={"uid": "wordfence/wordfence.php"}),
            event(2, 6002, activity_id=6, app={"uid": "wordfence/wordfence.php"}),
            event(3, 3004, entity={"type": "coupon", "uid": "7"}),
            line(200, 1),
            line(403, 2),
        ]
    )
    core.pipeline.catch_up()
    told = found(core)
    core.close()
    assert told == {
        "A security plugin was switched off or removed",
        "A coupon was made",
        "Model, training or backup data was fetched over the web",
    }
    return settings


def found(core: Core) -> set[str]:
    with core.state.read() as db:
        return set(db.scalars(select(findings.c.summary).where(findings.c.detector.like("sigma:%"))))


def test_hits_over_the_past_are_those_seen_live_and_the_look_is_in_the_log(settings: Settings) -> None:
    steps: list[tuple[int, int]] = []
    asked = ruling.Ruling(since_ms=0, until_ms=now_ms(), by="user:cli")
    told = ruling.over(settings, asked, lambda *step: steps.append(step))
    assert sorted(h["level"] for h in told["hits"]) == ["critical", "high", "low"]
    assert told["read"] >= 5 and not told["cut"]
    assert steps[-1][0] == steps[-1][1] > 0
    looked = [r for r in custody.readings(settings) if r["entry"] == told["access_entry"]]
    assert [(r["what"], r["purpose"], r["entries"]) for r in looked] == [("access", "rules", 3)]


def test_one_rule_and_another_time(settings: Settings) -> None:
    (web,) = (r.id for r in load().of(WEB) if "fetched" in r.title)
    asked = ruling.Ruling(since_ms=0, until_ms=now_ms(), by="user:cli", only=(web,))
    assert [h["rule"] for h in ruling.over(settings, asked)["hits"]] == [web]
    assert ruling.over(settings, ruling.Ruling(since_ms=0, until_ms=1, by="user:cli"))["hits"] == []
    with pytest.raises(EngineError, match="there is no rule x"):
        ruling.over(settings, ruling.Ruling(since_ms=0, until_ms=1, by="user:cli", only=("x",)))


def test_a_rule_that_cannot_be_used_is_said(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evidence", "rules", "list", "--json", "--data", str(settings.data)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [p["file"] for p in told["problems"]] == ["broken.yml"]
    assert "A coupon was made" in {r["title"] for r in told["rules"]}
    bad = settings.data / "rules" / "coupon.yml"
    bad.write_text(OWN.replace("type: webhook", "type: coupon"))
    assert run(["evidence", "rules", "check", str(bad)]) == 2
    assert "number 2 are judged otherwise" in capsys.readouterr().err
