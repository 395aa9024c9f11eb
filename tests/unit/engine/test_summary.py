"""The one line that stands for an event in a timeline; also for an event that holds nothing of what it should."""

from typing import Any

import pytest

from checkvalve.engine.observe import summary
from checkvalve.events.event import Event

ORDER = {"number": "1042", "total": "28.90", "currency": "EUR"}


def line(class_uid: int, activity_id: int, body: dict[str, Any], own: dict[str, Any]) -> str:
    event = Event(class_uid=class_uid, activity_id=activity_id, time=1, uid="u", trace=None, own=own, body=body)
    return summary(event)


@pytest.mark.parametrize(
    ("class_uid", "activity_id", "body", "own", "expected"),
    [
        (3001, 1, {"user": {"uid": "customer:7"}}, {}, "user created: customer:7"),
        (3001, 3, {"user": {"uid": "customer:7"}, "activity_name": "password changed"}, {}, "password changed: customer:7"),
        (3004, 1, {"entity": {"type": "application password", "uid": "a-b"}}, {}, "application password made: a-b"),
        (3004, 3, {"entity": {"type": "option", "uid": "default_role"}}, {}, "option changed: default_role"),
        (3004, 4, {"entity": {"type": "WooCommerce API key", "uid": "5"}}, {}, "WooCommerce API key deleted: 5"),
        (6002, 6, {"app": {"uid": "theme:storefront"}}, {}, "theme enabled: storefront"),
        (6002, 8, {"app": {"uid": "wordpress"}}, {}, "WordPress updated: wordpress"),
        (6002, 7, {"app": {"uid": "leaky/leaky.php"}}, {}, "plugin disabled: leaky/leaky.php"),
        (1001, 3, {"status_id": 1, "file": {"path": "plugins/a/b.php"}}, {}, "file edited in wp-admin: plugins/a/b.php"),
        (1006, 1, {"job": {"name": "leaky_job"}}, {}, "cron job scheduled for the first time: leaky_job"),
        (1006, 6, {"job": {"name": "leaky_job"}}, {}, "cron job ran: leaky_job"),
        (4009, 1, {"status_id": 2}, {"mail": {"recipients": 2}}, "mail not sent, to 2 recipient(s)"),
        (6005, 8, {}, {"data": {"what": "orders", "count": 20, "via": "rest"}}, "read: 20 orders through rest"),
        (6005, 1, {}, {"data": {"what": "content export: all"}}, "read: content export: all"),
        (6005, 7, {}, {"data": {"what": "personal data erasure"}}, "erased: personal data erasure"),
        (6001, 3, {}, {"order": ORDER | {"from": "pending", "to": "processing"}}, "order 1042: pending to processing"),
        (6001, 3, {}, {"order": ORDER | {"refund": "5.00"}}, "order 1042: refund 5.00"),
        (6001, 4, {}, {"order": ORDER | {"deleted": "for good"}}, "order 1042: deleted (for good)"),
        (6003, 1, {"api": {"operation": "XMLRPC wp.getUsers"}}, {}, "XMLRPC wp.getUsers"),
        (6003, 1, {"api": {"operation": "POST admin-ajax:x"}, "http_response": {"code": 400}}, {}, "POST admin-ajax:x -> 400"),
        (4002, 6, {}, {"plugin": "helper", "direct": True}, "call to the model by helper, past the gateway"),
        (
            4002,
            6,
            {"http_response": {"code": 200}},
            {"plugin": "woocommerce", "webhook": {"id": 3, "topic": "order.created", "host": "hooks.example.com"}},
            "webhook 3 (order.created) sent to hooks.example.com -> 200",
        ),
    ],
)
def test_what_a_sensor_saw_in_one_line(
    class_uid: int, activity_id: int, body: dict[str, Any], own: dict[str, Any], expected: str
) -> None:
    assert line(class_uid, activity_id, body, own) == expected


@pytest.mark.parametrize("class_uid", [1001, 1006, 3001, 3004, 4002, 4009, 6001, 6002, 6003, 6005])
@pytest.mark.parametrize("nonsense", [None, [], "x", 5])
def test_an_event_without_its_details_still_has_a_line(class_uid: int, nonsense: object) -> None:
    names = (
        "entity",
        "file",
        "job",
        "mail",
        "data",
        "order",
        "webhook",
        "app",
        "user",
        "api",
        "http_response",
        "activity_name",
    )
    hostile = dict.fromkeys(names, nonsense)
    for activity_id in (0, 1, 3, 4, 7, 99):
        assert 0 < len(line(class_uid, activity_id, hostile, hostile)) <= 200
