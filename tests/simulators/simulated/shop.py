"""The simulated shop itself: an HTTP server in this process that answers as the real one would."""

import json
import re
import secrets
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx2
from tests.simulators import shop_data
from tests.simulators.model import NAME
from tests.simulators.shop_data import Person
from tests.simulators.shopper import Shopper
from tests.simulators.simulated.sensor import RefusedError, Sensor
from tests.simulators.simulated.store import METHODS, PROBE_SKU, Order, Refusal, Store

from checkvalve.events import event as ocsf
from checkvalve.events.pseudonym import identifiers, normal_email, pseudonym

ASK: Final = "/shop-assistant/v1/ask"
EXAMPLE: Final = (
    "Order 901 is from Max Muster. E-mail: max.muster@shop.invalid. Phone: 000 111222."
    " Address: Musterweg 1, 00115 Berlin. Status: completed."
)
MAX_BODY: Final = 1_048_576


class SimulatedShop:
    """The same for the demo as a real shop; `kind` and `woocommerce` say that it is none."""

    kind = "simulated"
    woocommerce = "simulated"

    def __init__(self) -> None:
        self.sensor = Sensor()
        self.store = Store(created=self._created, changed=self._changed)
        self._trace = threading.local()
        self._people: list[Person] = []
        self._told: dict[str, set[int]] = {}  # conversation -> orders it has talked about
        self._endpoint = "http://127.0.0.1:8471/v1"
        self._model = NAME
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, directory: Path) -> "SimulatedShop":
        """A new shop; it keeps everything in memory and leaves `directory` alone."""
        return cls()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def rest_url(self) -> str:
        return self.url + "/wp-json/"

    @property
    def ask_url(self) -> str:
        return self.url + "/wp-json" + ASK

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def load(self, customers: int, guests: int, orders: int) -> list[Person]:
        """As shop_data.load(): everybody an order before anybody has two."""
        known = [
            replace(person, user_id=index + 2 if index < customers else 0)
            for index, person in enumerate(shop_data.people(customers + guests))
        ]
        numbers: dict[int, list[str]] = {}
        for index in range(orders):
            buyer = index % len(known)
            order = self.store.add_order(known[buyer], self.store.by_sku("beans"), 1)
            numbers.setdefault(buyer, []).append(str(order.id))
        self._people = [replace(p, order_numbers=tuple(numbers.get(i, ()))) for i, p in enumerate(known)]
        return self._people

    def use_model(self, gateway: str, model: str) -> None:
        self._endpoint, self._model = f"{gateway}/v1", model

    def pair(self, code: str) -> None:
        self.sensor.pair(code, name="Simulated shop", site_url=self.url, rest_url=self.rest_url)
        for person in self._people:
            self._tell_person(person)
        self.sensor.flush()

    def buy(self) -> str:
        """One customer's checkout; the order's number."""
        with Shopper(self.url) as shopper:
            shopper.add(self.store.by_sku("beans").id)
            return str(shopper.checkout().id)

    # What the server calls

    def served(self, method: str, route: str, status: int) -> None:
        """A REST request was answered."""
        activity = {"POST": 1, "GET": 2}.get(method, 2)
        own = {"route": route, "requester": {"anonymous": True}}
        values = {"api": {"operation": f"{method} {route}"}, "http_response": {"code": status}}
        self.sensor.record(ocsf.API_ACTIVITY, activity, own, trace=self.trace, **values)

    @property
    def trace(self) -> str:
        """Trace id of the request this thread serves."""
        found: str = getattr(self._trace, "id", "") or secrets.token_hex(16)
        return found

    def begin(self) -> None:
        self._trace.id = secrets.token_hex(16)

    def answer(self, question: str, conversation: str) -> str:
        """The hole: whoever asks gets what the model says of anybody's order; an error only when it said nothing."""
        said: list[str] = []
        for order in self._relevant(question, conversation):
            try:
                said.append(self._complete(_sentence(order), question))
            except Refusal:
                if not said:
                    raise
                break
        return "\n".join(said) or "I know of no such order."

    def _relevant(self, question: str, conversation: str) -> list[Order]:
        """At most three finished orders that share most words with the question and were not told in the conversation."""
        told = self._told.setdefault(conversation, set()) if conversation else set()
        asked = {word for word in _words(question) if len(word) > 2} - {"order", "mail", "phone", "name"}
        finished = [o for o in list(self.store.orders.values()) if o.status == "completed" and o.id not in told]
        scores = {order.id: len(asked & _words(_sentence(order))) for order in finished}
        best = max(scores.values(), default=0)
        found = sorted((o for o in finished if scores[o.id] == best), key=lambda o: -o.id)[:3]
        told |= {order.id for order in found}
        return found

    def _complete(self, order: str, question: str) -> str:
        said = [("system", "You are the friendly assistant of our shop. Answer from the order data.")]
        said += [("user", f"Order data:\n{EXAMPLE}\n\nQuestion: What is in the order data?"), ("assistant", EXAMPLE)]
        said += [("user", f"Order data:\n{order}\n\nQuestion: {question}")]
        messages = [{"role": role, "content": content} for role, content in said]
        body = {"model": self._model, "messages": messages, "temperature": 0, "max_tokens": 100}
        headers = self.sensor.context(plugin="shop-assistant", route=ASK, trace=self.trace)
        try:
            answer = httpx2.post(f"{self._endpoint}/chat/completions", json=body, headers=headers, timeout=300)
            status = answer.status_code
        except httpx2.TransportError:
            status = 0
        url = {"hostname": httpx2.URL(self._endpoint).host, "path": "/v1/chat/completions"}
        values = {"http_request": {"http_method": "POST", "url": url}, "http_response": {"code": status}}
        self.sensor.record(ocsf.HTTP_ACTIVITY, 6, {"plugin": "shop-assistant"}, trace=self.trace, **values)
        if status != 200:
            raise Refusal(502, "shop_assistant_asleep", "The assistant cannot answer now.")
        return str(answer.json()["choices"][0]["message"]["content"]).strip()

    # What is told to core

    def _created(self, order: Order) -> None:
        self._tell_order(1, order, {})
        if order.status == "pending" and not order.probe:
            a = order.address
            numbers = tuple(str(o.id) for o in self.store.orders.values() if o.email == order.email and not o.probe)
            buyer = Person(
                first_name=a["first_name"],
                last_name=a["last_name"],
                email=order.email,
                phone=a["phone"],
                address_1=a["address_1"],
                postcode=a["postcode"],
                city=a["city"],
                country=a["country"],
                order_numbers=numbers,
            )
            self._tell_person(buyer)

    def _changed(self, order: Order, before: str, after: str) -> None:
        self._tell_order(3, order, {"from": before, "to": after})

    def _tell_order(self, activity: int, order: Order, change: dict[str, str]) -> None:
        total = f"{order.total / 100:.2f}"
        own = {"order": {"number": str(order.id), **change, "total": total, "currency": "EUR", "probe": order.probe}}
        resources = [{"type": "wc_order", "uid": str(order.id)}]
        self.sensor.record(ocsf.WEB_RESOURCES, activity, own, trace=self.trace, web_resources=resources)

    def _tell_person(self, person: Person) -> None:
        if not self.sensor.paired:
            return
        key = self.sensor.pseudonym_key
        found = identifiers(
            key,
            email=person.email,
            name=person.name,
            phone=person.phone,
            address=person.address_1,
            postcode=person.postcode,
            order_numbers=person.order_numbers,
        )
        guest = "guest:" + pseudonym(key, "email", normal_email(person.email) or "")[:12]
        subject = {"ref": person.ref or guest, "identifiers": [list(pair) for pair in found], "gone": False}
        self.sensor.record(ocsf.USER_INVENTORY, 2, {"subject": subject}, trace=self.trace)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who leaves before the answer is nothing to report; all else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _words(text: str) -> set[str]:
    return set(re.split(r"[^\w@.]+|\.(?=\s|$)", text.lower()))


def _sentence(order: Order) -> str:
    a = order.address
    return (
        f"Order {order.id} is from {a['first_name']} {a['last_name']}. E-mail: {order.email}. Phone: {a['phone']}."
        f" Address: {a['address_1']}, {a['postcode']} {a['city']}. Status: {order.status}."
    )


def _handler(shop: SimulatedShop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        _token: str | None = None  # cart of the request being served

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            shop.begin()
            path, _, query = self.path.partition("?")
            route = path.removeprefix("/wp-json")
            size = int(self.headers.get("Content-Length") or 0)
            if size > MAX_BODY:
                self.close_connection = True
                return self._send(413, {"error": "too_large", "hint": f"at most {MAX_BODY} bytes"})
            body = self.rfile.read(size)
            try:
                status, answer = self._route(route, query, body)
            except (Refusal, RefusedError) as refused:
                status, answer = refused.status, refused.body
            if not route.startswith("/checkvalve/"):
                shop.served(self.command, route, status)
            return self._send(status, answer)

        def _route(self, route: str, query: str, body: bytes) -> tuple[int, dict[str, Any]]:
            headers = {name.lower(): value for name, value in self.headers.items()}
            if shop.sensor.blocked(route):
                raise Refusal(403, "checkvalve_blocked", "This part of the shop is closed for now.")
            match self.command, route:
                case "POST", "/checkvalve/v1/sync":
                    return 200, shop.sensor.sync(headers, body)
                case "GET", "/checkvalve/v1/probe":
                    return 200, self._probe(query)
                case "POST", "/shop-assistant/v1/ask" if not shop.sensor.isolated("shop-assistant"):
                    return 200, {"answer": shop.answer(*self._question(body))}
                case _, path if path.startswith("/wc/store/v1/"):
                    return self._store(path.removeprefix("/wc/store/v1"), body)
            raise Refusal(404, "rest_no_route", "No route was found matching the URL and request method.")

        def _question(self, body: bytes) -> tuple[str, str]:
            """(question, conversation)."""
            sent = self._json(body)
            if not isinstance(sent.get("question"), str):
                raise Refusal(400, "rest_missing_callback_param", "Missing parameter(s): question", params=["question"])
            return sent["question"], str(sent.get("conversation") or "")

        def _probe(self, query: str) -> dict[str, Any]:
            shop.sensor.check_pass(self.headers.get("Checkvalve-Probe"))
            product = shop.store.by_sku(PROBE_SKU)
            facts: dict[str, Any] = {"product_id": product.id, "sku": product.sku, "price": str(product.price)}
            facts |= {"currency": "EUR", "minor_unit": 2, "methods": list(METHODS)}
            if query.startswith("order="):
                order = shop.store.orders.get(int(query[6:]) if query[6:].isdigit() else 0)
                if order is None or not order.probe:
                    raise RefusedError(404, "not_found", "there is no probe order with this number")
                facts["order_status"] = order.status
            return facts

        def _store(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
            store, token = shop.store, self.headers.get("Cart-Token")
            if self.command == "POST" and token not in store.carts:
                message = "Missing the Nonce header. This endpoint requires a valid nonce."
                raise Refusal(401, "woocommerce_rest_missing_nonce", message)
            self._token = token if token in store.carts else secrets.token_urlsafe(24)
            cart = store.carts.setdefault(str(self._token), {})
            match self.command, path:
                case "GET", "/cart":
                    return 200, store.cart_json(cart)
                case "POST", "/cart/add-item":
                    sent = self._json(body)
                    store.add(cart, sent.get("id"), sent.get("quantity", 1), probe=self._has_pass())
                    return 201, store.cart_json(cart)
                case "POST", "/checkout":
                    answer = store.checkout(cart, self._json(body))
                    order = store.orders[answer["order_id"]]
                    if order.probe:
                        store.set_status(order, "cancelled")
                    return 200, answer
            raise Refusal(404, "rest_no_route", "No route was found matching the URL and request method.")

        def _has_pass(self) -> bool:
            try:
                shop.sensor.check_pass(self.headers.get("Checkvalve-Probe"))
            except RefusedError:
                return False
            return True

        def _json(self, body: bytes) -> dict[str, Any]:
            try:
                sent = json.loads(body or b"{}")
            except (ValueError, RecursionError) as error:
                raise Refusal(400, "rest_invalid_json", "Invalid JSON body passed.") from error
            return sent if isinstance(sent, dict) else {}

        def _send(self, status: int, body: dict[str, Any]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(raw)))
            if token := self._token:
                self.send_header("Cart-Token", token)
                self.send_header("Nonce", "simulated")
                self._token = None
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    return Handler
