"""The Store API checkout: cart by token or by cookie and nonce, hooks in WooCommerce's order, refusals by their codes."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from tests.integration.shop.record import recording
from tests.simulators.shopper import EMAIL, ShopError, Shopper
from tests.simulators.wordpress import Site

HOOKS = (
    "rest_request_before_callbacks",
    "woocommerce_store_api_checkout_order_created",
    "woocommerce_store_api_checkout_update_order_meta",
    "woocommerce_store_api_checkout_update_order_from_request",
    "woocommerce_new_order",
    "woocommerce_order_status_checkout-draft_to_pending",
    "woocommerce_order_status_changed",
    "woocommerce_store_api_checkout_order_processed",
    "woocommerce_rest_checkout_process_payment_with_context",
    "woocommerce_order_status_processing",
    "woocommerce_reduce_order_stock",
    "woocommerce_order_status_pending_to_processing",
    "rest_request_after_callbacks",
    "rest_post_dispatch",
)

# Objects by their class, as the recorder names them.
ARGUMENTS = {
    "woocommerce_before_order_object_save": ["WC_Order", "WC_Data_Store"],
    "woocommerce_after_order_object_save": ["WC_Order", "WC_Data_Store"],
    "woocommerce_checkout_create_order_shipping_item": ["WC_Data", 0, "array", "WC_Order"],
    "woocommerce_reduce_order_item_stock": ["WC_Data", "array", "WC_Order"],
    "woocommerce_store_api_checkout_update_customer_from_request": ["WC_Data", "WP_REST_Request"],
}
ITEM = {
    "backorders_allowed": False,
    "extensions": {},
    "images": [],
    "item_data": [],
    "low_stock_remaining": None,
    "sold_individually": False,
    "type": "simple",
    "variation": [],
}


@pytest.mark.parametrize("by", ["token", "cookie"])
def test_goods_are_bought_with_shipping_and_the_order_is_kept(
    shop_site: Site, products: dict[str, int], order: Callable[[int], dict[str, Any]], by: Literal["token", "cookie"]
) -> None:
    with Shopper(shop_site.url, by=by) as shopper:
        cart = shopper.add(products["beans"])
        bought = shopper.checkout()
        assert shopper.cart()["items_count"] == 0
    assert (cart["totals"]["total_shipping"], cart["totals"]["total_price"]) == ("490", "2890")
    assert (cart["totals"]["currency_code"], cart["totals"]["currency_minor_unit"]) == ("EUR", 2)
    line, package = cart["items"][0], cart["shipping_rates"][0]
    assert {name: line[name] for name in ITEM} == ITEM
    assert line["prices"]["raw_prices"]["price"] == "24000000"
    assert package["items"] == [{"key": line["key"], "name": line["name"], "quantity": 1}]
    assert package["shipping_rates"][0]["meta_data"][0]["value"] == f"{line['name']} &times; 1"
    assert bought.status == "processing"
    assert bought.body["payment_result"]["payment_status"] == "success"
    kept = order(bought.id)
    assert (kept["status"], kept["total"], kept["currency"]) == ("processing", "28.90", "EUR")
    assert (kept["email"], kept["name"], kept["postcode"]) == (EMAIL, "Mara Lindqvist", "10115")
    assert kept["products"] == [[products["beans"], 1]]


def test_virtual_goods_need_no_shipping(shop_site: Site, products: dict[str, int]) -> None:
    with Shopper(shop_site.url) as shopper:
        cart = shopper.add(products["course"], 2)
        bought = shopper.checkout()
    assert cart["needs_shipping"] is False
    assert cart["totals"]["total_shipping"] is None
    assert cart["totals"]["total_price"] == "9800"
    assert bought.status == "processing"


@pytest.mark.parametrize(("payment", "status"), [("cod", "processing"), ("bacs", "on-hold"), ("cheque", "on-hold")])
def test_each_way_to_pay_leads_to_its_status(shop_site: Site, products: dict[str, int], payment: str, status: str) -> None:
    with Shopper(shop_site.url) as shopper:
        shopper.add(products["course"])
        assert shopper.checkout(payment=payment).status == status


def test_hooks_fire_in_the_order_of_woocommerce_with_its_arguments(shop_site: Site, products: dict[str, int]) -> None:
    with Shopper(shop_site.url) as shopper:
        shopper.add(products["cup"])
        with recording(shop_site) as record:
            bought = shopper.checkout()
    expected = list(HOOKS)
    expected.insert(expected.index("rest_request_after_callbacks"), "woocommerce_order_status_changed")
    assert record.only(*HOOKS) == expected
    assert record.arguments("woocommerce_new_order") == [[bought.id, "WC_Order"]]
    assert record.arguments("woocommerce_order_status_changed") == [
        [bought.id, "checkout-draft", "pending", "WC_Order"],
        [bought.id, "pending", "processing", "WC_Order"],
    ]
    assert record.arguments("woocommerce_store_api_checkout_update_order_from_request") == [["WC_Order", "WP_REST_Request"]]
    assert record.arguments("woocommerce_reduce_order_stock") == [["WC_Order"]]
    for hook, kinds in ARGUMENTS.items():
        assert record.arguments(hook)[0] == kinds, hook
    assert not record.has("woocommerce_checkout_order_processed")
    assert not record.has("woocommerce_payment_complete")


def test_address_and_shipping_rate_can_be_set_before_paying(shop_site: Site, products: dict[str, int]) -> None:
    with Shopper(shop_site.url) as shopper:
        shopper.add(products["cup"])
        shopper.store("POST", "/cart/update-customer", {"shipping_address": {"country": "JP", "state": "JP13"}})
        assert shopper.cart()["shipping_rates"][0]["shipping_rates"] == []
        cart = shopper.store("POST", "/cart/update-customer", {"shipping_address": {"country": "FR", "state": ""}})
        rate = cart["shipping_rates"][0]["shipping_rates"][0]
        cart = shopper.store("POST", "/cart/select-shipping-rate", {"package_id": 0, "rate_id": rate["rate_id"]})
    assert rate["method_id"] == "flat_rate"
    assert cart["shipping_rates"][0]["shipping_rates"][0]["selected"] is True
    assert cart["shipping_address"]["country"] == "FR"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"payment": "nope"}, 400, "rest_invalid_param"),
        ({"email": "nope"}, 400, "rest_invalid_param"),
        ({"address": {"country": "ZZ"}}, 400, "rest_invalid_param"),
        ({"address": {"postcode": "1"}}, 400, "rest_invalid_param"),
        ({"address": {"last_name": ""}}, 400, "woocommerce_rest_invalid_address"),
        (
            {"address": {"country": "JP", "state": "JP13", "postcode": "100-0001"}},
            400,
            "woocommerce_rest_invalid_shipping_option",
        ),
    ],
)
def test_a_checkout_that_cannot_be_is_refused_with_a_code(
    shop_site: Site, products: dict[str, int], change: dict[str, Any], status: int, code: str
) -> None:
    with Shopper(shop_site.url) as shopper:
        shopper.add(products["cup"])
        with pytest.raises(ShopError) as refused:
            shopper.checkout(**change)
    assert (refused.value.status, refused.value.body["code"]) == (status, code)


def test_an_unknown_payment_method_is_named_in_the_refusal(shop_site: Site, products: dict[str, int]) -> None:
    with Shopper(shop_site.url) as shopper:
        shopper.add(products["cup"])
        with pytest.raises(ShopError) as refused:
            shopper.checkout(payment="nope")
    assert refused.value.body["data"]["details"]["payment_method"]["code"] == "rest_not_in_enum"


def test_an_empty_cart_cannot_be_paid(shop_site: Site) -> None:
    with Shopper(shop_site.url) as shopper:
        shopper.cart()
        with pytest.raises(ShopError) as refused:
            shopper.checkout()
    assert (refused.value.status, refused.value.body["code"]) == (409, "woocommerce_rest_cart_empty")


def test_a_write_needs_a_token_or_a_nonce(shop_site: Site, products: dict[str, int]) -> None:
    add = {"id": products["cup"], "quantity": 1}
    with Shopper(shop_site.url) as shopper:
        answers = [
            shopper.http.post("/wp-json/wc/store/v1/cart/add-item", json=add, headers=headers)
            for headers in ({}, {"Nonce": "0123456789"}, {"Cart-Token": "a.b.c"})
        ]
    assert [answer.status_code for answer in answers] == [401, 403, 401]
    assert answers[0].json()["code"] == "woocommerce_rest_missing_nonce"
    assert answers[1].json()["code"] == "woocommerce_rest_invalid_nonce"


@pytest.mark.parametrize(
    ("product", "quantity", "code"),
    [
        (None, 1, "woocommerce_rest_cart_invalid_product"),
        ("cup", 0, "woocommerce_rest_product_invalid_quantity"),
        ("beans", 5000, "woocommerce_rest_product_partially_out_of_stock"),
    ],
)
def test_what_cannot_be_sold_does_not_get_into_the_cart(
    shop_site: Site, products: dict[str, int], product: str | None, quantity: int, code: str
) -> None:
    with Shopper(shop_site.url) as shopper, pytest.raises(ShopError) as refused:
        shopper.add(products[product] if product else 999_999, quantity)
    assert (refused.value.status, refused.value.body["code"]) == (400, code)


def test_two_visits_have_two_carts(shop_site: Site, products: dict[str, int]) -> None:
    with Shopper(shop_site.url) as one, Shopper(shop_site.url) as other:
        one.add(products["cup"], 3)
        assert other.cart()["items_count"] == 0
        assert one.cart()["items_count"] == 3
