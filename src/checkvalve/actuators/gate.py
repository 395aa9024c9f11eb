"""The gate before PHP: for a host where nobody may touch the web server, but may name a file in auto_prepend_file."""

import base64
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from checkvalve.actuators import webserver
from checkvalve.actuators.webserver import Checkout

CONFIG: Final = "'{}'"


def state(tokens: Iterable[str]) -> str:
    """What the gate reads: signed orders, which it verifies itself."""
    return msgspec.json.encode({"orders": list(tokens)}).decode() + "\n"


def source(*, site: str, core_public_key: bytes, file: Path, checkout: Checkout, chain: Path | None = None) -> str:
    """The PHP file for one shop. `file`: where its orders lie; `chain`: what auto_prepend_file named before, run afterwards."""
    config = {
        "site": site,
        "key": base64.b64encode(core_public_key).decode(),
        "state": str(file),
        "pages": checkout.pages,
        "webhooks": checkout.webhooks,
        "admin": webserver.ADMIN,
        "front": webserver.FRONT,
        "store": webserver.STORE,
        "store_read": webserver.STORE_READ,
        "ours": webserver.OURS,
        "ajax": webserver.AJAX,
        "uploads": webserver.CODE_IN_UPLOADS,
    }
    text = (files("checkvalve.content.host") / "prepend.php").read_text("utf-8")
    made = text.replace(CONFIG, _literal(msgspec.json.encode(config).decode()))
    return made + (f"\nif ( is_file( {_literal(str(chain))} ) ) {{\n\tinclude {_literal(str(chain))};\n}}\n" if chain else "")


def _literal(text: str) -> str:
    """As PHP writes a string in single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
