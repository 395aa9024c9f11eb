"""The classic checkout: ?wc-ajax=add_to_cart, the page's nonce, ?wc-ajax=checkout."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.shop.record import recording
from tests.simulators.shopper import EMAIL, ShopError, Shopper
from tests.simulators.wordpress import Site

HOOKS = (
    "woocommerce_before_checkout_process",
    "woocommerce_checkout_create_order",
    "woocommerce_new_order",
    "woocommerce_checkout_update_order_meta",
    "woocommerce_checkout_order_created",
    "woocommerce_checkout_order_processed",
    "woocommerce_order_status_processing",
    "woocommerce_reduce_order_stock",
    "woocommerce_order_status_pending_to_processing",
    "woocommerce_order_status_changed",
)


def test_a_browser_without_blocks_can_buy(
    shop_site: Site, products: dict[str, int], order: Callable[[int], dict[str, Any]]
) -> None:
    with Shopper(shop_site.url, by="cookie") as shopper:
        bought = shopper.classic(products["beans"])
    kept = order(bought.id)
    assert (kept["status"], kept["total"], kept["email"], kept["method"]) == ("processing", "28.90", EMAIL, "cod")
    assert f"/order-received/{bought.id}/" in bought.body["redirect"]


def test_hooks_fire_in_the_order_of_woocommerce_with_its_arguments(shop_site: Site, products: dict[str, int]) -> None:
    with recording(shop_site) as record, Shopper(shop_site.url, by="cookie") as shopper:
        bought = shopper.classic(products["cup"])
    assert record.only(*HOOKS) == list(HOOKS)
    assert record.arguments("woocommerce_new_order") == [[bought.id, "WC_Order"]]
    assert record.arguments("woocommerce_checkout_order_processed") == [[bought.id, "array", "WC_Order"]]
    assert record.arguments("woocommerce_order_status_changed") == [[bought.id, "pending", "processing", "WC_Order"]]
    assert not record.has("woocommerce_store_api_checkout_order_processed")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"payment": "nope"}, "Invalid payment method."),
        ({"email": "nope"}, "is not a valid email address"),
        ({"address": {"last_name": ""}}, "<strong>Billing Last name</strong> is a required field."),
    ],
)
def test_a_refusal_is_http_200_with_a_failure_in_the_body(
    shop_site: Site, products: dict[str, int], change: dict[str, Any], said: str
) -> None:
    with Shopper(shop_site.url, by="cookie") as shopper, pytest.raises(ShopError) as refused:
        shopper.classic(products["beans"], **change)
    assert (refused.value.status, refused.value.body["result"]) == (200, "failure")
    assert said in refused.value.body["messages"]


def test_a_checkout_without_the_nonce_of_the_page_fails(shop_site: Site, products: dict[str, int]) -> None:
    with Shopper(shop_site.url, by="cookie") as shopper:
        shopper.http.post("/?wc-ajax=add_to_cart", data={"product_id": str(products["cup"])})
        answer = shopper.http.post("/?wc-ajax=checkout", data={"payment_method": "cod"})
    assert answer.status_code == 200
    assert answer.json()["result"] == "failure"
