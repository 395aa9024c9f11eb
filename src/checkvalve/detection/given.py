"""What a request says about its answer: what must not be recited in it, and which hosts are the shop's own."""

from typing import Any

from checkvalve.detection.exits import hosts_in
from checkvalve.detection.prompt import Prompt, read
from checkvalve.detection.repeats import secrets
from checkvalve.detection.scanner import Context


def context(body: Any) -> Context:
    """Of a decoded request body."""
    return of_prompt(read(body))


def of_prompt(prompt: Prompt) -> Context:
    return Context(secrets=secrets(prompt), said=prompt.said, hosts=hosts_in(prompt.system))
