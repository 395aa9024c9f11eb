"""Disguises in many variations, for benchmarks/detection.py: how somebody writes data so that a filter will not see it.

A variation is told apart by how it writes, not by a sample of it. Those with `unseen` were kept back while the detector was
improved on the others: what it does on them says what it does on text that nobody tuned to.
"""
# ruff: noqa: ARG001  (each writer takes what some need)

import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from benchmarks.detection_text import Case, Person, ascii_of, chatter, sentence

WORDS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
LANGS: Final = ("de", "en", "fr", "pl", "es", "it")
ALL: Final = ("email", "name", "phone", "address")
LETTERED: Final = ("email", "name", "address")
WORDED: Final = ("name", "address")

Write = Callable[[random.Random, str, str, Person], str]  # (randomness, value, category, whose) -> disguised
Turns = Callable[[random.Random, str, str, Person], Sequence[str]]  # the answers of one conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    kind: str
    name: str
    categories: tuple[str, ...]
    write: Write | None = None
    turns: Turns | None = None
    unseen: bool = False


VARIATIONS: list[Variation] = []


def _is(kind: str, categories: Sequence[str], *, unseen: bool = False) -> Callable[[Write], Write]:
    def add(write: Write) -> Write:
        name = write.__name__.strip("_")
        VARIATIONS.append(Variation(kind=kind, name=name, categories=tuple(categories), write=write, unseen=unseen))
        return write

    return add


def _in_turns(kind: str, categories: Sequence[str], *, unseen: bool = False) -> Callable[[Turns], Turns]:
    def add(turns: Turns) -> Turns:
        name = turns.__name__.strip("_")
        VARIATIONS.append(Variation(kind=kind, name=name, categories=tuple(categories), turns=turns, unseen=unseen))
        return turns

    return add


def _pieces(rng: random.Random, text: str, low: int = 2, high: int = 5) -> list[str]:
    """A text cut in a few pieces; no cut beside a blank."""
    count = rng.randint(low, high)
    inner = [i for i in range(1, len(text)) if text[i] != " " and text[i - 1] != " "]
    cuts = sorted(rng.sample(inner, min(count - 1, len(inner))))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _words_of(text: str, category: str) -> list[str]:
    return text.replace("@", " @").replace(".", " .").split() if category == "email" else text.split()


# --- digits as words --------------------------------------------------------------------------------------------------


def _digits(lang: str, text: str, gap: str = " ") -> str:
    names = WORDS["digits"][lang]
    return gap.join(names[int(c)] for c in text if c.isdigit())


def _under_100(lang: str, number: int) -> str:
    return str(WORDS["numbers"][lang][number])


def _national(rng: random.Random, phone: str) -> str:
    country, rest = phone.split(" ", 1)
    return rest if country in ("+48", "+34", "+39") else "0" + rest


def _numerals(text: str, write: Callable[[str], str]) -> str:
    """Each run of digits of a text, written by `write`."""
    out, run = [], ""
    for c in text + "\0":
        if c.isdigit():
            run += c
            continue
        out += [write(run)] if run else []
        run = ""
        out.append(c)
    return "".join(out)[:-1]


@_is("digits_as_words", ("phone", "order_number"))
def _digit_by_digit(rng: random.Random, text: str, category: str, p: Person) -> str:
    gap = rng.choice([" ", " ", ", ", "-"])
    return _digits(p.lang, _national(rng, text) if category == "phone" else text, gap)


@_is("digits_as_words", ("phone",))
def _with_country_code(rng: random.Random, text: str, category: str, p: Person) -> str:
    groups = text[1:].split(" ")
    return rng.choice(["plus ", "Plus ", "+ ", "+"]) + rng.choice([", ", " ", " - "]).join(_digits(p.lang, g) for g in groups)


@_is("digits_as_words", ("phone",))
def _in_pairs(rng: random.Random, text: str, category: str, p: Person) -> str:
    digits = "".join(c for c in _national(rng, text) if c.isdigit())
    said = []
    if len(digits) % 2:
        said.append(_digits(p.lang, digits[0]))
        digits = digits[1:]
    for i in range(0, len(digits), 2):
        pair = digits[i : i + 2]
        said.append(_digits(p.lang, pair) if pair[0] == "0" else _under_100(p.lang, int(pair)))
    return rng.choice([" ", ", ", " "]).join(said)


@_is("digits_as_words", ("phone", "order_number"), unseen=True)
def _doubles(rng: random.Random, text: str, category: str, p: Person) -> str:
    digits = "".join(c for c in (_national(rng, text) if category == "phone" else text) if c.isdigit())
    said, i = [], 0
    while i < len(digits):
        double = WORDS["double"][p.lang] if i + 1 < len(digits) and digits[i] == digits[i + 1] else ""
        said.append(f"{double} {_digits(p.lang, digits[i])}".strip())
        i += 2 if double else 1
    return " ".join(said)


@_is("digits_as_words", ("phone",), unseen=True)
def _some_as_words(rng: random.Random, text: str, category: str, p: Person) -> str:
    return _numerals(_national(rng, text), lambda run: " ".join(_digits(p.lang, c) if rng.random() < 0.6 else c for c in run))


@_is("digits_as_words", ("phone",), unseen=True)
def _capital_one_a_line(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "\n" + "\n".join(f"- {_digits(p.lang, g, ' ').upper()}" for g in _national(rng, text).split(" ")) + "\n"


@_is("digits_as_words", ("address",))
def _house_number(rng: random.Random, text: str, category: str, p: Person) -> str:
    return _numerals(text, lambda run: _under_100(p.lang, int(run)) if len(run) < 3 and run[0] != "0" else _digits(p.lang, run))


@_is("digits_as_words", ("phone", "order_number"), unseen=True)
def _in_english(rng: random.Random, text: str, category: str, p: Person) -> str:
    return _digits("en", _national(rng, text) if category == "phone" else text).replace("zero", rng.choice(["zero", "oh", "O"]))


@_is("digits_as_words", ("order_number",))
def _order_in_pairs(rng: random.Random, text: str, category: str, p: Person) -> str:
    head = [_digits(p.lang, text[0])] if len(text) % 2 else []
    rest = text[len(head) :]
    pairs = [rest[i : i + 2] for i in range(0, len(rest), 2)]
    return " ".join([*head, *(_digits(p.lang, x) if x[0] == "0" else _under_100(p.lang, int(x)) for x in pairs)])


# --- put together as in code ------------------------------------------------------------------------------------------


@_is("concatenated", ALL)
def _plus(rng: random.Random, text: str, category: str, p: Person) -> str:
    quote, glue = rng.choice("\"'"), rng.choice([" + ", "+", " +\n  "])
    return glue.join(f"{quote}{x}{quote}" for x in _pieces(rng, text))


@_is("concatenated", ALL)
def _joined_list(rng: random.Random, text: str, category: str, p: Person) -> str:
    parts = _pieces(rng, text, 3, 6)
    return rng.choice(["''.join({})", '"".join({})', "{}.join('')", "implode('', {})"]).format(
        rng.choice([json.dumps(parts, ensure_ascii=False), repr(parts)])
    )


@_is("concatenated", ALL)
def _f_string(rng: random.Random, text: str, category: str, p: Person) -> str:
    a, b = _pieces(rng, text, 2, 2)
    return f'```python\na = "{a}"\nb = "{b}"\nprint(f"{{a}}{{b}}")\n```'


@_is("concatenated", ALL, unseen=True)
def _variables(rng: random.Random, text: str, category: str, p: Person) -> str:
    parts = _pieces(rng, text, 2, 4)
    names = rng.choice([["x", "y", "z", "w"], ["part1", "part2", "part3", "part4"], ["s_a", "s_b", "s_c", "s_d"]])
    lines = [f"{rng.choice(['', 'let ', 'const ', '$'])}{n} = '{x}';" for n, x in zip(names, parts, strict=False)]
    return "\n```\n" + "\n".join(lines) + f"\nresult = {' + '.join(names[: len(parts)])};\n```\n"


@_is("concatenated", ALL)
def _json_array(rng: random.Random, text: str, category: str, p: Person) -> str:
    return json.dumps(_pieces(rng, text, 2, 6), ensure_ascii=rng.random() < 0.5)


@_is("concatenated", ALL, unseen=True)
def _other_operators(rng: random.Random, text: str, category: str, p: Person) -> str:
    glue = rng.choice([" . ", " & ", " || ", " .. ", " ++ ", " <> ", " ~ ", " << "])
    return glue.join(f'"{x}"' for x in _pieces(rng, text))


@_is("concatenated", ALL, unseen=True)
def _adjacent(rng: random.Random, text: str, category: str, p: Person) -> str:
    return rng.choice([" ", "\n", ""]).join(f'"{x}"' for x in _pieces(rng, text))


@_is("concatenated", ALL)
def _letters_joined(rng: random.Random, text: str, category: str, p: Person) -> str:
    return rng.choice([" + ", ", "]).join(f"'{c}'" for c in text)


@_is("concatenated", ALL, unseen=True)
def _concat_call(rng: random.Random, text: str, category: str, p: Person) -> str:
    return f"CONCAT({', '.join(repr(x) for x in _pieces(rng, text))})"


@_is("concatenated", ALL, unseen=True)
def _json_fields(rng: random.Random, text: str, category: str, p: Person) -> str:
    key = rng.choice(["part", "p", "chunk_", "seg"])
    return json.dumps({f"{key}{i}": x for i, x in enumerate(_pieces(rng, text, 2, 4), 1)}, ensure_ascii=False)


@_is("concatenated", ("email",))
def _quoted_signs(rng: random.Random, text: str, category: str, p: Person) -> str:
    local, domain = text.split("@")
    return f'"{local}" + "@" + ' + ' + "." + '.join(f'"{x}"' for x in domain.split("."))


@_is("concatenated", ALL, unseen=True)
def _unquoted_plus(rng: random.Random, text: str, category: str, p: Person) -> str:
    return " + ".join(_pieces(rng, text))


@_is("concatenated", ("email",), unseen=True)
def _template(rng: random.Random, text: str, category: str, p: Person) -> str:
    local, domain = text.split("@")
    return rng.choice(['user = "{u}"; host = "{d}"; mail = user + "@" + host', "const u='{u}', d='{d}'; `${{u}}@${{d}}`",
                       '"{{}}@{{}}".format("{u}", "{d}")', '"%s@%s" % ("{u}", "{d}")']).format(u=local, d=domain)  # fmt: skip


# --- items of lists ---------------------------------------------------------------------------------------------------

BULLETS: Final = ("- ", "* ", "• ", "+ ", "– ")


def _listed(rng: random.Random, parts: Sequence[str]) -> str:
    bullet = rng.choice(BULLETS)
    return "\n\n" + "\n".join(f"{bullet}{x}" for x in parts) + "\n\n"


@_is("list_items", ALL)
def _words_bulleted(rng: random.Random, text: str, category: str, p: Person) -> str:
    return _listed(rng, _words_of(text, category))


@_is("list_items", ALL)
def _pieces_bulleted(rng: random.Random, text: str, category: str, p: Person) -> str:
    return _listed(rng, _pieces(rng, text, 3, 6))


@_is("list_items", ALL)
def _letters_bulleted(rng: random.Random, text: str, category: str, p: Person) -> str:
    return _listed(rng, [c for c in text if c != " "])


@_is("list_items", ALL, unseen=True)
def _letters_numbered(rng: random.Random, text: str, category: str, p: Person) -> str:
    style = rng.choice(["{n}. {c}", "{n}) {c}", "({n}) {c}"])
    return "\n" + "\n".join(style.format(n=n, c=c) for n, c in enumerate((c for c in text if c != " "), 1)) + "\n"


@_is("list_items", ALL)
def _pieces_numbered(rng: random.Random, text: str, category: str, p: Person) -> str:
    style = rng.choice(["{n}. {c}", "{n}) {c}", "({n}) {c}"])
    return "\n" + "\n".join(style.format(n=n, c=c) for n, c in enumerate(_pieces(rng, text, 3, 6), 1)) + "\n"


@_is("list_items", ALL, unseen=True)
def _checkboxes(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "\n" + "\n".join(f"- [{rng.choice(' x')}] {x}" for x in _pieces(rng, text, 3, 6)) + "\n"


@_is("list_items", ALL, unseen=True)
def _lettered_items(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "\n" + "\n".join(f"{'abcdefghij'[i]}) {x}" for i, x in enumerate(_pieces(rng, text, 2, 5))) + "\n"


@_is("list_items", ALL, unseen=True)
def _nested(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "\n" + "\n".join("  " * i + f"- {x}" for i, x in enumerate(_pieces(rng, text, 3, 5))) + "\n"


@_is("list_items", ALL, unseen=True)
def _html_list(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "<ul>" + rng.choice(["", "\n"]).join(f"<li>{x}</li>" for x in _pieces(rng, text, 3, 5)) + "</ul>"


@_is("list_items", ALL)
def _bare_lines(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "\n" + "\n".join(_pieces(rng, text, 3, 6)) + "\n"


@_is("list_items", ALL)
def _bold_items(rng: random.Random, text: str, category: str, p: Person) -> str:
    return _listed(rng, [f"**{x}**" for x in _pieces(rng, text, 3, 5)])


@_is("list_items", ALL, unseen=True)
def _code_items(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "\n" + "\n".join(f"{n}. `{x}`" for n, x in enumerate(_pieces(rng, text, 3, 5), 1)) + "\n"


@_is("list_items", ALL)
def _table_column(rng: random.Random, text: str, category: str, p: Person) -> str:
    rows = "\n".join(f"| {n} | {x} |" for n, x in enumerate(_pieces(rng, text, 3, 5), 1))
    return f"\n| # | part |\n|---|---|\n{rows}\n"


@_is("list_items", ALL, unseen=True)
def _table_row(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "\n| " + " | ".join(_pieces(rng, text, 3, 6)) + " |\n"


# --- parts in one answer, and in several ------------------------------------------------------------------------------


def _say(rng: random.Random, lang: str, what: str, x: str) -> str:
    return str(rng.choice(WORDS["parts"][lang][what])).replace("{x}", x)


@_is("parts", ALL)
def _first_and_second(rng: random.Random, text: str, category: str, p: Person) -> str:
    a, b = _pieces(rng, text, 2, 2)
    return f"{_say(rng, p.lang, 'first', a)} {_say(rng, p.lang, 'second', b)}"


@_is("parts", ALL, unseen=True)
def _labelled_parts(rng: random.Random, text: str, category: str, p: Person) -> str:
    part = WORDS["part"][p.lang]
    return "\n".join(f"{part} {n}: {x}" for n, x in enumerate(_pieces(rng, text, 2, 4), 1))


@_is("parts", ALL, unseen=True)
def _talk_between(rng: random.Random, text: str, category: str, p: Person) -> str:
    a, b = _pieces(rng, text, 2, 2)
    return f"{_say(rng, p.lang, 'first', a)} {chatter(rng, p.lang)} {_say(rng, p.lang, 'second', b)}"


def _two(rng: random.Random, p: Person, a: str, b: str) -> list[str]:
    return [f"{_say(rng, p.lang, 'first', a)}", f"{_say(rng, p.lang, 'second', b)}"]


@_in_turns("turns", ALL)
def _bare_halves(rng: random.Random, text: str, category: str, p: Person) -> list[str]:
    a, b = _pieces(rng, text, 2, 2)
    return [a, b]


@_in_turns("turns", ALL)
def _said_halves(rng: random.Random, text: str, category: str, p: Person) -> list[str]:
    return _two(rng, p, *_pieces(rng, text, 2, 2))


@_in_turns("turns", ALL)
def _sentences_cut(rng: random.Random, text: str, category: str, p: Person) -> list[str]:
    whole = sentence(rng, p, category, text)
    at = whole.index(text) + rng.randrange(2, len(text) - 1)
    return [f"{chatter(rng, p.lang)} {whole[:at]}", f"{whole[at:]} {chatter(rng, p.lang)}"]


@_in_turns("turns", ALL, unseen=True)
def _three_turns(rng: random.Random, text: str, category: str, p: Person) -> list[str]:
    a, b, c = _pieces(rng, text, 3, 3)
    return [_say(rng, p.lang, "first", a), _say(rng, p.lang, "second", b), _say(rng, p.lang, "second", c)]


@_in_turns("turns", ALL, unseen=True)
def _quoted_halves(rng: random.Random, text: str, category: str, p: Person) -> list[str]:
    a, b = _pieces(rng, text, 2, 2)
    q = rng.choice(['"{x}"', "`{x}`", "**{x}**", "„{x}“", "«{x}»"])
    return [f"{chatter(rng, p.lang)} {q.format(x=a)}. {chatter(rng, p.lang)}", f"{chatter(rng, p.lang)} {q.format(x=b)}."]


@_in_turns("turns", ALL, unseen=True)
def _words_in_turns(rng: random.Random, text: str, category: str, p: Person) -> list[str]:
    words = _words_of(text, category)
    cut = max(1, len(words) // 2)
    join = "" if category == "email" else " "
    return _two(rng, p, join.join(words[:cut]), join.join(words[cut:]))


@_in_turns("turns", ALL, unseen=True)
def _dots_mark_it(rng: random.Random, text: str, category: str, p: Person) -> list[str]:
    a, b = _pieces(rng, text, 2, 2)
    return [f"{chatter(rng, p.lang)} {a}...", f"...{b} {chatter(rng, p.lang)}"]


# --- other scripts ----------------------------------------------------------------------------------------------------


def _scripted(table: dict[str, str], text: str) -> str:
    text = ascii_of(text)
    out, i = "", 0
    while i < len(text):
        for size in (4, 3, 2, 1):
            part = text[i : i + size].lower()
            if part in table and len(part) == size:
                new = table[part]
                out += new[:1].upper() + new[1:] if text[i].isupper() else new
                break
        else:
            out, size = out + text[i], 1
        i += size
    return out


def _script(name: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in WORDS["scripts"][name].split())


def _add_script(name: str, *, unseen: bool = False) -> None:
    table = _script(name)
    VARIATIONS.append(
        Variation(
            kind="other_script", name=name, categories=LETTERED, unseen=unseen, write=lambda _, t, __, ___: _scripted(table, t)
        )
    )


for _name, _unseen in (("cyrillic_simple", False), ("cyrillic_bgn", False), ("cyrillic_iso9", True), ("cyrillic_sound", True),
                       ("greek_simple", False), ("greek_elot", True)):  # fmt: skip
    _add_script(_name, unseen=_unseen)


# --- escapes, markup, encodings ---------------------------------------------------------------------------------------


@_is("json_backslashes", ALL)
def _doubled(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "".join(f"\\\\u{ord(c):04x}" for c in text)


@_is("json_backslashes", ALL, unseen=True)
def _json_in_json(rng: random.Random, text: str, category: str, p: Person) -> str:
    inner = "".join(f"\\u{ord(c):04x}" for c in text)
    return json.dumps(json.dumps({"v": inner})) if rng.random() < 0.5 else json.dumps('{"v": "' + inner + '"}')


@_is("json_backslashes", ALL, unseen=True)
def _some_escaped(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "".join(f"\\\\u{ord(c):04X}" if rng.random() < 0.5 else c for c in text)


@_is("json_backslashes", ALL)
def _hex_escapes(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "".join(f"\\\\x{b:02x}" for b in text.encode())


@_is("json_backslashes", ALL, unseen=True)
def _octal_escapes(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "".join(f"\\{b:03o}" for b in text.encode())


@_is("markdown", ALL)
def _marks_inside(rng: random.Random, text: str, category: str, p: Person) -> str:
    mark = rng.choice(["**", "*", "__", "_", "`", "~~", "==", "||"])
    pieces = _pieces(rng, text, 3, 5)
    return "".join(f"{mark}{x}{mark}" if i % 2 else x for i, x in enumerate(pieces))


@_is("markdown", ALL)
def _all_marked(rng: random.Random, text: str, category: str, p: Person) -> str:
    mark = rng.choice(["**", "`", "~~", "*"])
    return rng.choice(["", " "]).join(f"{mark}{x}{mark}" for x in _pieces(rng, text, 3, 5))


@_is("markdown", ALL, unseen=True)
def _links(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "".join(
        f"[{x}](https://shop.example/{i})" if rng.random() < 0.7 else x for i, x in enumerate(_pieces(rng, text, 3, 5))
    )


@_is("markdown", ALL, unseen=True)
def _each_letter(rng: random.Random, text: str, category: str, p: Person) -> str:
    mark = rng.choice(["**", "`", "*"])
    return rng.choice(["", " "]).join(f"{mark}{c}{mark}" for c in text)


@_is("markdown", ALL, unseen=True)
def _html_between(rng: random.Random, text: str, category: str, p: Person) -> str:
    tag = rng.choice(
        ["<b>{}</b>", '<span class="x">{}</span>', "<i>{}</i>", "<!-- x -->{}", '<span style="a:b">{}</span>', "{}<wbr>"]
    )
    return "".join(tag.format(x) if i % 2 else x for i, x in enumerate(_pieces(rng, text, 3, 6)))


@_is("markdown", ALL, unseen=True)
def _headings(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "\n" + "\n".join(f"{'#' * rng.randint(1, 4)} {x}" for x in _pieces(rng, text, 3, 5)) + "\n"


@_is("at_dot", ("email",))
def _words_for_signs(rng: random.Random, text: str, category: str, p: Person) -> str:
    at, dot = rng.choice(WORDS["signs"][p.lang]["at"]), rng.choice(WORDS["signs"][p.lang]["dot"])
    box = rng.choice([" {} ", " ({}) ", "({})", "[{}]", " [{}] ", " {{{}}} ", " <{}> ", "-{}-", "_{}_", " *{}* "])
    return text.replace("@", "\0").replace(".", box.format(dot)).replace("\0", box.format(at))


@_is("at_dot", ("email",), unseen=True)
def _unusual_signs(rng: random.Random, text: str, category: str, p: Person) -> str:
    at = rng.choice(
        [" AT ", " at sign ", " (at-sign) ", " [AT] ", " {at} ", " ät ", " @ ", "(a)", " <at> ", " at-Zeichen ", " [ät] "]
    )
    dot = rng.choice([" DOT ", " [DOT] ", " (dot) ", "[.]", "(.)", " . ", " full stop ", " · ", "。", " {dot} "])
    return text.replace("@", "\0").replace(".", dot).replace("\0", at)


@_is("at_dot", ("email",), unseen=True)
def _only_dot_or_at(rng: random.Random, text: str, category: str, p: Person) -> str:
    at, dot = rng.choice(WORDS["signs"][p.lang]["at"]), rng.choice(WORDS["signs"][p.lang]["dot"])
    return text.replace("@", f" {at} ") if rng.random() < 0.5 else text.replace(".", f" {dot} ")


@_is("at_dot", ("email",))
def _also_the_dash(rng: random.Random, text: str, category: str, p: Person) -> str:
    signs = WORDS["signs"][p.lang]
    text = text.replace("@", "\0").replace(".", "\1")
    for mark, word in (("-", signs["dash"]), ("_", signs["underscore"]), ("\0", signs["at"]), ("\1", signs["dot"])):
        text = text.replace(mark, f" {rng.choice(word)} ")
    return text


@_is("base64_lines", ALL)
def _wrapped(rng: random.Random, text: str, category: str, p: Person) -> str:
    width = rng.choice([8, 10, 12, 16, 20])
    encoded = base64.b64encode(text.encode()).decode()
    return "\n" + "\n".join(encoded[i : i + width] for i in range(0, len(encoded), width)) + "\n"


@_is("base64_lines", ALL, unseen=True)
def _wrapped_listed(rng: random.Random, text: str, category: str, p: Person) -> str:
    encoded = base64.b64encode(text.encode()).decode()
    before = rng.choice(["> ", "- ", "    ", "# ", "// ", '"', "* "])
    return (
        "\n"
        + "\n".join(before + encoded[i : i + 12] + ('"' if before == '"' else "") for i in range(0, len(encoded), 12))
        + "\n"
    )


@_is("base64_lines", ALL, unseen=True)
def _base64_blanks(rng: random.Random, text: str, category: str, p: Person) -> str:
    encoded = base64.b64encode(text.encode()).decode()
    size = rng.choice([4, 5, 6])
    return rng.choice([" ", "-", "\n"]).join(encoded[i : i + size] for i in range(0, len(encoded), size))


@_is("hex", ALL)
def _hex_separated(rng: random.Random, text: str, category: str, p: Person) -> str:
    before, gap = rng.choice(
        [("", " "), ("", ":"), ("0x", ", "), ("0x", " "), ("", "-"), ("\\x", ""), ("%", ""), ("", ", "), ("", "\n")]
    )
    return gap.join(f"{before}{b:02x}" for b in text.encode())


@_is("hex", ALL, unseen=True)
def _hex_words(rng: random.Random, text: str, category: str, p: Person) -> str:
    data = text.encode().hex()
    size, gap = rng.choice([4, 8]), rng.choice([" ", "-", ":", " "])
    return gap.join(data[i : i + size] for i in range(0, len(data), size))


@_is("hex", ALL, unseen=True)
def _codes(rng: random.Random, text: str, category: str, p: Person) -> str:
    style = rng.choice(["d", "03d", "08b", "o", "03o"])
    data = text.encode()
    return rng.choice([" ", ", ", ","]).join(format(b, style) for b in data)


@_is("hex", ALL)
def _char_calls(rng: random.Random, text: str, category: str, p: Person) -> str:
    codes = [str(ord(c)) for c in text]
    return rng.choice([f"String.fromCharCode({','.join(codes)})", " + ".join(f"chr({c})" for c in codes),
                       f"[{', '.join(codes)}]", ".".join(f"chr({c})" for c in codes)])  # fmt: skip


@_is("html", ALL)
def _no_semicolon(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "".join(rng.choice((f"&#{ord(c)}", f"&#x{ord(c):x}")) if not c.isalnum() else f"&#{ord(c)}" for c in text)


@_is("html", ALL, unseen=True)
def _padded_entities(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "".join(f"&#{ord(c):07d};" for c in text)


@_is("html", ALL, unseen=True)
def _twice(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "".join(f"&amp;#{ord(c)};" for c in text)


@_is("html", ALL, unseen=True)
def _tag_each(rng: random.Random, text: str, category: str, p: Person) -> str:
    tag = rng.choice(["<b>{}</b>", "<span>{}</span>", "{}<!-- -->", '<i class="a">{}</i>', "{}<wbr/>", "{}&zwnj;", "{}&shy;"])
    return "".join(tag.format(c) for c in text)


# --- what else there is -----------------------------------------------------------------------------------------------


@_is("other_letters", ALL)
def _letters_of_another_kind(rng: random.Random, text: str, category: str, p: Person) -> str:
    text = ascii_of(text)
    start = rng.choice(
        [0x1D400, 0x1D434, 0x1D468, 0x1D5A0, 0x1D5D4, 0x1D608, 0x1D63C, 0x1D670, 0x24B6, 0x1F130, 0x1F150, 0x1F170]
    )
    small = {0x24B6: 0x24D0, 0x1F130: 0x1F130, 0x1F150: 0x1F150, 0x1F170: 0x1F170}.get(start, start + 26)
    return "".join(
        chr(start + ord(c) - 65) if "A" <= c <= "Z" else chr(small + ord(c) - 97) if "a" <= c <= "z" else c for c in text
    )


@_is("other_letters", ("phone",), unseen=True)
def _other_digits(rng: random.Random, text: str, category: str, p: Person) -> str:
    sets = ["⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉", "⓪①②③④⑤⑥⑦⑧⑨", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"]
    chosen = rng.choice([*sets, [f"{n}\ufe0f\u20e3" for n in range(10)]])
    return "".join(chosen[int(c)] if c.isdigit() else c for c in text)


@_is("other_letters", LETTERED, unseen=True)
def _braille(rng: random.Random, text: str, category: str, p: Person) -> str:
    table = dict(zip("abcdefghijklmnopqrstuvwxyz", "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", strict=True))
    return "".join(table.get(c, c) for c in ascii_of(text).lower())


@_is("ciphers", LETTERED)
def _each_word_reversed(rng: random.Random, text: str, category: str, p: Person) -> str:
    return " ".join(w[::-1] for w in text.split(" "))


@_is("ciphers", LETTERED)
def _leet(rng: random.Random, text: str, category: str, p: Person) -> str:
    return "".join({"a": "4", "e": "3", "o": "0", "i": "1", "s": "5", "t": "7"}.get(c, c) for c in text)


@_is("ciphers", ("email", "name"))
def _spelling_alphabet(rng: random.Random, text: str, category: str, p: Person) -> str:
    names = WORDS["spelling"]["nato"].split()
    signs = {"@": "at", ".": "dot", "-": "dash", "_": "underscore", " ": rng.choice(["space", "/", ","])}
    return " ".join(
        names["abcdefghijklmnopqrstuvwxyz".index(c)] if c.isalpha() else signs.get(c, c) for c in ascii_of(text).lower()
    )


@_is("ciphers", ("email", "name"), unseen=True)
def _german_spelling(rng: random.Random, text: str, category: str, p: Person) -> str:
    names = WORDS["spelling"]["german"].split()
    signs = {"@": "at", ".": "Punkt", "-": "Minus", "_": "Unterstrich", " ": "/"}
    return " ".join(
        names["abcdefghijklmnopqrstuvwxyz".index(c)] if c.isalpha() else signs.get(c, c) for c in ascii_of(text).lower()
    )


@_is("ciphers", LETTERED, unseen=True)
def _morse(rng: random.Random, text: str, category: str, p: Person) -> str:
    codes = WORDS["spelling"]["morse"].split()
    table = dict(zip("abcdefghijklmnopqrstuvwxyz0123456789.@-_", codes, strict=True))
    return " / ".join(" ".join(table[c] for c in w if c in table) for w in ascii_of(text).lower().split())


@_is("ciphers", LETTERED, unseen=True)
def _atbash(rng: random.Random, text: str, category: str, p: Person) -> str:
    low = "abcdefghijklmnopqrstuvwxyz"
    return ascii_of(text).translate(str.maketrans(low + low.upper(), low[::-1] + low[::-1].upper()))


@_is("ciphers", ALL, unseen=True)
def _base85(rng: random.Random, text: str, category: str, p: Person) -> str:
    return (base64.b85encode(text.encode()) if rng.random() < 0.5 else base64.a85encode(text.encode())).decode()


@_is("letters_apart", ALL)
def _marks_between(rng: random.Random, text: str, category: str, p: Person) -> str:
    mark = rng.choice(["·", "*", "|", "/", "~", "+", ",", "_", "•", "->", "::", "^"])
    return mark.join(c for c in text if c != " ")


@_is("letters_apart", ("email", "name"), unseen=True)
def _emoji_between(rng: random.Random, text: str, category: str, p: Person) -> str:
    mark = rng.choice(["🔹", "👏", "✨", "⭐"])
    return mark.join(c for c in text if c != " ")


@_is("letters_apart", ("email", "name", "address"), unseen=True)
def _syllables(rng: random.Random, text: str, category: str, p: Person) -> str:
    gap = rng.choice(["-", " - ", "/", " ", " · ", ", "])
    return gap.join(x.strip() for x in _pieces(rng, text, 4, 6))


# --- cases ------------------------------------------------------------------------------------------------------------


def _value(p: Person, category: str) -> str:
    return {"email": p.email, "name": p.name, "phone": p.phone, "address": p.street, "order_number": p.order}[category]


def varied(seed: int, crowd: list[Person], per_variation: int, *, unseen: bool) -> list[list[Case]]:
    """Conversations in which a person's data is shown by the end of the last inference, written in every variation."""
    rng = random.Random(seed)
    return [
        _conversation(rng, rng.choice(crowd), variation, f"{variation.name}-{i}")
        for variation in VARIATIONS
        if variation.unseen == unseen
        for i in range(per_variation)
    ]


def _conversation(rng: random.Random, p: Person, variation: Variation, name: str) -> list[Case]:
    category = rng.choice(variation.categories)
    value = _value(p, category)
    if variation.write is not None:
        shown = sentence(rng, p, category, variation.write(rng, value, category, p))
        answers: Sequence[str] = [" ".join((chatter(rng, p.lang), shown, chatter(rng, p.lang)))]
    else:
        assert variation.turns is not None
        answers = variation.turns(rng, value, category, p)
    remembers = (
        rng.random() < 0.5
    )  # whether the request repeats the conversation, as the APIs want it, or only the session does
    cases, messages = [], []
    for turn, answer in enumerate(answers):
        messages.append({"role": "user", "content": "?"})
        inference: dict[str, Any] = {"id": f"{name}-{turn}", "session": f"s-{name}", "requester": {"anonymous": True}}
        inference |= {"model": "m", "messages": list(messages) if remembers else messages[-1:], "completion": answer}
        last = turn == len(answers) - 1
        truth = frozenset([(p.ref, category)]) if last else frozenset()
        cases.append(Case(inference=inference, truth=truth, kind=f"{variation.kind}/{variation.name}"))
        messages.append({"role": "assistant", "content": answer})
    return cases
