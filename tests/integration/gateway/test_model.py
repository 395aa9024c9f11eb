"""The interfaces of a real llama.cpp through the gateway: what the caller reads is what the log holds, tokens counted."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.gateway.local import LocalGateway, local_gateway
from tests.integration.gateway.upstream import ask, payload
from tests.simulators.model import Model

MESSAGES = [{"role": "user", "content": "Say hello."}]
LIMITS = {"max_tokens": 6, "max_output_tokens": 6, "n_predict": 6, "temperature": 0}
REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "Hello"},
    "/v1/responses": {"input": "Say hello.", "model": "smollm2"},
    "/v1/messages": {"messages": MESSAGES},
    "/completion": {"prompt": "Hello"},
}


@pytest.fixture(scope="module")
def gateway(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    with local_gateway(tmp_path_factory.mktemp("gateway"), model.url) as running:
        yield running


def spoken(path: str, bodies: list[Any]) -> str:
    """The text as a client of that interface reads it."""
    text = ""
    for body in bodies:
        match path:
            case "/v1/chat/completions":
                choice = body["choices"][0]
                text += (choice.get("message") or choice.get("delta") or {}).get("content") or ""
            case "/v1/completions":
                text += body["choices"][0]["text"]
            case "/completion":
                text += body["content"]
            case "/v1/messages":
                text += "".join(c["text"] for c in body.get("content", ())) + body.get("delta", {}).get("text", "")
            case _:
                text += body["delta"] if body.get("type") == "response.output_text.delta" else ""
                text += "".join(c["text"] for o in body.get("output", ()) for c in o["content"])
    return text


@pytest.mark.parametrize("path", REQUESTS)
def test_what_a_real_model_says_is_read_whole_and_in_a_stream(gateway: LocalGateway, path: str) -> None:
    for streamed in (False, True):
        gateway.clear()
        body = json.dumps({**REQUESTS[path], **LIMITS, "stream": streamed}).encode()
        status, answer, whole = payload(ask(gateway.url, path, body, timeout=120)[0])
        assert (status, whole) == (200, True)
        data = [line[5:] for line in answer.splitlines() if line.startswith(b"data:")] if streamed else [answer]
        text = spoken(path, [json.loads(d) for d in data if d.strip() != b"[DONE]"])
        assert text
        inference = gateway.events("inference")[0]
        assert (inference["completion"], inference["streamed"], inference["outcome"]) == (text, streamed, "complete")
        assert inference["inspected"] is True
        assert inference["request"] == body.decode()
        counted = inference["completion_tokens"]
        assert counted == 6 or (path == "/v1/chat/completions" and streamed and counted is None), (
            "told only when it is asked for"
        )


def test_an_answer_of_a_real_model_that_is_watched_for_redaction_is_the_same(gateway: LocalGateway) -> None:
    body = json.dumps({"messages": MESSAGES, **LIMITS, "stream": True}).encode()
    open_answer = payload(ask(gateway.url, "/v1/chat/completions", body, timeout=120)[0])[1]
    gateway.order("redact", plugin="chat")
    held = payload(ask(gateway.url, "/v1/chat/completions", body, gateway.context(), timeout=120)[0])[1]

    told = [
        spoken("/v1/chat/completions", [json.loads(e[5:]) for e in answer.split(b"\n\n") if e and b"[DONE]" not in e])
        for answer in (held, open_answer)
    ]
    assert told[0] == told[1] != ""


def test_what_a_model_cannot_do_is_told_as_it_tells_it(gateway: LocalGateway) -> None:
    gateway.release_all()
    gateway.clear()
    for path in ("/v1/embeddings", "/infill", "/api/chat"):
        status, answer, whole = payload(ask(gateway.url, path, b'{"input": "x", "input_prefix": "a", "input_suffix": "b"}')[0])
        assert (status in (404, 501), whole, "error" in json.loads(answer)) == (True, True, True)
    assert [i["http_status"] for i in gateway.events("inference", 3)] == [501, 501, 404]
