"""PHP and Python compute the same pseudonyms: both run over tests/golden/pseudonyms.json.

The file holds the values that Python gave when the format was fixed; they must never change, because the registers of
running shops are made of them. `python -m tests.wire.test_pseudonyms` prints the file anew after a value was added.
"""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from tests.simulators.wordpress import require_php

from checkvalve.events import pseudonym

ROOT: Final = Path(__file__).resolve().parents[2]
GOLDEN: Final = ROOT / "tests" / "golden" / "pseudonyms.json"
PLUGIN: Final = ROOT / "wordpress" / "checkvalve"
FOLD: Final = ROOT / "src" / "checkvalve" / "content" / "fold.json"

PEOPLE: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"email": "anna.schmidt@example.com", "name": "Anna Schmidt", "phone": "+49 30 23125001", "address": "Lindenstraße 12"},
    {"email": " Anna.Schmidt@EXAMPLE.com ", "name": "SCHMIDT,  Anna"},
    {"email": "an na@exam\u00a0ple.com"},
    {"email": "tab\tand\x1cfield\u2003separators\u3000@example.org"},
    {"email": "zero\u200bwidth@example.org", "name": "Zero\u200bWidth Space"},
    {"email": "Anna+Shop+2@example.org"},
    {"email": "+shop@example.org"},
    {"email": "no-at.example.com"},
    {"email": "two@at@example.com"},
    {"email": "@example.com"},
    {"email": "anna@"},
    {"email": "ＡＮＮＡ＠ｅｘａｍｐｌｅ．ｃｏｍ", "name": "Ａｎｎａ　Ｓｃｈｍｉｄｔ"},
    {"email": "käthe@bücher.example", "name": "Käthe Groß", "address": "Große Bleichen 7", "postcode": "20354"},
    {"name": "Jürgen Müller-Lüdenscheidt", "postcode": "D-10115"},
    {"name": "Łukasz Żółć-Ćwikła", "address": "ul. Świętokrzyska 31/33a", "postcode": "00-049"},
    {"name": "Agnieszka Wiśniewska", "phone": "0048 600 000 001"},
    {"name": "Øystein Ærø", "address": "Ågade 1", "postcode": "DK-2200"},
    {"name": "José Nuñez", "address": "Calle Ñandú 3, 2º izq.", "postcode": "28 013"},
    {"name": "Jose\u0301 Nun\u0303ez"},
    {"name": "Zoe\u0308 O\u2019Brien"},
    {"name": "Zoë O'Brien"},
    {"name": "Иван Петров", "email": "иван@пример.example", "address": "ул. Ленина 5"},
    {"name": "李 小龙", "address": "北京 路 1"},
    {"name": "Ἀλέξανδρος Παπαδόπουλος"},
    {"name": "İbrahim Işık"},
    {"name": "Đorđe Þór Straße Œuvre ﬁn"},
    {"address": "Calle de la Virgen de la Paz 12, 3º izq."},
    {"name": "Madonna"},
    {"name": "Pablo Diego José Francisco de Paula Ruiz y Picasso"},
    {"name": "Anna Maria Luise von Berg"},
    {"name": "—  – „Anna“ «Schmidt»…"},
    {"name": "Anna\u00adMaria Soft-Hyphen"},
    {"name": "Anna_Schmidt 2nd"},
    {"name": "0 0", "postcode": "0"},
    {"name": "x" * 300 + " " + "ß" * 200},
    {"name": "Emoji 😀 Person", "address": "Haus 😀 Nr. 1"},
    {"phone": "030 / 23125-002"},
    {"phone": "(0049) 30 23125002"},
    {"phone": "+44 20 7946 0123"},
    {"phone": "+33 1 99 00 12 34"},
    {"phone": "+1 555-0142"},
    {"phone": "555-014"},
    {"phone": "0000000"},
    {"phone": "٠٣٠٢٣١٢٥٠٠١"},
    {"address": "Hauptstr. 5"},
    {"address": "Hauptstraße"},
    {"address": "12, rue de l’Église, bâtiment C, 3e étage, porte gauche"},
    {"postcode": "SW1A 1AA", "name": "Thomas Müller"},
    {"postcode": "sw1a1aa", "name": "Mueller"},
    {"postcode": "10115"},
    {"order_numbers": ["1042", "1043", "1042"]},
    {"order_numbers": ["#1042", "A-7", "", "１０４２", "0042", "10 42"]},
)

RUN_PHP: Final = """
define('ABSPATH', '/');
require $argv[1] . '/bootstrap.php';
$key = base64_decode($argv[2]);
foreach (json_decode(stream_get_contents(STDIN), true) as $person) {
    $found[] = Checkvalve\\People\\Pseudonym::identifiers($key, $person);
}
echo json_encode($found);
"""


def computed(key: bytes, person: dict[str, Any]) -> list[list[str]]:
    given = {**person, "order_numbers": tuple(person.get("order_numbers", ()))}
    return [list(pair) for pair in pseudonym.identifiers(key, **given)]


def in_php(key: str, people: list[dict[str, Any]]) -> list[list[list[str]]]:
    command = [require_php(), "-d", "display_errors=stderr", "-r", RUN_PHP, "--", str(PLUGIN), key]
    done = subprocess.run(command, input=json.dumps(people).encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: list[list[list[str]]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    return loaded


def test_the_golden_file_covers_every_person_listed_here(golden: dict[str, Any]) -> None:
    assert [row["person"] for row in golden["people"]] == list(PEOPLE)


def test_python_computes_the_golden_pseudonyms(golden: dict[str, Any]) -> None:
    key = base64.b64decode(golden["key"])
    for row in golden["people"]:
        assert computed(key, row["person"]) == row["identifiers"], row["person"]


def test_php_computes_the_golden_pseudonyms(golden: dict[str, Any]) -> None:
    found = in_php(golden["key"], [row["person"] for row in golden["people"]])
    assert len(found) == len(golden["people"])
    for row, php in zip(golden["people"], found, strict=True):
        assert php == row["identifiers"], row["person"]


def test_php_and_python_agree_on_every_letter_of_the_table() -> None:
    table = json.loads(FOLD.read_text("utf-8"))
    letters = sorted(set(table["map"]) | set(table["space"]) | {chr(c) for c in range(1, 0x250)})
    people = [{"name": f"a{c}b Schmidt", "email": f"a{c}b@example.com", "postcode": f"1{c}2"} for c in letters]
    key = bytes(range(32))
    assert in_php(base64.b64encode(key).decode(), people) == [computed(key, p) for p in people]


def test_both_sides_ship_the_same_folding_table() -> None:
    assert (PLUGIN / "data" / "fold.json").read_bytes() == FOLD.read_bytes()


def _print_golden() -> None:
    key = bytes(range(32))
    people = [{"person": p, "identifiers": computed(key, p)} for p in PEOPLE]
    print(json.dumps({"key": base64.b64encode(key).decode(), "people": people}, ensure_ascii=True, indent=1))


if __name__ == "__main__":
    _print_golden()
