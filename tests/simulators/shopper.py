"""A customer: buys by the Store API or by the classic checkout, over plain HTTP, and tells what the shop answered."""

import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self

import httpx2

ADDRESS: Final = {
    "first_name": "Mara",
    "last_name": "Lindqvist",
    "company": "",
    "address_1": "Testweg 7",
    "address_2": "",
    "city": "Berlin",
    "state": "",
    "postcode": "10115",
    "country": "DE",
    "phone": "+49 30 23125007",
}
EMAIL: Final = "mara.lindqvist@example.org"


class ShopError(Exception):
    """The shop refused. `status` is the HTTP status, `body` what came with it."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"HTTP {status}: {str(body)[:600]}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    id: int
    status: str
    key: str
    body: dict[str, Any] = field(repr=False)


class Shopper:
    """One visit. `by` is how the cart is remembered: the Cart-Token header, or the cookie with a Nonce header."""

    def __init__(self, url: str, *, by: Literal["token", "cookie"] = "token", headers: dict[str, str] | None = None) -> None:
        self.http = httpx2.Client(base_url=url, timeout=60, headers=headers or {})
        self._by = by
        self._keys: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.http.close()

    def store(self, method: str, path: str, json: Any = None) -> Any:
        """One Store API request; keys of the cart are kept from answer to answer. Raises ShopError from HTTP 400 on."""
        if self._by == "token":
            self.http.cookies.clear()
        answer = self.http.request(method, f"/wp-json/wc/store/v1{path}", json=json, headers=self._keys)
        wanted = ("Cart-Token", "Nonce") if self._by == "token" else ("Nonce",)
        self._keys |= {name: answer.headers[name] for name in wanted if name in answer.headers}
        body = answer.json()
        if answer.status_code >= 400:
            raise ShopError(answer.status_code, body)
        return body

    def cart(self) -> Any:
        return self.store("GET", "/cart")

    def add(self, product: int, quantity: int = 1) -> Any:
        if not self._keys:
            self.cart()
        return self.store("POST", "/cart/add-item", {"id": product, "quantity": quantity})

    def checkout(self, *, payment: str = "cod", email: str = EMAIL, address: dict[str, str] | None = None) -> Order:
        """Pay for what is in the cart by the Store API."""
        shipping = ADDRESS | (address or {})
        order = {"billing_address": shipping | {"email": email}, "shipping_address": shipping, "payment_method": payment}
        body = self.store("POST", "/checkout", order)
        return Order(id=body["order_id"], status=body["status"], key=body["order_key"], body=body)

    def classic(
        self, product: int, *, payment: str = "cod", email: str = EMAIL, address: dict[str, str] | None = None
    ) -> Order:
        """Buy one product as a browser does without blocks: ?wc-ajax=add_to_cart, the page's nonce, ?wc-ajax=checkout."""
        self.http.post("/?wc-ajax=add_to_cart", data={"product_id": str(product), "quantity": "1"}).raise_for_status()
        page = self.http.get("/checkout/")
        nonce = re.search(r'name="woocommerce-process-checkout-nonce" value="([^"]+)"', page.text)
        if nonce is None:
            raise ShopError(page.status_code, "the checkout page has no form; is the cart empty?")
        fields = {f"billing_{name}": value for name, value in (ADDRESS | (address or {})).items()}
        fields |= {"billing_email": email, "payment_method": payment, "terms": "1", "woocommerce_checkout_place_order": "1"}
        fields |= {"woocommerce-process-checkout-nonce": nonce[1], "_wp_http_referer": "/checkout/"}
        if method := re.search(r'name="shipping_method\[0\]"[^>]*value="([^"]+)"', page.text):
            fields["shipping_method[0]"] = method[1]
        answer = self.http.post("/?wc-ajax=checkout", data=fields)
        body = answer.json()
        if body.get("result") != "success":
            raise ShopError(answer.status_code, body)
        return Order(id=int(body["order_id"]), status=body["result"], key=body["redirect"].rpartition("key=")[2], body=body)
