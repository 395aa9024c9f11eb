"""What a piece or a word can be part of at all, decided once for each spelling. Most can be part of nothing."""

import re
from typing import Final

from checkvalve.detection import encoded, exits, patterns, romanised
from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.numerals import numerals

_MARKER = re.compile(
    r"\(?[0-9]{1,3}[.)]|\(?[a-z]\)|[-*+•‣–]|#{1,6}|>+|\[[x ]?\]?|\]"
)  # opens an item of a list, a heading, a quotation


class Kind:
    """Bits. (Plain numbers: they are tested for every word that streams by.)"""

    # of pieces
    MARKER: Final = 1 << 0
    ADDRESS: Final = 1 << 1  # holds an @
    CODED: Final = 1 << 2  # may be text in disguise, or go on such text
    SECRET: Final = 1 << 3  # holds a hint of a secret
    FIGURE: Final = 1 << 4  # holds a digit
    FOUR: Final = 1 << 5  # four signs: a group of an application password
    EXIT: Final = 1 << 6  # a link, an image, hidden characters
    # of words
    DIGITS: Final = 1 << 8  # digits alone
    NUMBERED: Final = 1 << 9  # some digit in it
    LETTER: Final = 1 << 10  # one letter alone: words may be spelt
    FUNCTION: Final = 1 << 11
    TITLE: Final = 1 << 12
    LABEL: Final = 1 << 13
    AT: Final = 1 << 14
    SIGN: Final = 1 << 15  # "dot", "minus": stands for a sign of an address
    PHONE: Final = 1 << 16  # announces a telephone number
    OTHER_NUMBER: Final = 1 << 17  # announces a number of another kind
    ORDER: Final = 1 << 18  # announces an order's number
    CAPITAL: Final = 1 << 19
    PLAIN: Final = 1 << 20  # an everyday word, or written small: no surname by itself
    LETTERED: Final = 1 << 21  # two letters or more, nothing else
    NUMERAL: Final = 1 << 22  # says a number
    PART: Final = 1 << 23  # names a part of something
    SCRIPT: Final = 1 << 24  # in Cyrillic or Greek letters


def kind_of_piece(clear: str, folded: str) -> int:
    stripped = clear.strip(patterns.PUNCTUATION)
    found = (
        (Kind.MARKER, _MARKER.fullmatch(folded)),
        (Kind.ADDRESS, "@" in folded),
        (Kind.CODED, encoded.may_be_part(clear)),
        (Kind.SECRET, patterns.rules().hints.search(clear)),
        (Kind.FIGURE, patterns.DIGIT.search(clear)),
        (Kind.FOUR, len(clear) == 4 or len(stripped) == 4),
        (Kind.EXIT, exits.may_be_part(clear)),
    )
    return sum(bit for bit, so in found if so)


def kind_of_word(text: str, raw: str, label: str) -> int:
    """`label`: the disguise undone to read it, or "plain"."""
    lex = lexicon()
    digits = text.isascii() and text.isdigit()
    everyday = any(text in some for some in (lex.ordinary, lex.namelike, lex.function))
    found = (
        (Kind.DIGITS, digits),
        (Kind.NUMBERED, not text.isalpha() and any(map(str.isdigit, text))),
        (Kind.LETTER, len(raw) == 1 or (len(text) == 1 and label != "plain")),
        (Kind.FUNCTION, text in lex.function),
        (Kind.TITLE, text in lex.titles),
        (Kind.LABEL, text in lex.labels),
        (Kind.AT, text in lex.at),
        (Kind.SIGN, bool(lex.sign(text))),
        (Kind.PHONE, not digits and text in lex.phones),
        (Kind.OTHER_NUMBER, not digits and (text in lex.other_numbers or _is_iban_start(text))),
        (Kind.ORDER, not digits and (text in lex.orders or text in lex.number_words)),
        (Kind.CAPITAL, raw[:1].isupper()),
        (Kind.PLAIN, not raw[:1].isupper() or everyday),
        (Kind.LETTERED, text.isalpha() and len(text) > 1),
        (Kind.SCRIPT, len(text) > 1 and not text.isascii() and romanised.may_be(text)),
        (Kind.PART, text in lex.parts),
        (Kind.NUMERAL, numerals().may_be_part(text, raw)),
    )
    return sum(bit for bit, so in found if so)


def _is_iban_start(text: str) -> bool:
    return len(text) >= 4 and text[:2].isalpha() and text[2:4].isdigit()
