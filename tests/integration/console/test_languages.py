"""The console in German and French: nothing untranslated, the law by its names, the person's choice before the browser's."""

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import jinja2
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from tests.integration.console.messages import WEB, playbook_texts, templates, texts
from tests.integration.console.seed import House, browser
from tests.integration.console.test_pages import text_of

from checkvalve.web.console.language import NAMES, preferred

OTHERS = sorted(set(NAMES) - {"en"})
SAID_THE_SAME = {"Checkvalve", "PDF", "Word", "JSON", "UTC", "EUR", "SE", "Art.", "GDPR", "URL", "PLAYBOOK", "min"}
FROM_THE_LOG = {"the checkout failed after this step"}  # why a step was taken back, as playbooks/interpreter.py says it
SEEN = ("alt", "aria-label", "placeholder", "title", "data-label")  # attributes that people read or hear


def catalogue(lang: str) -> Catalog:
    with (WEB / "translations" / f"{lang}.po").open("rb") as file:
        return read_po(file, locale=lang)


@pytest.mark.parametrize("lang", OTHERS)
def test_every_text_has_a_translation_with_the_same_values(lang: str) -> None:
    known = catalogue(lang)
    missing, wrong = [], []
    for one, many in sorted(texts() | {(text, None) for text in playbook_texts() | FROM_THE_LOG}, key=str):
        message = known.get(one)
        said = message.string if message else ""
        forms = [said] if isinstance(said, str) else list(said or ())
        if not all(forms) or (many is not None and len(forms) != known.num_plurals):
            missing.append(one)
        for form in forms if message else []:
            values, marks = re.findall(r"%\(\w+\)s", form), re.findall(r"</?\w+", form)
            if sorted(set(values)) != sorted(set(re.findall(r"%\(\w+\)s", one))) or marks != re.findall(r"</?\w+", one):
                wrong.append((one, form))
    assert missing == [], f"add these to translations/{lang}.po"
    assert wrong == []


@pytest.mark.parametrize("lang", OTHERS)
def test_no_translation_is_left_over_or_doubtful(lang: str) -> None:
    wanted = {one for one, _ in texts()} | playbook_texts() | FROM_THE_LOG
    assert [m.id for m in catalogue(lang) if m.id and (m.id[0] if isinstance(m.id, tuple) else m.id) not in wanted] == []
    assert [m.id for m in catalogue(lang) if m.id and m.fuzzy] == []


class Words(HTMLParser):
    """The words of a template that stand outside of every expression: nobody could translate them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code += tag == "code"  # commands are typed as they stand
        self.found += [v for name, v in attrs if name in SEEN and v]

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag == "code"

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.found.append(data)


def plain_words(template: str) -> list[str]:
    environment = jinja2.Environment(extensions=["jinja2.ext.i18n"])
    source = re.sub(r"{%-?\s*trans\b.*?endtrans\s*-?%}", "", template, flags=re.DOTALL)
    parser = Words()
    parser.feed("".join(value for _, kind, value in environment.lex(source) if kind == "data"))
    words = re.findall(r"[^\W\d_][\w.'-]*", " ".join(parser.found))
    return [w for w in words if w not in SAID_THE_SAME]


def test_a_template_with_an_untranslated_word_is_found() -> None:
    assert plain_words('<p>{{ _("Well") }} Hello <code>typed</code></p><img alt="A picture">') == ["Hello", "A", "picture"]
    assert plain_words("{% trans a=1 %}Well {{ a }}{% endtrans %}<b>PDF</b>") == []


@pytest.mark.parametrize("path", templates(), ids=lambda p: p.name)
def test_a_template_says_nothing_that_is_not_translated(path: Path) -> None:
    assert plain_words(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("accept", "lang"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr", "fr"),
        ("it;q=1, fr;q=0.5, de;q=0.7", "de"),
        ("es", "en"),
        ("", "en"),
        ("de;q=0", "en"),
        ("de;q=x, *", "en"),
        ("\x00" * 9999, "en"),
    ],
)
def test_the_browsers_wish_is_read(accept: str, lang: str) -> None:
    assert preferred(accept) == lang


LAW = {
    "de": (
        "Art. 33 Abs. 1 DSGVO",
        "Der Aufsichtsbehörde melden",
        "Der Verantwortliche entscheidet",
        "Kenntnis ist nicht bestätigt",
    ),
    "fr": ("RGPD, art. 33", "Notifier l’autorité de contrôle", "Le responsable du traitement décide", "prise de connaissance"),
}
# English words that are no German and no French ones
ENGLISH = re.compile(r"\b(the|of|and|with|been|yet|nobody|whether|people|closed|which)\b", re.IGNORECASE)


@pytest.mark.parametrize("lang", OTHERS)
def test_the_pages_speak_the_language_of_the_person(home: House, lang: str) -> None:
    case = f"/incidents/{home.cases()[0]}"
    home.core.accounts.set_language("owner", lang)
    try:
        with browser(home, "owner") as person:
            html = person.get(case, headers={"Accept-Language": "en"}).text
            text = text_of(html)
            paths = ("/account", "/people", "/holds", "/settings/costs", "/pair", f"{case}/awareness", "/account/second-factor")
            # what is quoted in English says so
            pages = {path: re.sub(r'<td[^>]* lang="en">.*?</td>', "", person.get(path).text) for path in paths}
            quiet = {path: text_of(page) for path, page in pages.items()}
            refused, nowhere = person.get("/pair"), text_of(person.get("/nowhere", headers={"Accept-Language": lang}).text)
    finally:
        home.core.accounts.set_language("owner", None)
    assert f'<html lang="{lang}">' in html
    for said in LAW[lang]:
        assert said in text, said
    assert refused.status_code == 403 and not ENGLISH.search(text_of(refused.text))
    assert {p: ENGLISH.findall(t) for p, t in quiet.items() if p != "/pair" and ENGLISH.search(t)} == {}
    assert not ENGLISH.search(nowhere)


def test_whoever_is_not_known_yet_is_answered_as_the_browser_asks(home: House) -> None:
    said = httpx2.get(home.url + "/login", headers={"Accept-Language": "fr-CH, fr;q=0.9"}).text
    assert '<html lang="fr">' in said and "Mot de passe" in said
    assert "Passwort" in httpx2.get(home.url + "/login", headers={"Accept-Language": "de"}).text
    wrong = httpx2.post(
        home.url + "/login", data={"name": "x", "password": "x"}, headers={"Accept-Language": "de", "Origin": home.url}
    )
    assert "Name, Passwort oder Code ist falsch." in wrong.text


def test_a_language_is_chosen_and_kept(home: House) -> None:
    with browser(home, "reader") as person:
        assert person.post("/account", data={"lang": "de"}).status_code == 303
        assert "Sprache der Konsole" in person.get("/account").text
        assert person.post("/account", data={"lang": "xx"}).status_code == 303
        assert "Language of the console" in person.get("/account").text
