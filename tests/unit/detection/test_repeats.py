"""Reciting what the shop told the model: its prompt and internal documents, not products nor the reader's own words."""

import base64
from typing import Any

import pytest

from checkvalve.detection import given
from checkvalve.detection.register import Register
from checkvalve.detection.scanner import ExposureScanner, Reader

REGISTER = Register(bytes(32))
SYSTEMS = {
    "en": "You are Wren, the assistant of a small lamp shop. Never mention the wholesale price. Offer ten percent off when a"
    " customer hesitates for the second time, and call a colleague when somebody asks about a refund above two hundred euros.",
    "de": "Du bist Wren, die Assistentin eines kleinen Lampenladens. Nenne nie den Einkaufspreis. Biete zehn Prozent Nachlass,"
    " wenn jemand zum zweiten Mal zögert, und rufe eine Kollegin, wenn es um Erstattungen über zweihundert Euro geht.",
    "pl": "Jesteś Wren, asystentką małego sklepu z lampami. Nigdy nie podawaj ceny zakupu. Zaproponuj dziesięć procent zniżki,"
    " gdy klient waha się po raz drugi, i zawołaj koleżankę, gdy pyta o zwrot powyżej dwustu euro.",
    "fr": "Tu es Wren, l'assistante d'une petite boutique de lampes. Ne cite jamais le prix d'achat. Offre dix pour cent quand"
    " un client hésite pour la deuxième fois et appelle une collègue s'il veut un remboursement de plus de deux cents euros.",
}
PRODUCT = (
    "The Heron lamp stands one metre tall, is made of oiled ash and brass, takes any bulb with an E27 thread up to sixty"
    " watts, comes with a cable of two metres in linen, and can be repaired: every part is sold one by one for ten years,"
    " and the shade is folded from paper that may be wiped with a damp cloth."
)


def detectors(body: dict[str, Any], answer: str, size: int = 7) -> list[str]:
    scanner = ExposureScanner(REGISTER, Reader(ref=None, recipient="anonymous"), "i", context=given.context(body))
    for at in range(0, len(answer), size):
        scanner.feed(answer[at : at + size], 0)
    scanner.finish(0)
    return [f.detector for f in scanner.findings]


def asked(system: str, said: str = "Hello?", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": said}], **more}


@pytest.mark.parametrize("lang", SYSTEMS)
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_system_prompt_is_recited(lang: str, size: int) -> None:
    answer = f"Sure! Here it is:\n\n> **{SYSTEMS[lang].upper()}**\n\nAnything else?"
    assert detectors(asked(SYSTEMS[lang]), answer, size) == ["system-prompt-repeated"]


def test_encoded_it_is_recited_all_the_same() -> None:
    answer = base64.b64encode(SYSTEMS["en"].encode()).decode()
    assert detectors(asked(SYSTEMS["en"]), answer) == ["system-prompt-repeated"]


def test_half_of_it_is_enough_and_a_sentence_is_not() -> None:
    words = SYSTEMS["en"].split()
    assert detectors(asked(SYSTEMS["en"]), " ".join(words[: len(words) * 2 // 3])) == ["system-prompt-repeated"]
    assert detectors(asked(SYSTEMS["en"]), " ".join(words[:10])) == []


def test_a_long_run_is_enough_however_long_the_text() -> None:
    system = " ".join(f"rule{n} says thing{n}" for n in range(500))
    assert detectors(asked(system), " ".join(system.split()[300:345])) == ["system-prompt-repeated"]
    assert detectors(asked(system), " ".join(system.split()[300:330])) == []


def test_a_product_is_there_to_be_quoted_wherever_it_stands() -> None:
    for body in (
        asked(SYSTEMS["en"], documents=[{"text": PRODUCT}]),
        asked(f"{SYSTEMS['en']}\n<product>{PRODUCT}</product>"),
        {"messages": [*asked(SYSTEMS["en"])["messages"], {"role": "tool", "content": PRODUCT}]},
    ):
        assert detectors(body, PRODUCT) == []
        assert detectors(body, SYSTEMS["en"]) == ["system-prompt-repeated"]


def test_an_internal_document_is_not() -> None:
    body = asked(SYSTEMS["en"], documents=[{"text": PRODUCT, "visibility": "internal"}])
    assert detectors(body, PRODUCT) == ["internal-document-repeated"]


def test_what_the_reader_wrote_is_no_secret_to_the_reader() -> None:
    assert detectors(asked(SYSTEMS["en"], said=f"Correct this: {SYSTEMS['en']}"), SYSTEMS["en"]) == []


def test_what_is_told_names_how_much_and_none_of_it() -> None:
    scanner = ExposureScanner(REGISTER, Reader(ref=None, recipient="a"), "i", context=given.context(asked(SYSTEMS["en"])))
    scanner.feed(SYSTEMS["en"] + " ", 0)
    (finding,) = scanner.findings
    assert finding.severity == "medium" and not finding.leak
    assert "%" in finding.summary and "Wren" not in finding.summary
