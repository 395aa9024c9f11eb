"""One contract, three model servers through the gateway: what the caller reads is what the log holds, tokens counted.

llama.cpp is the real one; Ollama and vLLM are simulated from their documentation (tests/simulators/inference.py).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from tests.integration.gateway.local import LocalGateway, local_gateway
from tests.integration.gateway.test_faults import raw
from tests.integration.gateway.upstream import ask, payload
from tests.simulators.inference import Ollama, Vllm

Body = dict[str, Any]
MESSAGES = [{"role": "user", "content": "Say hello."}]
LIMITS = {"max_tokens": 6, "max_output_tokens": 6, "n_predict": 6, "temperature": 0, "options": {"num_predict": 6}}
CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a server takes: path -> body; what it refuses: path -> status; how many tokens it counts of a short answer.

    `told` are the paths whose streams count tokens without being asked to.
    """

    requests: dict[str, Body]
    refused: dict[str, int]
    embeddings: dict[str, Body] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    tokens: int
    administration: tuple[tuple[str, str], ...]
    model: str = "smol:latest"


CONTRACTS = {
    "llama.cpp": Contract(
        requests={
            CHAT: {"messages": MESSAGES},
            "/v1/completions": {"prompt": "Hello"},
            "/v1/responses": {"input": "Say hello."},
            "/v1/messages": {"messages": MESSAGES},
            "/completion": {"prompt": "Hello"},
        },
        refused={"/v1/embeddings": 501, "/infill": 501, "/api/chat": 404},
        told=("/v1/completions", "/v1/responses", "/v1/messages", "/completion"),
        tokens=6,
        administration=(("GET", "/slots"), ("GET", "/metrics"), ("POST", "/slots/0?action=erase")),
        model="smollm2",
    ),
    "Ollama": Contract(
        requests={
            "/api/chat": {"messages": MESSAGES},
            "/api/generate": {"prompt": "Hello"},
            CHAT: {"messages": MESSAGES},
            "/v1/completions": {"prompt": "Hello"},
        },
        refused={"/v1/responses": 404, "/infill": 404},
        embeddings={"/api/embed": {"input": "hello"}},
        told=("/api/chat", "/api/generate"),
        tokens=9,
        administration=(("POST", "/api/pull"), ("POST", "/api/create"), ("DELETE", "/api/delete")),
    ),
    "vLLM": Contract(
        requests={
            CHAT: {"messages": MESSAGES},
            "/v1/completions": {"prompt": "Hello"},
            "/invocations": {"messages": MESSAGES},
        },
        refused={"/api/chat": 404, "/infill": 404},
        embeddings={"/v1/embeddings": {"input": "hello"}},
        tokens=9,
        administration=(("POST", "/v1/load_lora_adapter"), ("POST", "/reset_prefix_cache"), ("GET", "/metrics")),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    contract: Contract
    url: str
    gateway: LocalGateway

    def ask(self, path: str, body: Body, headers: dict[str, str] | None = None) -> tuple[int, bytes, bool]:
        sent = json.dumps({"model": self.contract.model, **body}).encode()
        return payload(ask(self.gateway.url, path, sent, headers, timeout=120)[0])


@pytest.fixture(scope="module", params=CONTRACTS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    contract = CONTRACTS[request.param]
    with Ollama() as ollama, Vllm() as vllm:
        simulated = {"Ollama": ollama, "vLLM": vllm}
        server = simulated.get(request.param) or request.getfixturevalue("model")
        with local_gateway(tmp_path_factory.mktemp("gateway"), server.url) as gateway:
            yield Served(contract=contract, url=server.url, gateway=gateway)


@pytest.fixture
def served(running: Served) -> Served:
    running.gateway.release_all()
    running.gateway.clear()
    return running


def bodies(answer: bytes, streamed: bool) -> list[Any]:
    """The JSON of an answer as a client takes it apart: events, lines, or one body."""
    if not streamed:
        return [json.loads(answer)]
    lines = [line.removeprefix(b"data:").strip() for line in answer.splitlines() if line.startswith((b"data:", b"{"))]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def spoken(path: str, told: list[Any]) -> str:
    """The text as a client of that interface reads it; what was thought before it in a paragraph of its own."""
    thought = text = ""
    for body in told:
        match path:
            case "/api/chat":
                text += body["message"]["content"]
            case "/api/generate":
                text += body["response"]
            case "/v1/completions":
                text += "".join(c["text"] for c in body["choices"])
            case "/completion":
                text += body["content"]
            case "/v1/messages":
                text += "".join(c["text"] for c in body.get("content", ())) + body.get("delta", {}).get("text", "")
            case "/v1/responses":
                text += body["delta"] if body.get("type") == "response.output_text.delta" else ""
                text += "".join(c["text"] for o in body.get("output", ()) for c in o["content"])
            case _:
                for choice in body["choices"]:
                    said = choice.get("message") or choice.get("delta") or {}
                    text += said.get("content") or ""
                    thought += said.get("reasoning_content") or ""
    return "\n".join(part for part in (thought, text) if part)


def test_what_a_model_says_is_read_whole_and_in_a_stream(served: Served) -> None:
    for path, asked in served.contract.requests.items():
        for streamed in (False, True):
            served.gateway.clear()
            status, answer, whole = served.ask(path, {**asked, **LIMITS, "stream": streamed})
            assert (status, whole) == (200, True), path
            text = spoken(path, bodies(answer, streamed))
            assert text, path
            [inference] = served.gateway.events("inference")
            assert (inference["streamed"], inference["outcome"]) == (streamed, "complete"), path
            assert sorted(inference["completion"].split("\n")) == sorted(text.split("\n")), f"{path}, in the server's order"
            assert inference["inspected"] is True
            assert json.loads(inference["request"])["stream"] is streamed
            counts = served.contract.tokens if not streamed or path in served.contract.told else None
            assert inference["completion_tokens"] == counts, f"{path}, streamed: {streamed}"
            assert inference["first_token_ms"] >= inference["started_ms"]


def test_tokens_of_a_stream_are_counted_when_they_are_asked_for(served: Served) -> None:
    asked = {"messages": MESSAGES, **LIMITS, "stream": True, "stream_options": {"include_usage": True}}
    assert served.ask(CHAT, asked)[0] == 200
    assert served.gateway.events("inference")[0]["completion_tokens"] == served.contract.tokens


def test_an_answer_that_is_watched_for_redaction_is_the_same(served: Served) -> None:
    served.gateway.order("redact", plugin="chat")
    for path, asked in served.contract.requests.items():
        for streamed in (False, True):
            body = {**asked, **LIMITS, "stream": streamed}
            answers = [served.ask(path, body, headers) for headers in (None, served.gateway.context())]
            told = [spoken(path, bodies(answer, streamed)) for _, answer, _ in answers]
            assert told[0] == told[1] != "", path
            assert answers[1][0] == 200
            assert answers[1][2], path


def test_a_refusal_closes_every_path_of_a_model(served: Served) -> None:
    served.gateway.order("refuse", model=served.contract.model)
    for path, asked in served.contract.requests.items():
        status, answer, whole = served.ask(path, {**asked, **LIMITS})
        assert (status, json.loads(answer)["error"]["code"], whole) == (503, "checkvalve_refused", True), path


def test_numbers_of_texts_are_logged_as_embeddings(served: Served) -> None:
    for path, asked in served.contract.embeddings.items():
        status, answer, _ = served.ask(path, asked)
        assert (status, answer) == (200, httpx2.post(served.url + path, json={"model": "smol:latest", **asked}).content)
        [inference] = served.gateway.events("inference")
        assert (inference["operation"], inference["completion"]) == ("embeddings", "")


def test_what_a_model_cannot_do_is_told_as_it_tells_it(served: Served) -> None:
    for path, expected in served.contract.refused.items():
        status, answer, whole = served.ask(path, {"input": "x", "input_prefix": "a", "input_suffix": "b"})
        direct = httpx2.post(served.url + path, json={"model": served.contract.model, "input": "x"})
        assert (status, whole, direct.status_code) == (expected, True, expected), path
        assert json.loads(answer).keys() == direct.json().keys()
    told = [i["http_status"] for i in served.gateway.events("inference", len(served.contract.refused))]
    assert told == list(served.contract.refused.values())


def test_models_are_listed_and_nothing_is_administered(served: Served) -> None:
    listed = httpx2.get(served.gateway.url + "/v1/models").json()
    assert [m["id"] for m in listed["data"]] == [m["id"] for m in httpx2.get(served.url + "/v1/models").json()["data"]] != []
    for method, target in served.contract.administration:
        sent = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        assert raw(served.gateway, sent.encode()).startswith(b"HTTP/1.1 403 "), target
