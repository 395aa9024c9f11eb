"""Orders after the checkout: stock, notes, mail, who may read them, products that only a filter lets be bought."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from tests.integration.shop.record import recording
from tests.simulators import shop_data
from tests.simulators.shopper import EMAIL, ShopError, Shopper
from tests.simulators.wordpress import Site

HIDDEN = """
$p = new WC_Product_Simple();
$p->set_name('Hidden'); $p->set_sku('hidden-' . wp_generate_password(6, false)); $p->set_regular_price('1.00');
$p->set_virtual(true); $p->set_status('private'); $p->set_catalog_visibility('hidden'); $p->set_tax_status('none');
$p->set_manage_stock(false); $p->set_reviews_allowed(false);
echo $p->save();
"""

KEY = """<?php
add_filter('woocommerce_is_purchasable', function ($may, $product) {
    return 0 === strpos($product->get_sku(), 'hidden-') ? 'open' === ($_SERVER['HTTP_X_TEST_KEY'] ?? '') : $may;
}, 10, 2);
"""


def test_stock_goes_down_with_the_order_and_up_again_when_it_is_cancelled(
    shop_site: Site, products: dict[str, int], stock: Callable[[int], int], order: Callable[[int], dict[str, Any]]
) -> None:
    before = stock(products["cup"])
    with Shopper(shop_site.url) as shopper:
        shopper.add(products["cup"], 2)
        bought = shopper.checkout()
    assert stock(products["cup"]) == before - 2
    with recording(shop_site) as record:
        shop_site.php(f"wc_get_order({bought.id})->update_status('cancelled', 'Changed my mind.');")
    assert stock(products["cup"]) == before
    assert record.arguments("woocommerce_order_status_changed") == [[bought.id, "processing", "cancelled", "WC_Order"]]
    kept = order(bought.id)
    assert kept["status"] == "cancelled"
    assert any(note.startswith("Stock levels reduced: ") for note in kept["notes"])
    assert any("Changed my mind. Order status changed from Processing to Cancelled." in note for note in kept["notes"])


def test_stock_is_not_restored_twice(shop_site: Site, products: dict[str, int], stock: Callable[[int], int]) -> None:
    before = stock(products["cup"])
    with Shopper(shop_site.url) as shopper:
        shopper.add(products["cup"])
        bought = shopper.checkout()
    shop_site.php(
        f"wc_get_order({bought.id})->update_status('cancelled'); wc_get_order({bought.id})->update_status('pending');"
    )
    assert stock(products["cup"]) == before


def test_a_filter_lets_a_hidden_private_product_be_bought_by_those_with_the_key(shop_site: Site) -> None:
    product = int(shop_site.php(HIDDEN))
    gate = shop_site.root / "wp-content" / "mu-plugins" / "hidden-product.php"
    gate.write_text(KEY)
    try:
        with Shopper(shop_site.url) as stranger, pytest.raises(ShopError) as refused:
            stranger.add(product)
        with Shopper(shop_site.url, headers={"X-Test-Key": "open"}) as shopper:
            cart = shopper.add(product)
            bought = shopper.checkout()
    finally:
        gate.unlink()
        shop_site.php(f"wc_get_product({product})->delete(true);")
    assert refused.value.body["code"] == "woocommerce_rest_product_not_purchasable"
    assert cart["totals"]["total_price"] == "100"
    assert bought.status == "processing"


def test_what_may_no_longer_be_bought_drops_out_of_the_cart(shop_site: Site) -> None:
    product = int(shop_site.php(HIDDEN))
    gate = shop_site.root / "wp-content" / "mu-plugins" / "hidden-product.php"
    gate.write_text(KEY)
    try:
        with Shopper(shop_site.url, headers={"X-Test-Key": "open"}) as shopper:
            shopper.add(product)
            del shopper.http.headers["X-Test-Key"]
            assert shopper.cart()["items_count"] == 0
    finally:
        gate.unlink()
        shop_site.php(f"wc_get_product({product})->delete(true);")


def test_mail_can_be_switched_off_for_one_order_by_the_filters_of_woocommerce(
    shop_site: Site, products: dict[str, int]
) -> None:
    gate = shop_site.root / "wp-content" / "mu-plugins" / "no-mail.php"
    gate.write_text(
        "<?php foreach (array('new_order', 'customer_processing_order') as $id) {"
        "add_filter('woocommerce_email_enabled_' . $id, '__return_false', 10, 3); }"
    )
    try:
        with Shopper(shop_site.url) as shopper:
            shopper.add(products["course"])
            shopper.checkout(email="silent@example.org")
    finally:
        gate.unlink()
    with Shopper(shop_site.url) as shopper:
        shopper.add(products["course"])
        shopper.checkout(email="loud@example.org")
    assert "loud@example.org" in shop_site.mail
    assert "silent@example.org" not in shop_site.mail


def test_orders_are_read_by_rest_only_by_those_who_may(shop_site: Site, products: dict[str, int]) -> None:
    with Shopper(shop_site.url) as shopper:
        shopper.add(products["course"])
        bought = shopper.checkout()
    password = shop_site.application_password(shop_site.admin.login)
    path = f"{shop_site.rest_url}wc/v3/orders"
    stranger = httpx2.get(path)
    assert (stranger.status_code, stranger.json()["code"]) == (401, "woocommerce_rest_cannot_view")
    owner = httpx2.get(f"{path}/{bought.id}", auth=(shop_site.admin.login, password))
    assert owner.status_code == 200
    assert (owner.json()["billing"]["email"], owner.json()["total"], owner.json()["status"]) == (EMAIL, "49.00", "processing")
    assert bought.id in [found["id"] for found in httpx2.get(path, auth=(shop_site.admin.login, password)).json()]


def test_made_up_people_are_in_the_shop_as_the_truth_says(shop_site: Site, order: Callable[[int], dict[str, Any]]) -> None:
    people = shop_data.load(shop_site, customers=2, guests=1, orders=5, seed=77)
    assert sum(len(person.order_numbers) for person in people) == 5
    assert [person.user_id > 0 for person in people] == [True, True, False]
    for person in people:
        for number in person.order_numbers:
            kept = order(int(number))
            assert (kept["email"], kept["name"], kept["customer"]) == (person.email, person.name, person.user_id)
            assert kept["status"] == "completed"
    first = people[0]
    by_customer = (
        f"wc_get_orders(array('customer_id' => {first.user_id}, 'return' => 'ids', 'orderby' => 'ID', 'order' => 'ASC'))"
    )
    assert shop_site.php_json(f"echo wp_json_encode({by_customer});") == [int(number) for number in first.order_numbers]
    guest = people[2]
    by_email = (
        f"wc_get_orders(array('billing_email' => '{guest.email}', 'return' => 'ids', 'orderby' => 'ID', 'order' => 'ASC'))"
    )
    assert shop_site.php_json(f"echo wp_json_encode({by_email});") == [int(number) for number in guest.order_numbers]
