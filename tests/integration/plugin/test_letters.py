"""Letters to people, sent by a real WordPress: to each once, in their language, and core hears no address."""

import json
import time
from collections import Counter
from typing import Any

import pytest
from tests.integration.plugin.conftest import Shop
from tests.integration.plugin.test_orders import give, jti

LETTERS = [
    {
        "de": {"subject": "Ihre Daten", "body": "Guten Tag,\n\nIhre E-Mail-Adresse."},
        "en": {"subject": "Your data", "body": "E-mail."},
    },
    {"en": {"subject": "Your data, more", "body": "E-mail and telephone."}},
]
MADE = r"""
$ids = array();
foreach (array('ada' => 'de_DE', 'bob' => '', 'cid' => '') as $name => $locale) {
    $user = array('user_login' => "letter$name", 'user_pass' => wp_generate_password(), 'user_email' => "$name@example.com");
    $ids[$name] = wp_insert_user($user + array('locale' => $locale));
}
$order = wc_create_order();
$order->set_billing_email('gast@example.org');
$order->set_billing_country('DE');
$order->save();
echo json_encode($ids + array('guest' => Checkvalve\People\Person::guest_ref('gast@example.org')));
"""
WAITING = r"global $wpdb; echo $wpdb->get_var('SELECT COUNT(*) FROM ' . Checkvalve\Tables::name('letters'));"
GONE = r"""
require_once ABSPATH . 'wp-admin/includes/user.php';
foreach (get_users(array('search' => 'letter*', 'search_columns' => array('user_login'))) as $user) {
    wp_delete_user($user->ID);
}
"""


@pytest.fixture
def people(shop: Shop) -> Any:
    found = shop.site.php_json(MADE)
    (shop.site.dir / "mail.txt").unlink(missing_ok=True)
    shop.drain()
    yield {name: ref if name == "guest" else f"customer:{ref}" for name, ref in found.items()}
    shop.site.php(GONE)


def order_to(shop: Shop, people: list[tuple[str, int]]) -> str:
    return shop.core.order("write_letters", {"batch": "ord-b", "letters": LETTERS, "people": people}, jti="ord-b")


def became(shop: Shop) -> dict[str, list[str]]:
    """What core was told of, once everything was dealt with."""
    for _ in range(20):
        shop.drain()
        if not int(shop.site.php(WAITING)):
            break
        time.sleep(0.2)
    shop.drain()
    found: dict[str, list[str]] = {}
    for event in shop.core.events(4009):
        for state, refs in event["unmapped"]["checkvalve"].get("letters", {}).items():
            if state != "batch":
                found.setdefault(state, []).extend(refs)
    return found


def test_everybody_gets_one_letter_and_core_hears_no_address(shop: Shop, people: dict[str, str]) -> None:
    order = order_to(
        shop, [(people["ada"], 0), (people["bob"], 1), (people["guest"], 0), ("customer:999999", 0), ("guest:0123456789ab", 1)]
    )
    assert give(shop, order) == [("done", "letters wait to be sent by mail: 5 people")]
    assert give(shop, order) == [("already", "done")]
    said = became(shop)
    assert {state: sorted(refs) for state, refs in said.items()} == {
        "sent": sorted([people["ada"], people["bob"], people["guest"]]),
        "nobody": ["customer:999999", "guest:0123456789ab"],
    }
    mail = shop.site.mail
    subjects = Counter(line for line in mail.splitlines() if line.startswith(("Subject:", "To:")))
    assert subjects == {
        "To: ada@example.com": 1, "To: bob@example.com": 1, "To: gast@example.org": 1,
        "Subject: Ihre Daten": 2, "Subject: Your data, more": 1,
    }  # fmt: skip
    told = json.dumps(shop.core.events())
    assert not [a for a in ("ada@", "bob@", "gast@", "Ihre E-Mail") if a in told]
    assert not shop.site.php("echo get_option('checkvalve_state');"), "nothing of it stays in force"


def test_letters_not_yet_sent_are_taken_back(shop: Shop, people: dict[str, str]) -> None:
    # Held back as long as a mail server that refuses: the first try is over, two more would follow.
    (shop.site.root / "wp-content" / "mu-plugins" / "refusing.php").write_text(
        "<?php add_filter('pre_wp_mail', '__return_false');"
    )
    order = order_to(shop, [(people["ada"], 0), (people["bob"], 1)])
    give(shop, order)
    shop.core.sync(shop.sync_url)
    assert give(shop, shop.core.order("release", {"jti": jti(order)})) == [("done", "ord-b is released")]
    (shop.site.root / "wp-content" / "mu-plugins" / "refusing.php").unlink()
    assert became(shop) == {}
    assert "To: ada@example.com" not in shop.site.mail
    outcome = [e["unmapped"]["checkvalve"]["outcome"] for e in shop.core.events(7001)]
    assert next(o["detail"] for o in outcome if o["status"] == "released").endswith("2 letters were not sent any more")


def test_a_mail_server_that_refuses_three_times_is_told(shop: Shop, people: dict[str, str]) -> None:
    (shop.site.root / "wp-content" / "mu-plugins" / "refusing.php").write_text(
        "<?php add_filter('pre_wp_mail', '__return_false');"
    )
    give(shop, order_to(shop, [(people["ada"], 0)]))
    for _ in range(3):
        shop.site.php("global $wpdb; $wpdb->query('UPDATE ' . Checkvalve\\Tables::name('letters') . ' SET due = 0');")
        shop.core.sync(shop.sync_url)
    (shop.site.root / "wp-content" / "mu-plugins" / "refusing.php").unlink()
    assert became(shop) == {"failed": [people["ada"]]}


def test_a_mail_that_came_back_is_told_without_its_address(shop: Shop, people: dict[str, str]) -> None:
    noted = shop.site.php(
        "$o = new Checkvalve\\Outbox\\Outbox(); $l = new Checkvalve\\People\\Letters(new Checkvalve\\Recorder($o));"
        " echo $l->bounced(array('ada@example.com', 'gast@example.org', 'no address'));"
    )
    assert noted == "2"
    assert became(shop) == {"bounced": [people["ada"], people["guest"]]}


@pytest.mark.parametrize(
    "args",
    [
        {"batch": "b", "letters": LETTERS, "people": []},
        {"batch": "b", "letters": LETTERS, "people": [["customer:1", 2]]},
        {"batch": "b", "letters": LETTERS, "people": [["ada@example.com", 0]]},
        {"batch": "b", "letters": LETTERS, "people": [["customer:1 OR 1=1", 0]]},
        {"batch": "b", "letters": [{"en": {"subject": "two\nBcc: x@example.org", "body": "b"}}], "people": [["customer:1", 0]]},
        {"batch": "b", "letters": [{"en": {"subject": "s", "body": ["b"]}}], "people": [["customer:1", 0]]},
        {"batch": "b", "letters": [{}], "people": [["customer:1", 0]]},
        {"batch": "b", "letters": "all", "people": [["customer:1", 0]]},
        {"letters": LETTERS, "people": [["customer:1", 0]]},
        {"batch": "b", "letters": LETTERS, "people": [["customer:1", 0]] * 501},
    ],
)
def test_an_order_that_makes_no_sense_writes_to_nobody(shop: Shop, args: dict[str, Any]) -> None:
    assert give(shop, shop.core.order("write_letters", args))[0][0] == "refused"
    assert shop.site.php(WAITING) == "0"
