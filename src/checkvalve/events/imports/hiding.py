"""Personal data out of what goes into tables: addresses of mail and network become pseudonyms wherever they stand."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any

_EMAIL = re.compile(r"[^\s@\"'<>(),;:/?&=]{1,64}(?:@|%40)[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,24}")
_ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)(?![\w:])")


def hidden(value: Any, hide: Callable[[str, str], str]) -> Any:
    """The same value with pseudonyms for e-mail and IP addresses in each of its texts, member names included."""
    if isinstance(value, str):
        return _in_text(value, hide)
    if isinstance(value, dict):
        return {hidden(k, hide): hidden(v, hide) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(v, hide) for v in value]
    return value


def _in_text(text: str, hide: Callable[[str, str], str]) -> str:
    def address(found: re.Match[str]) -> str:
        try:
            plain = str(ipaddress.ip_address(found[0]))
        except ValueError:
            return found[0]
        return f"ip:{hide('ip', plain)}"

    masked = _EMAIL.sub(lambda m: f"email:{hide('email', m[0].replace('%40', '@').lower())}", text)
    return _ADDRESS.sub(address, masked)
