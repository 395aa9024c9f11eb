"""Orders that answer from a safe model, keep context and caches away, close a model by what it is; and their scope."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.gateway.local import LocalGateway, local_gateway
from tests.integration.gateway.test_faults import raw
from tests.integration.gateway.test_orders import HEAD, Running, shown, token
from tests.integration.gateway.test_proxy import LEAK, PATH, QUESTION, message, plain
from tests.integration.gateway.upstream import Upstream, ask, payload
from tests.simulators import downloads
from tests.simulators.gateway import gateway_process
from tests.simulators.inference import Ollama, Vllm
from tests.simulators.model import Model

from checkvalve.gateway.inspection import ENDING_TEXT, MARK
from checkvalve.gateway.settings import Cache, ModelServer, Routing

SAFE = "A person will write to you soon."
BAD, GOOD = "ab" * 32, "cd" * 32


def question(model: str | None, **more: Any) -> bytes:
    named = {"model": model} if model is not None else {}
    return json.dumps({**named, "messages": [{"role": "user", "content": "hello"}], "stream": False, **more}).encode()


def status_of(gateway: LocalGateway, body: bytes, path: str = PATH, headers: dict[str, str] | None = None) -> int:
    return payload(ask(gateway.url, path, body, headers)[0])[0]


def said(body: bytes) -> str:
    text: str = json.loads(body)["choices"][0]["message"]["content"]
    return text


def wait(done: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


@pytest.fixture
def ollama() -> Iterator[Ollama]:
    with Ollama(models={"smol:latest": BAD, "copy:latest": BAD, "good:latest": GOOD}) as server:
        yield server


@pytest.fixture
def safe() -> Iterator[Vllm]:
    with Vllm(SAFE, models={"faq-only": GOOD}) as server:
        yield server


def with_safe(safe: Vllm, *caches: Cache) -> Routing:
    return Routing(upstream=(ModelServer(url=safe.url, models=(), name="safe", model="faq-only"),), cache=caches)


# --- a safe model answers --------------------------------------------------------------------------------------------


def test_a_safe_model_answers_instead_until_the_order_is_released(tmp_path: Path, ollama: Ollama, safe: Vllm) -> None:
    with local_gateway(tmp_path, ollama.url, routing=with_safe(safe)) as gateway:
        jti = gateway.order("route", plugin="chat", to="safe")
        for body in (question("smol"), question(None), question("smol", Model="other")):
            status, answer, whole = payload(ask(gateway.url, PATH, body, gateway.context())[0])
            assert (status, said(answer), whole) == (200, SAFE, True)
        assert [b["model"] for _, b in safe.asked] == ["faq-only"] * 3
        assert all("Model" not in b for _, b in safe.asked), "only one name is left for the server to read"
        assert said(payload(ask(gateway.url, PATH, question("smol"), gateway.context(plugin="search"))[0])[1]) == ollama.text
        assert [(i["server"], i["changed"]) for i in gateway.events("inference", 4)] == [("safe", True)] * 3 + [
            ("default", False)
        ]
        asked = [json.loads(i["request"]) for i in gateway.events("inference")]
        assert [a.get("model") for a in asked] == ["smol", None, "smol", "smol"], "the log has what the caller sent"
        gateway.order("release", jti=jti)
        assert said(payload(ask(gateway.url, PATH, question("smol"), gateway.context())[0])[1]) == ollama.text


def test_a_server_that_the_gateway_does_not_have_is_refused_and_never_guessed(
    tmp_path: Path, upstream: Upstream, safe: Vllm
) -> None:
    upstream.script = plain(message("fine"))
    with local_gateway(tmp_path, upstream.url, routing=with_safe(safe)) as gateway:
        reports = gateway.apply("route", plugin="chat", to="http://192.0.2.7:80")
        assert [(status, "no server" in detail) for _, status, detail in reports] == [("refused", True)]
        assert status_of(gateway, QUESTION, headers=gateway.context()) == 200
        gateway.order("route", model="smol", to="safe")
        assert said(payload(ask(gateway.url, PATH, QUESTION)[0])[1]) == SAFE
    with local_gateway(tmp_path, upstream.url, core=gateway.core) as again:  # the settings have lost the safe server
        assert status_of(again, QUESTION) == 503


def test_an_answer_of_the_unsafe_model_that_runs_ends_politely(tmp_path: Path, upstream: Upstream, safe: Vllm) -> None:
    go_on = threading.Event()
    upstream.script = [HEAD, token("The first "), token("words"), go_on, token(" and the secret")]
    with local_gateway(tmp_path, upstream.url, routing=with_safe(safe)) as gateway:
        running = Running(gateway.url, gateway.context())
        running.until(b"words")
        gateway.order("route", plugin="chat", to="safe")
        running.until(b"[DONE]")
        go_on.set()
        assert shown(running.rest()[1]) == "The first words" + ENDING_TEXT


# --- context and caches ----------------------------------------------------------------------------------------------


def test_nothing_that_was_retrieved_reaches_the_model(tmp_path: Path, ollama: Ollama) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "orders", "arguments": '{"of": "zoe@example.org"}'}}
    asked = {
        "model": "good",
        "messages": [
            {"role": "system", "content": "Be kind.\nContext: order of Anna Schmidt, anna.schmidt@example.de."},
            {"role": "user", "content": [{"type": "text", "text": "Where is it?"}, {"type": "document", "source": "secret"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "A secret note"},
        ],
        "documents": [{"text": "secret"}],
        "Previous_Response_Id": "r-1",
        "stream": False,
    }
    with local_gateway(tmp_path, ollama.url) as gateway:
        gateway.order("strip_context", plugin="chat")
        body = json.dumps(asked).encode()
        reader = gateway.context(requester={"ref": "customer:7"})
        for headers in (gateway.context(), reader):
            assert status_of(gateway, body, headers=headers) == 200
        stranger, owner = (b for _, b in ollama.asked)
        assert not {"documents", "Previous_Response_Id"} & stranger.keys()
        assert stranger["messages"][0]["content"] == f"Be kind.\nContext: order of {MARK}, {MARK}."
        assert stranger["messages"][1]["content"] == [{"type": "text", "text": "Where is it?"}]
        assert "zoe" not in stranger["messages"][2]["tool_calls"][0]["function"]["arguments"]
        assert stranger["messages"][3] == {"role": "tool", "tool_call_id": "c1", "content": MARK}
        assert owner["messages"][0]["content"] == asked["messages"][0]["content"], "one's own data"  # type: ignore[index]
        assert status_of(gateway, question("good", filler="x" * 200_000), headers=reader) == 503, "too long to be read"
        assert status_of(gateway, b"not json", headers=reader) == 503
        assert status_of(gateway, body, path="/v1/audio/speech", headers=reader) == 503
        assert status_of(gateway, question("good", images=["A" * 200_000]), headers=reader) == 200


def test_caches_are_emptied_and_requests_are_not_answered_from_them(tmp_path: Path, ollama: Ollama, safe: Vllm) -> None:
    cache = Upstream()
    cache.script = plain(b"{}")
    routing = with_safe(safe, Cache(url=f"{cache.url}/flush?all=1", method="DELETE", token="s3cret"))
    with local_gateway(tmp_path, ollama.url, routing=routing) as gateway:
        jti = gateway.order("flush_caches", plugin="chat")
        (outcome,) = gateway.events("outcome")
        assert (outcome["jti"], outcome["status"]) == (jti, "done")
        assert "1 of 1 caches emptied" in outcome["detail"]
        assert cache.requests[0].startswith(b"DELETE /flush?all=1 ")
        assert b"bearer s3cret" in cache.requests[0].lower()
        assert (ollama.loaded, safe.prefix_cache_reset) == (set(), 1)
        ask(gateway.url, PATH, question("good"), gateway.context() | {"Cache-Control": "max-age=600"})
        ask(gateway.url, PATH, question("good"), gateway.context(plugin="search"))
        assert [h.get("cache-control") for h in ollama.headers[-2:]] == ["no-cache, no-store", None]
        cache.script = plain(b"{}", status="500 No")
        gateway.order("flush_caches", plugin="chat")
        failed = gateway.events("outcome", 2)[-1]
        assert failed["status"] == "failed"
        assert "it answered 500" in failed["detail"]
        assert "s3cret" not in failed["detail"]
    cache.close()


# --- a model by what it is -------------------------------------------------------------------------------------------


def test_a_model_is_closed_by_its_digest_whatever_it_is_called(tmp_path: Path, ollama: Ollama) -> None:
    with local_gateway(tmp_path, ollama.url) as gateway:
        gateway.order("log_only", plugin="chat", session="5")
        jti = gateway.order("quarantine", digest=f"sha256:{BAD.upper()}")
        wait(lambda: status_of(gateway, question("good")) == 200, "the look at what the server has")
        for name in ("smol", "SMOL:latest", "library/smol", "copy", "unheard-of", None):
            assert status_of(gateway, question(name), headers=gateway.context()) == 503, name
        assert status_of(gateway, question("good", MODEL="smol")) == 503, "Ollama would read the other name"
        assert status_of(gateway, question("good"), path="/api/show") == 503, "which model it means is not known"
        ollama.models["good:latest"] = BAD  # pulled anew
        gateway.order("quarantine", server="nobody")  # wakes the gateway, which looks again
        wait(lambda: status_of(gateway, question("good")) == 503, "another look")
        gateway.order("release", jti=jti)
        assert status_of(gateway, question("smol")) == 200


def test_a_model_whose_digest_is_not_told_is_closed_as_well(tmp_path: Path, safe: Vllm) -> None:
    with local_gateway(tmp_path, safe.url) as gateway:
        gateway.order("quarantine", digest=BAD)
        assert status_of(gateway, question("faq-only")) == 503
        gateway.release_all()
        gateway.order("quarantine", digest=BAD, server="another")
        assert status_of(gateway, question("faq-only")) == 200


def test_a_quarantine_of_what_answers_instead_closes_it_and_not_what_was_asked(
    tmp_path: Path, ollama: Ollama, safe: Vllm
) -> None:
    with local_gateway(tmp_path, ollama.url, routing=with_safe(safe)) as gateway:
        gateway.order("quarantine", server="default")
        assert status_of(gateway, question("smol")) == 503
        gateway.order("route", model="smol", to="safe")
        assert status_of(gateway, question("smol")) == 200
        gateway.order("quarantine", server="safe")
        assert status_of(gateway, question("smol")) == 503


def test_a_real_llama_cpp_is_closed_by_the_file_it_has_loaded(tmp_path: Path, model: Model) -> None:
    with downloads.wheel_member(downloads.SMOLLM2).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    body = question("gpt-4o", max_tokens=1)
    with local_gateway(tmp_path, model.url) as gateway:
        other = gateway.order("quarantine", digest=GOOD)
        wait(lambda: status_of(gateway, body) == 200, "the look at the file")
        gateway.order("release", jti=other)
        gateway.order("quarantine", digest=digest)
        assert status_of(gateway, body) == 503
        gateway.release_all()
        gateway.order("refuse", model="smollm2-135m-instruct")
        wait(lambda: status_of(gateway, body) == 503, "the look at what the server calls its one model")


# --- whose requests, and what of them --------------------------------------------------------------------------------


def test_an_order_may_mean_one_person_or_nobody_known(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    gateway.order("refuse", requester="customer:7")
    known, other = (gateway.context(requester={"ref": ref}) for ref in ("customer:7", "customer:8"))
    assert [status_of(gateway, QUESTION, headers=h) for h in (known, other, None)] == [503, 200, 200]
    gateway.release_all()
    gateway.order("refuse", requester="anonymous", server="default")
    assert [status_of(gateway, QUESTION, headers=h) for h in (known, other, None)] == [200, 200, 503]


def test_an_order_may_hold_back_one_persons_data_or_one_category(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = plain(message(LEAK))

    def answer() -> str:
        return said(payload(ask(gateway.url, PATH, QUESTION, gateway.context())[0])[1])

    gateway.order("redact", plugin="chat", subject="customer:8")
    assert answer() == f"Order for Anna.Schmidt@Example.DE, {MARK}."
    gateway.release_all()
    gateway.order("redact", plugin="chat", category="email")
    assert answer() == f"Order for {MARK}, Zoë Łukasiewicz."
    assert {e["category"] for listed in gateway.events("exposures", 2) for e in listed} == {"email", "name"}
    gateway.order("cut", plugin="chat", subject="customer:8", category="name")
    assert answer() == f"Order for {MARK}, {ENDING_TEXT}"


def test_while_answers_are_held_only_what_cannot_tell_of_anybody_passes_unread(
    gateway: LocalGateway, upstream: Upstream
) -> None:
    upstream.script = plain(b'{"data": []}')
    gateway.order("cut", plugin="chat")

    def asked(method: str, path: str) -> int:
        head = {"Host": "x"} | gateway.context()
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items()), "Connection: close", "", ""]
        return int(raw(gateway, "\r\n".join(lines).encode()).split(b" ")[1])

    for method, path in (("GET", "/v1/models"), ("GET", "/api/tags"), ("GET", "/health"), ("OPTIONS", "/v1/chat/completions")):
        assert asked(method, path) == 200, path
    for path in ("/tokenize", "/v1/tokenize", "/v1/messages/count_tokens", "/rerank"):
        assert status_of(gateway, b"{}", path=path, headers=gateway.context()) == 200, path
    for method, path in (
        *(("GET", p) for p in ("/props", "/v1/responses/r-1", "/v1/models/../../props", "/anything")),
        *(("DELETE", "/v1/models"), ("PUT", PATH)),
    ):
        assert asked(method, path) == 503, path
    for path in ("/api/show", "/v1/audio/transcriptions"):
        assert status_of(gateway, b"{}", path=path, headers=gateway.context()) == 503, path


# --- through the real process ----------------------------------------------------------------------------------------


def test_the_real_process_carries_them_out_without_core_and_after_a_restart(tmp_path: Path, ollama: Ollama, safe: Vllm) -> None:
    settings = f'[[upstream]]\nurl = "{safe.url}"\nmodels = []\nname = "safe"\nmodel = "faq-only"\n'
    with gateway_process(tmp_path / "data", ollama.url, settings) as gateway:
        core = gateway.core
        orders = {
            "route": core.order("route", plugin="chat", to="safe"),
            "quarantine": core.order("quarantine", digest=BAD, server="default"),
            "flush_caches": core.order("flush_caches", plugin="chat"),
            "strip_context": core.order("strip_context", plugin="search"),
        }
        assert {core.outcome(jti)["status"] for jti in orders.values()} == {"done"}
        assert core.outcome(core.order("route", plugin="chat", to="elsewhere"))["status"] == "refused"

        def seen() -> list[Any]:
            answers = []
            for name, plugin in (("good", "chat"), ("smol", "search"), ("good", "search")):
                body = question(name, documents=["secret"])
                status, answer, _ = payload(ask(gateway.url, PATH, body, core.context(plugin=plugin))[0])
                answers.append(said(answer) if status == 200 else status)
            return answers

        expected = [SAFE, 503, ollama.text]
        wait(lambda: seen() == expected, "the look at what the server has")
        core.away = True
        gateway.stop()
        gateway.start()
        wait(lambda: seen() == expected, "the orders are in force again")
        assert "documents" not in ollama.asked[-1][1]
        core.away = False
        for jti in orders.values():
            assert core.outcome(core.order("release", jti=jti))["status"] == "done"
        assert seen() == [ollama.text] * 3
