"""What administers a model server is closed to callers, however they spell it, and open to the operator's key; it is logged."""

import hashlib
import json
from collections.abc import Iterator

import pytest
from tests.integration.gateway.local import LocalGateway, local_gateway
from tests.integration.gateway.test_faults import raw
from tests.integration.gateway.test_proxy import plain
from tests.integration.gateway.upstream import Upstream

from checkvalve.gateway.settings import ApiKey, Routing

KEYS = {"operator": "key-of-the-operator", "shop": "key-of-the-shop"}
CLOSED = [
    *(("POST", f"/api/{name}") for name in ("pull", "push", "create", "copy")),
    *(("DELETE", "/api/delete"), ("POST", "/api/blobs/sha256:" + "ab" * 32), ("HEAD", "/api/blobs/sha256:" + "ab" * 32)),
    *(
        ("GET", "/slots"),
        ("POST", "/slots/0?action=erase"),
        ("POST", "/props"),
        ("GET", "/metrics"),
        ("POST", "/lora-adapters"),
    ),
    *(("POST", "/models/load"), ("POST", "/v1/load_lora_adapter"), ("POST", "/v1/unload_lora_adapter"), ("POST", "/sleep")),
    *(("POST", "/reset_prefix_cache"), ("POST", "/collective_rpc"), ("GET", "/server_info")),
]
SPELLED = ["/API/Pull", "/api/pull/", "//api//pull", "/api/./x/../pull", "/%61pi/p%75ll", "/api%2Fpull", "/llm/api/pull"]
SPELLED += ["/api/pull?x=1", "/api/pull#x", "http://elsewhere.example/api/pull"]
OPEN = [("GET", "/api/tags"), ("GET", "/v1/models"), ("GET", "/props"), ("POST", "/api/show"), ("OPTIONS", "/api/pull")]


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalGateway, Upstream]]:
    keys = [ApiKey(name=n, sha256=hashlib.sha256(k.encode()).hexdigest(), operator=n == "operator") for n, k in KEYS.items()]
    upstream = Upstream()
    upstream.script = plain(b"{}")
    with local_gateway(tmp_path_factory.mktemp("gateway"), upstream.url, routing=Routing(key=tuple(keys))) as gateway:
        yield gateway, upstream
    upstream.close()


def asked(gateway: LocalGateway, method: str, target: str, key: str | None = None) -> bytes:
    authorization = f"Authorization: Bearer {KEYS[key]}\r\n" if key else ""
    return raw(gateway, f"{method} {target} HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n".encode())


@pytest.mark.parametrize("key", [None, "shop"])
@pytest.mark.parametrize(("method", "target"), [*CLOSED, *(("POST", t) for t in SPELLED)])
def test_a_caller_cannot_administer_the_model_server(
    operated: tuple[LocalGateway, Upstream], method: str, target: str, key: str | None
) -> None:
    gateway, upstream = operated
    upstream.requests.clear()
    gateway.clear()
    head, _, body = asked(gateway, method, target, key).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ")
    if method == "HEAD":
        assert body == b""
    else:
        error = json.loads(body)["error"]
        assert error["code"] == "checkvalve_administration"
        assert "operator = true" in error["message"]
    assert upstream.requests == []
    [event] = gateway.lines(1)
    assert event["message"] == "administration of a model server refused"
    assert event["http_response"]["code"] == 403
    assert event["unmapped"]["checkvalve"].get("key") == key


@pytest.mark.parametrize(("method", "target"), CLOSED)
def test_the_operators_key_opens_it_and_does_not_reach_the_server(
    operated: tuple[LocalGateway, Upstream], method: str, target: str
) -> None:
    gateway, upstream = operated
    upstream.requests.clear()
    gateway.clear()
    assert asked(gateway, method, target, "operator").startswith(b"HTTP/1.1 200 ")
    [request] = upstream.requests
    assert request.startswith(f"{method} {target} HTTP/1.1".encode())
    assert KEYS["operator"].encode() not in request
    [event] = gateway.lines(1)
    assert event["message"] == "administration of a model server passed through"
    assert event["unmapped"]["checkvalve"]["key"] == "operator"


@pytest.mark.parametrize(("method", "target"), OPEN)
def test_what_only_asks_stays_open(operated: tuple[LocalGateway, Upstream], method: str, target: str) -> None:
    gateway, _ = operated
    assert asked(gateway, method, target).startswith(b"HTTP/1.1 200 ")


def test_a_fragment_does_not_hide_a_question_from_the_log(operated: tuple[LocalGateway, Upstream]) -> None:
    gateway, _ = operated
    gateway.clear()
    asked(gateway, "POST", "/v1/chat/completions#x")
    assert gateway.events("inference")[0]["path"] == "/v1/chat/completions"
