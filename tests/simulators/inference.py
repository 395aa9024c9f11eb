"""Ollama and vLLM as callers see them, for neither installs here: the fields and their order of their documentation.

Both say `text`, a word an event when streamed; `asked` is what they were asked. Ollama: docs/api.md; vLLM: its OpenAI server.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Body = dict[str, Any]
TIMES = {"total_duration": 10706818083, "load_duration": 6338219291}
COUNTS = {"prompt_eval_count": 26, "prompt_eval_duration": 130079000, "eval_count": 9, "eval_duration": 4232710000}
AT = "2026-11-24T08:52:19.385406455Z"


class InferenceServer:
    """`models`: name -> SHA-256 of its file in hex. `loaded`: what keeps prompts in memory."""

    def __init__(self, text: str = "Hello there, how can I help?", models: dict[str, str] | None = None) -> None:
        self.text = text
        self.models = models if models is not None else {"smol:latest": "ab" * 32}
        self.loaded = set(self.models)
        self.asked: list[tuple[str, Body]] = []
        self.headers: list[dict[str, str]] = []
        simulated = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._answer(*simulated.get(self.path))

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"] or 0))
                body = json.loads(raw or b"{}")
                simulated.asked.append((self.path, body))
                simulated.headers.append({k.lower(): v for k, v in self.headers.items()})
                self._answer(*simulated.post(self.path, body))

            def _answer(self, status: int, kind: str, parts: Iterator[bytes]) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in parts:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def words(self) -> list[str]:
        return [w + " " for w in self.text.split(" ")[:-1]] + [self.text.split(" ")[-1]]

    def get(self, path: str) -> tuple[int, str, Iterator[bytes]]:
        if path == "/v1/models":
            data = [{"id": n, "object": "model", "created": 1790000000, "owned_by": "library"} for n in self.models]
            return whole({"object": "list", "data": data})
        return whole({"error": "not found"}, 404)

    def post(self, path: str, body: Body) -> tuple[int, str, Iterator[bytes]]:
        raise NotImplementedError


class Ollama(InferenceServer):
    def get(self, path: str) -> tuple[int, str, Iterator[bytes]]:
        match path:
            case "/api/tags":
                details = {"format": "gguf", "family": "llama", "parameter_size": "135M", "quantization_level": "Q4_1"}
                listed = [
                    {"name": n, "model": n, "modified_at": AT, "size": 98, "digest": d, "details": details}
                    for n, d in self.models.items()
                ]
                return whole({"models": listed})
            case "/api/ps":
                return whole({"models": [{"name": n, "model": n, "digest": self.models[n]} for n in self.loaded]})
            case "/api/version":
                return whole({"version": "0.12.6"})
        return super().get(path)

    def post(self, path: str, body: Body) -> tuple[int, str, Iterator[bytes]]:
        name = body.get("model", "")
        if path in ("/v1/chat/completions", "/v1/completions"):
            return openai(path, body, self.words, "fp_ollama")
        if path == "/api/embed":
            return whole({"model": name, "embeddings": [[0.01, -0.002]], **TIMES, "prompt_eval_count": 8})
        if path not in ("/api/chat", "/api/generate"):
            return whole({"error": "not found"}, 404)
        if body.get("keep_alive") == 0:
            self.loaded.discard(name)
            return whole({"model": name, "created_at": AT, "response": "", "done": True, "done_reason": "unload"})
        said = (
            (lambda t: {"message": {"role": "assistant", "content": t}}) if path == "/api/chat" else (lambda t: {"response": t})
        )
        end: Body = {"done": True, "done_reason": "stop", **TIMES, **COUNTS}
        end |= {} if path == "/api/chat" else {"context": [1, 2, 3]}
        if body.get("stream") is False:
            return whole({"model": name, "created_at": AT, **said(self.text), **end})
        lines = [{"model": name, "created_at": AT, **said(w), "done": False} for w in self.words]
        lines.append({"model": name, "created_at": AT, **said(""), **end})
        return 200, "application/x-ndjson", (json.dumps(line).encode() + b"\n" for line in lines)


class Vllm(InferenceServer):
    """With `--reasoning-parser`; `thought` comes before the text. VLLM_SERVER_DEV_MODE is on."""

    thought = "The shopper greets."
    prefix_cache_reset = 0

    def post(self, path: str, body: Body) -> tuple[int, str, Iterator[bytes]]:
        if path == "/reset_prefix_cache":
            self.prefix_cache_reset += 1
            return whole({})
        if body.get("model") not in self.models:
            what = {"message": f"The model `{body.get('model')}` does not exist.", "type": "NotFoundError", "param": "model"}
            return whole({"error": {**what, "code": 404}}, 404)
        if path in ("/v1/chat/completions", "/v1/completions", "/invocations"):
            return openai(path, body, self.words, None, thought=self.thought)
        if path == "/v1/embeddings":
            usage = {"prompt_tokens": 8, "total_tokens": 8, "completion_tokens": 0}
            data = [{"index": 0, "object": "embedding", "embedding": [0.1]}]
            return whole({"id": "embd-1", "object": "list", "model": body["model"], "data": data, "usage": usage})
        return whole({"detail": "Not Found"}, 404)


def whole(body: Body, status: int = 200) -> tuple[int, str, Iterator[bytes]]:
    return status, "application/json", iter([json.dumps(body).encode()])


def openai(
    path: str, body: Body, words: list[str], fingerprint: str | None, *, thought: str | None = None
) -> tuple[int, str, Iterator[bytes]]:
    """OpenAI's shape as Ollama and vLLM fill it in; vLLM's own fields with `thought`."""
    usage = {"prompt_tokens": 26, "total_tokens": 35, "completion_tokens": 9, "prompt_tokens_details": None}
    chat = "messages" in body
    kind = ("chat.completion" + ".chunk" * bool(body.get("stream"))) if chat else "text_completion"
    head = {"id": f"{'chatcmpl' if chat else 'cmpl'}-1", "object": kind, "created": 1790000000, "model": body.get("model")}
    vllm = thought is not None
    more: Body = {"prompt_logprobs": None, "prompt_token_ids": None, "kv_transfer_params": None} if vllm else {}
    tail: Body = {"logprobs": None, "finish_reason": "stop", **({"stop_reason": None, "token_ids": None} if vllm else {})}
    if not body.get("stream"):
        message: Body = {"role": "assistant", "content": "".join(words), "refusal": None, "tool_calls": []}
        message |= {"reasoning_content": thought} if vllm else {}
        count = body.get("n", 1)
        choices = [{"index": i, **({"message": message} if chat else {"text": "".join(words)}), **tail} for i in range(count)]
        return whole({**head, "choices": choices, "system_fingerprint": fingerprint, "usage": usage, **more})

    def events() -> Iterator[bytes]:
        deltas: list[Body] = [{"role": "assistant", "content": ""}] if chat else []
        deltas += [{"reasoning_content": thought}] if chat and vllm else []
        deltas += [{"content": w} if chat else {"text": w} for w in words]
        for delta in deltas:
            said = {"delta": delta} if chat else delta
            yield _event({**head, "choices": [{"index": 0, **said, **tail, "finish_reason": None}]})
        yield _event({**head, "choices": [{"index": 0, **({"delta": {"content": ""}} if chat else {"text": ""}), **tail}]})
        if body.get("stream_options", {}).get("include_usage"):
            yield _event({**head, "choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"

    return 200, "text/event-stream; charset=utf-8", events()


def _event(body: Body) -> bytes:
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"
