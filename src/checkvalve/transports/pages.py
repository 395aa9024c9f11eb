"""Short messages through Apprise: one URL is one channel (mail, webhook, chat, SMS, voice).

URLs hold tokens and passwords: none is ever logged, shown or part of an error. A channel counts as reached when its
service took the message.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import apprise

logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it logs hosts, users and sometimes tokens
TIMEOUT_S: Final = 20.0


def scheme(url: str) -> str:
    """What may be shown of a channel."""
    return url.partition(":")[0][:20]


def usable(url: str) -> bool:
    """Whether Apprise knows this kind of channel and can read the URL."""
    return _service().add(url)


def send(urls: Sequence[str], title: str, body: str) -> list[bool]:
    """For each channel whether it took the message. Blocking; bounded by TIMEOUT_S for each connection."""
    return [_send(url, title, body) for url in urls]


def _send(url: str, title: str, body: str) -> bool:
    service = _service()
    if not service.add(url):
        return False
    try:
        return bool(service.notify(title=title, body=body, body_format="text"))
    except Exception:  # a plugin's bug is a channel that failed, and the next one is tried
        return False


def _service() -> "apprise.Apprise":
    import apprise  # slow to import, and needed only when there is a rota

    asset = apprise.AppriseAsset(app_id="Checkvalve", app_desc="Checkvalve", async_mode=False, secure_logging=True)
    return apprise.Apprise(asset=asset)
