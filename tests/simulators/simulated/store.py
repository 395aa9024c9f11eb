"""The simulated shop's books: products, carts, orders, and the Store API's answers about them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulators.shop_data import Person

PROBE_SKU: Final = "checkvalve-probe"
SHIPPING: Final = 490  # minor units
METHODS: Final = ("bacs", "cheque", "cod")
STATUS: Final = {"cod": "processing", "bacs": "on-hold", "cheque": "on-hold"}
COUNTRIES: Final = ("DE", "AT", "FR", "GB", "PL", "ES", "IT", "SE", "DK", "NL", "TR")  # those with a shipping rate
REQUIRED: Final = {
    "first_name": "First name",
    "last_name": "Last name",
    "address_1": "Street address",
    "city": "Town / City",
    "postcode": "Postcode / ZIP",
    "country": "Country / Region",
}
CURRENCY: Final = {"currency_code": "EUR", "currency_symbol": "€", "currency_minor_unit": 2, "currency_prefix": "€"}


class Refusal(Exception):  # noqa: N818 (an answer, not a defect)
    """What the shop answers instead."""

    def __init__(self, status: int, code: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "data": {"status": status} | data}


@dataclass(slots=True, kw_only=True)
class Product:
    id: int
    sku: str
    name: str
    price: int  # minor units
    virtual: bool
    stock: int | None


@dataclass(slots=True, kw_only=True)
class Order:
    id: int
    customer: int
    status: str
    total: int
    address: dict[str, str]
    email: str
    lines: dict[int, int]
    probe: bool = False


@dataclass(slots=True)
class Store:
    """`created` and `changed` are told of each new order and each change of status, as WooCommerce's hooks would."""

    created: Callable[[Order], None]
    changed: Callable[[Order, str, str], None]
    products: dict[int, Product] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    carts: dict[str, dict[int, int]] = field(default_factory=dict)
    _next: int = 1042

    def __post_init__(self) -> None:
        shelf = (("beans", "Espresso beans 1 kg", 2400, False, 4000), ("cup", "Cup", 950, False, 1000))
        for sku, name, price, virtual, stock in (*shelf, ("course", "Brewing course (online)", 4900, True, None)):
            self.add_product(sku, name, price, virtual=virtual, stock=stock)
        self.add_product(PROBE_SKU, "Checkvalve probe", 100, virtual=True, stock=None)

    def add_product(self, sku: str, name: str, price: int, *, virtual: bool, stock: int | None) -> None:
        number = 10 + len(self.products)
        self.products[number] = Product(id=number, sku=sku, name=name, price=price, virtual=virtual, stock=stock)

    def by_sku(self, sku: str) -> Product:
        return next(product for product in self.products.values() if product.sku == sku)

    def add_order(self, person: Person, product: Product, quantity: int) -> Order:
        """An order of the past, completed."""
        address = {name: getattr(person, name) for name in (*REQUIRED, "phone")}
        return self._keep(person.user_id, address, person.email, {product.id: quantity}, "completed")

    def add(self, cart: dict[int, int], wanted: Any, quantity: Any, *, probe: bool) -> None:
        product = self.products.get(wanted) if isinstance(wanted, int) else None
        if product is None:
            message = f"Product with ID &quot;{wanted}&quot; was not found and cannot be added to the cart."
            raise Refusal(400, "woocommerce_rest_cart_invalid_product", message)
        if not isinstance(quantity, int) or quantity <= 0:
            raise Refusal(400, "woocommerce_rest_product_invalid_quantity", "The quantity must be above 0.")
        if product.sku == PROBE_SKU and not probe:
            raise Refusal(400, "woocommerce_rest_product_not_purchasable", f"{product.name} is not available for purchase.")
        if product.stock is not None and cart.get(product.id, 0) + quantity > product.stock:
            raise Refusal(400, "woocommerce_rest_product_partially_out_of_stock", f"{product.stock} remaining.")
        cart[product.id] = cart.get(product.id, 0) + quantity

    def needs_shipping(self, cart: dict[int, int]) -> bool:
        return any(not self.products[number].virtual for number in cart)

    def total(self, cart: dict[int, int]) -> int:
        goods = sum(self.products[number].price * quantity for number, quantity in cart.items())
        return goods + (SHIPPING if self.needs_shipping(cart) else 0)

    def cart_json(self, cart: dict[int, int]) -> dict[str, Any]:
        shipping = str(SHIPPING) if self.needs_shipping(cart) else None
        lines = [(self.products[number], quantity) for number, quantity in cart.items()]
        return {
            "items": [
                {"id": p.id, "name": p.name, "quantity": n, "prices": {"price": str(p.price)} | CURRENCY} for p, n in lines
            ],
            "totals": {"total_price": str(self.total(cart)), "total_shipping": shipping, "total_tax": "0"} | CURRENCY,
            "needs_shipping": self.needs_shipping(cart),
            "needs_payment": self.total(cart) > 0,
            "items_count": sum(cart.values()),
            "errors": [],
            "payment_methods": list(METHODS),
        }

    def checkout(self, cart: dict[int, int], sent: dict[str, Any]) -> dict[str, Any]:
        """Turn the cart into a paid order; the Store API's answer."""
        self._check_form(sent)
        if not cart:
            raise Refusal(409, "woocommerce_rest_cart_empty", "Cannot place an order, your cart is empty.")
        billing = sent["billing_address"]
        self._check_address(cart, billing)
        method = sent["payment_method"]
        address = {name: str(billing.get(name, "")) for name in (*REQUIRED, "phone")}
        order = self._keep(0, address, str(billing["email"]), dict(cart), "pending")
        self.set_status(order, STATUS[method])
        cart.clear()
        key = f"wc_order_{secrets.token_hex(7)}"
        return {
            "order_id": order.id,
            "status": order.status,
            "order_key": key,
            "order_number": str(order.id),
            "payment_method": method,
            "payment_result": {"payment_status": "success", "redirect_url": f"/checkout/order-received/{order.id}/?key={key}"},
        }

    def set_status(self, order: Order, status: str) -> None:
        before, order.status = order.status, status
        takes, took = status in STATUS.values(), before in STATUS.values()
        for number, quantity in order.lines.items():
            product = self.products[number]
            if product.stock is not None and takes != took:
                product.stock += quantity if took else -quantity
        self.changed(order, before, status)

    def _keep(self, customer: int, address: dict[str, str], email: str, lines: dict[int, int], status: str) -> Order:
        number, self._next = self._next, self._next + 1
        probe = any(self.products[line].sku == PROBE_SKU for line in lines)
        values = {"address": address, "email": email, "lines": lines, "status": status}
        order = Order(id=number, customer=customer, total=self.total(lines), probe=probe, **values)  # type: ignore[arg-type]
        self.orders[number] = order
        self.created(order)
        return order

    def _check_form(self, sent: dict[str, Any]) -> None:
        if not isinstance(sent.get("billing_address"), dict):
            raise Refusal(
                400, "rest_missing_callback_param", "Missing parameter(s): billing_address", params=["billing_address"]
            )
        wrong = []
        if sent.get("payment_method") not in METHODS:
            wrong.append("payment_method")
        if "@" not in str(sent["billing_address"].get("email", "")):
            wrong.append("billing_address")
        if wrong:
            raise Refusal(
                400, "rest_invalid_param", f"Invalid parameter(s): {', '.join(wrong)}", params=dict.fromkeys(wrong, "invalid")
            )

    def _check_address(self, cart: dict[int, int], billing: dict[str, Any]) -> None:
        if self.needs_shipping(cart) and billing.get("country") not in COUNTRIES:
            raise Refusal(400, "woocommerce_rest_invalid_shipping_option", "Sorry, this order requires a shipping option.")
        if lacking := [f"{label} is required" for name, label in REQUIRED.items() if not billing.get(name)]:
            raise Refusal(400, "woocommerce_rest_invalid_address", ", ".join(lacking), errors={"billing": lacking})
