"""Products of the shop by their SKU, and small questions to the shop's own PHP."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulators.wordpress import Site


@pytest.fixture(scope="session")
def products(shop_site: Site) -> dict[str, int]:
    """Product ids of what site/shop.php put on the shelves."""
    code = "echo wp_json_encode(array_combine($s, array_map('wc_get_product_id_by_sku', $s)));"
    found: dict[str, int] = shop_site.php_json("$s = array('beans', 'cup', 'course');" + code)
    return found


@pytest.fixture
def stock(shop_site: Site) -> Callable[[int], int]:
    """How many of a product are left, read in a new PHP process."""
    return lambda product: int(shop_site.php(f"echo wc_get_product({product})->get_stock_quantity();"))


@pytest.fixture
def order(shop_site: Site) -> Callable[[int], dict[str, Any]]:
    """What the shop keeps of an order, with its notes, read in a new PHP process."""

    def read(number: int) -> dict[str, Any]:
        found: dict[str, Any] = shop_site.php_json(f"$id = {number};" + READ)
        return found

    return read


READ = """
$o = wc_get_order($id);
echo wp_json_encode(array(
    'status' => $o->get_status(), 'total' => $o->get_total(), 'currency' => $o->get_currency(),
    'email' => $o->get_billing_email(), 'name' => $o->get_billing_first_name() . ' ' . $o->get_billing_last_name(),
    'postcode' => $o->get_shipping_postcode(), 'customer' => $o->get_customer_id(), 'method' => $o->get_payment_method(),
    'products' => array_values(array_map(fn($i) => array($i->get_product_id(), $i->get_quantity()), $o->get_items())),
    'notes' => array_reverse(array_map(fn($n) => $n->content, wc_get_order_notes(array('order_id' => $id)))),
));
"""
