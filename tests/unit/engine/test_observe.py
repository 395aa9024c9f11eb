"""What a record of another program's log becomes in the tables of core."""

from typing import Any

from checkvalve.engine.observe import Observed, remarks, row
from checkvalve.events.event import Event


def seen(**own: Any) -> Observed:
    body = {"user": {"uid": "customer:7"}, "message": "text of an import"}
    event = Event(class_uid=0, activity_id=99, time=1000, uid="u", trace=None, own=own, body=body)
    return Observed(entry=1, sensor="wp.s-abcdefghijkl", seq=1, digest="d", received_ms=1000, site=None, event=event)


def test_a_record_of_another_plugins_log_is_one_line() -> None:
    found = row(seen(log={"name": "wordfence", "event": "loginLockout"}))
    assert (found["summary"], found["object"]) == ("wordfence: loginLockout, customer:7", "user:customer:7")
    assert row(seen())["summary"] == "text of an import"


def test_a_log_that_can_no_longer_be_followed_is_a_finding_and_one_that_can_is_none() -> None:
    changed = {"name": "solid", "state": "changed", "version": "11.0", "missing": ["itsec_log_add"]}
    (finding,) = remarks(seen(log_source=changed), 0)
    assert finding["detector"] == "log_source_lost"
    assert finding["summary"] == "log of solid 11.0 is not as it is known to be: itsec_log_add"
    assert [f["detector"] for f in remarks(seen(log_source={"name": "solid", "state": "off"}), 0)] == ["log_source_lost"]
    assert remarks(seen(log_source={"name": "solid", "state": "followed", "version": "10.0.3"}), 0) == []
