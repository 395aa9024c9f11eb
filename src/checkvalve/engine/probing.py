"""Asks a model server that is not in use yet: does it answer at all, and does it know values by heart (modelstates/probing.py)?

llama.cpp's server alone can be asked the second: it takes a grammar and gives the probabilities before it. The values go to
that server, so it is one of the shop's own; nothing of them is kept.
"""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from time import monotonic
from typing import Any, Final

from checkvalve.engine.errors import EngineError
from checkvalve.modelstates import probing
from checkvalve.modelstates.probing import Probed

TIMEOUT_S: Final = 120
READY_S: Final = 10
MAX_ANSWER: Final = 4 * 1024 * 1024
SMOKE: Final = ("What can you help me with?", "Wie schicke ich etwas zurück?", "Quels sont les délais de livraison ?")
SMOKE_TOKENS: Final = 48

MIN, MAX = probing.MIN_OTHERS, 1000  # how many others a value may be compared with
LIMITS: Final = probing.LIMITS

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """`answered` of `asked` questions got words; the slowest took so long."""

    asked: int
    answered: int
    slowest_ms: int


def ready(url: str) -> bool:
    """Does it say that its model is loaded? llama.cpp and vLLM have /health; Ollama answers with its list of models."""
    for path in ("/health", "/api/tags"):
        try:
            with urllib.request.urlopen(url + path, timeout=READY_S) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return True
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, HTTPException):
            return False
    return False


def smoke(url: str) -> Smoke:
    answered, slowest = 0, 0.0
    for question in SMOKE:
        started = monotonic()
        body = {"messages": [{"role": "user", "content": question}], "max_tokens": SMOKE_TOKENS, "temperature": 0}
        choices = _ask(url, "/v1/chat/completions", body).get("choices")
        slowest = max(slowest, monotonic() - started)
        text = choices[0].get("message", {}).get("content") if isinstance(choices, list) and choices else None
        answered += bool(isinstance(text, str) and text.strip())
    return Smoke(asked=len(SMOKE), answered=answered, slowest_ms=round(slowest * 1000))


def probe(
    url: str, values: Sequence[str], prefix: str, number: int, decoys: Sequence[str], tell: Progress = lambda *_: None
) -> list[Probed]:
    """One verdict a value. `decoys`: values the model cannot have seen, for those of which none can be made up."""
    known: dict[str, float] = {}
    plans = [
        probing.others(v, number, secrets.choice) if probing.comparable(v) else [d for d in decoys if d != v][:number]
        for v in values
    ]
    total, done = sum(len(p) + 1 for p in plans), 0
    found = []
    for value, compared in zip(values, plans, strict=True):
        if len(compared) < probing.MIN_OTHERS:
            why = f"values like it cannot be made up; give {probing.MIN_OTHERS} or more that nobody trained on (--decoys)"
            found.append(Probed(verdict="not_assessed", why=why))
            continue
        for each in (value, *compared):
            if each not in known:
                known[each] = _log_probability(url, prefix, each)
            done += 1
            tell(done, total)
        found.append(probing.judge(known[value], [known[c] for c in compared]))
    return found


def _log_probability(url: str, prefix: str, value: str) -> float:
    body = {
        "prompt": prefix,
        "grammar": probing.grammar(value),
        "logprobs": 1,
        "temperature": 0,
        "max_tokens": len(value.encode()) + 8,
    }
    answer = _ask(url, "/v1/completions", body)
    try:
        choice = answer["choices"][0]
        told = [float(token["logprob"]) for token in choice["logprobs"]["content"]]
        said = choice["text"]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EngineError("no_probabilities", f"{url} tells no probabilities; this needs llama.cpp's server") from error
    if said != value:
        raise EngineError("no_grammar", f"{url} does not follow a grammar; this needs llama.cpp's server")
    return sum(told)


def _ask(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise EngineError("bad_url", "a model server looks like http://127.0.0.1:8081")
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url.rstrip("/") + path, json.dumps(body).encode(), headers)  # noqa: S310 - http, as checked
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http, as checked
            found = json.loads(answer.read(MAX_ANSWER))
    except urllib.error.HTTPError as error:
        error.close()
        raise EngineError("refused", f"{url}{path} answers {error.code}") from error
    except (OSError, ValueError) as error:
        raise EngineError("unreachable", f"{url} does not answer ({type(error).__name__}); is it started?") from error
    if not isinstance(found, dict):
        raise EngineError("no_answer", f"{url}{path} does not answer as a model server does")
    return found
