"""The language a page is written in: gettext, with English in the source and one catalogue a language in `translations/`.

The language belongs to the request that is being answered: `speak` sets it, everything below reads it. `_` and `ngettext`
give the text in it, with `%(name)s` filled in; `N_` marks a text that is looked up later.
"""

import gettext as catalogues
import io
import re
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from checkvalve.incidents.wording import LANGUAGES

NAMES: Final = {"en": "English", "de": "Deutsch", "fr": "Français"}
_SOURCE: Final = "en"
_spoken: ContextVar[str] = ContextVar("language", default=_SOURCE)


def speak(lang: str) -> None:
    """From here on in this request."""
    _spoken.set(lang if lang in LANGUAGES else _SOURCE)


def spoken() -> str:
    return _spoken.get()


def preferred(accept: str) -> str:
    """The language of ours that an Accept-Language header (RFC 9110, section 12.5.4) likes most; English when none is ours."""
    best, weight = _SOURCE, 0.0
    for part in accept[:500].split(","):
        found = re.fullmatch(r"\s*([A-Za-z]{2,8})(?:-[A-Za-z0-9-]{1,30})?\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?", part)
        if found is None or found[1].lower() not in LANGUAGES:
            continue
        liked = float(found[2] or 1)
        if liked > weight:
            best, weight = found[1].lower(), liked
    return best


@cache
def _catalogue(lang: str) -> catalogues.NullTranslations:
    if lang == _SOURCE:
        return catalogues.NullTranslations()
    compiled = io.BytesIO()
    with files("checkvalve.web").joinpath("translations", f"{lang}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=lang))
    compiled.seek(0)
    return catalogues.GNUTranslations(compiled)


def gettext(text: str) -> str:
    """As the template engine asks for it: it fills in the values itself."""
    return _catalogue(spoken()).gettext(text)


def ngettext_plain(one: str, many: str, number: int) -> str:
    return _catalogue(spoken()).ngettext(one, many, number)


def _(text: str, /, **values: object) -> str:
    found = gettext(text)
    return found % values if values else found


def ngettext(one: str, many: str, number: int, /, **values: object) -> str:
    """`%(num)s` is the number, its thousands set apart."""
    return ngettext_plain(one, many, number) % {"num": grouped(number), **values}


def grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def N_(text: str) -> str:  # noqa: N802 # gettext's name for it
    return text
