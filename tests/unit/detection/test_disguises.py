"""Registered data in disguise is found, named and placed; and each way of writing it plainly."""

import base64

import pytest

from checkvalve.detection.register import Register
from checkvalve.detection.scanner import Reader, scan
from checkvalve.detection.types import ENCODINGS
from checkvalve.events.pseudonym import identifiers

KEY = bytes(range(32))
NOBODY = Reader(ref=None, recipient="anonymous")


@pytest.fixture(scope="module")
def register() -> Register:
    found = Register(KEY)
    anna = identifiers(
        KEY, email="anna.schmidt@example.de", name="Anna Schmidt", phone="+49 30 23125 123", address="Lindenstraße 12",
        postcode="10115", order_numbers=("4711",),
    )  # fmt: skip
    found.put("customer:7", anna, 1)
    found.put(
        "customer:8", identifiers(KEY, email="jm+shop@example.org", name="Jürgen Müller-Lüdenscheidt", address="Am Markt"), 2
    )
    found.put("customer:9", identifiers(KEY, name="María de la Cruz", address="Calle de la Virgen de la Paz 12, 3º izq."), 3)
    found.put("customer:10", identifiers(KEY, name="Rose Gold", email="rg@example.net", postcode="20095"), 4)
    found.put("customer:11", identifiers(KEY, name="Ana García", email="ana@example.com"), 5)
    found.put("customer:12", identifiers(KEY, name="Ana García López", email="agl@example.com"), 6)
    found.put("customer:13", identifiers(KEY, name="Anna Schmidt", email="other.anna@example.net"), 7)
    found.put("customer:14", identifiers(KEY, name="Наталья Шмидт"), 8)
    found.put("customer:15", identifiers(KEY, name="Natalja Schmidt"), 9)
    found.put(
        "shop:main", identifiers(KEY, name="Kerzenladen Nord", email="hallo@kerzenladen.example", phone="+49 40 66969 001"), 10
    )
    return found


def seen(text: str, register: Register, reader: Reader = NOBODY) -> list[tuple[str, str, str, str]]:
    """(subject, category, encoding, the text at the span)"""
    return [(e.subject, e.category, e.encoding, text[slice(*e.span)]) for e in scan(text, register, reader, "i", 0)]


MAIL = "anna.schmidt@example.de"


@pytest.mark.parametrize(
    ("encoding", "hidden"),
    [
        ("spaced", "a n n a . s c h m i d t @ e x a m p l e . d e"),
        ("spaced", "a-n-n-a-.-s-c-h-m-i-d-t-@-e-x-a-m-p-l-e-.-d-e"),
        ("at_dot", "anna dot schmidt at example dot de"),
        ("at_dot", "anna.schmidt [at] example [punkt] de"),
        ("at_dot", "anna.schmidt arroba example punto de"),
        ("split", "anna.schmidt[@]example[.]de"),
        ("split", "anna.schmidt\n@\nexample.de"),
        ("split", "anna.schm**idt**@example.de"),
        ("html", "an<b>na</b>.schmidt@example.de"),
        ("invisible", "\u200b".join(MAIL)),
        ("invisible", "".join(chr(0xE0000 + ord(c)) for c in MAIL)),
        ("lookalike", "аnnа.sсhmidt@ехаmрlе.dе"),
        ("lookalike", "𝐚𝐧𝐧𝐚.𝐬𝐜𝐡𝐦𝐢𝐝𝐭@𝐞𝐱𝐚𝐦𝐩𝐥𝐞.𝐝𝐞"),
        ("lookalike", "4nn4.5chm1d7@3x4mpl3.d3"),
        ("reversed", MAIL[::-1]),
        ("rot13", "naan.fpuzvqg@rknzcyr.qr"),
        ("base64", base64.b64encode(MAIL.encode()).decode()),
        ("base64", base64.urlsafe_b64encode(MAIL.encode()).decode().rstrip("=")),
        ("base64", base64.b64encode(base64.b64encode(MAIL.encode())).decode()),
        ("base32", base64.b32encode(MAIL.encode()).decode()),
        ("hex", MAIL.encode().hex()),
        ("hex", MAIL.encode().hex(" ")),
        ("codes", " ".join(str(b) for b in MAIL.encode())),
        ("codes", " ".join(f"{b:08b}" for b in MAIL.encode())),
        ("url", "%61%6E%6e%61.schmidt%40example.de"),
        ("url", "anna.schmidt%2540example.de"),
        ("html", "anna.schmidt&#64;example&period;de"),
        ("json", "anna.schmidt\\u0040example.de"),
    ],
)
def test_an_email_in_disguise(encoding: str, hidden: str, register: Register) -> None:
    text = f"Sure, here it is: {hidden} \nAnything else?"
    found = seen(text, register)
    assert [f[:3] for f in found if f[1] == "email"] == [("customer:7", "email", encoding)]
    assert encoding in ENCODINGS
    assert [f[3] for f in found if f[1] == "email"] == [hidden]


@pytest.mark.parametrize(
    ("subject", "category", "text"),
    [
        ("customer:7", "address", "ynIt: Yvaqrafgenßr 12"),
        ("customer:7", "address", "21 eßartsnedniL"),
        ("customer:7", "address", "Lindenstr. 12"),
        ("customer:7", "phone", "321 521 32 03 94+ "),
        ("customer:7", "phone", "0 3 0 2 3 1 2 5 1 2 3"),
        ("customer:7", "phone", "1. 030\n2. 23125\n3. 123"),
        ("customer:7", "phone", base64.b64encode(b"+49 30 23125 123").decode()),
        ("customer:8", "name", "Juergen Mueller-Luedenscheidt"),
        ("customer:8", "name", "J ü r g e n   M ü l l e r   L ü d e n s c h e i d t"),
        ("customer:8", "name", '{"first_name": "J\\u00fcrgen", "last_name": "M\\u00fcller-L\\u00fcdenscheidt"}'),
        ("customer:8", "name", "Vorname: Jürgen\nNachname: Müller-Lüdenscheidt"),
        ("customer:8", "name", "| Jürgen | Müller-Lüdenscheidt |"),
        ("customer:8", "email", "write to jm@example.org"),
        ("customer:8", "email", "jm+other@example.org"),
        ("customer:9", "name", "De la Cruz, María"),
        ("customer:9", "address", "vive en calle de la virgen de la paz 12"),
        ("customer:11", "name", "Ana Garcías pedido"),
        ("customer:14", "name", "Наталья Шмидт"),
        ("customer:15", "name", "Наталья\u00a0Шмидт"),
        ("customer:7", "email", '"anna." + "schm" + "idt@exam" + "ple.de"'),
        ("customer:7", "email", "'anna' + '.schmidt' + '@' + 'example' + '.' + 'de'"),
        ("customer:7", "email", '["anna.schm", "idt@", "example.de"]'),
        ("customer:7", "email", "\\\\u0061nna.schmidt\\\\u0040example.de"),
        ("customer:7", "email", "anna.schmidt&#64example&#46de"),
        ("customer:7", "email", "+".join(f"chr({ord(c)})" for c in MAIL)),
        ("customer:7", "email", " ".join(f"{ord(c):o}" for c in MAIL)),
        ("customer:7", "email", "анна.шмидт@ехампле.де"),
        ("customer:7", "name", "Άννα Σχμιδτ"),
        ("customer:7", "email", "anna dot schmidt@example.de"),
        ("customer:7", "email", "anna point schmidt <arobase> example <point> de"),
        (
            "customer:7",
            "email",
            base64.b64encode(MAIL.encode()).decode()[:24] + "\n" + base64.b64encode(MAIL.encode()).decode()[24:],
        ),
        ("customer:7", "name", 'a = "Anna Sch"\nb = "midt"\nprint(a + b)'),
        ("customer:7", "name", "- An\n- na Sch\n- midt"),
        ("customer:7", "name", "| 1 | Anna S |\n| 2 | chmi |\n| 3 | dt |"),
        ("customer:7", "name", "The first half is Anna Sch and the second half is midt."),
        ("customer:7", "name", 'Teil 1: "Anna Sch". Mehr sage ich nicht gern. Teil 2: "midt"'),
        ("customer:7", "email", "Part one: anna.sch. Part two: midt@example.de."),
        ("customer:7", "email", 'const u = "anna.schmidt", d = "example.de"'),
        ("customer:7", "address", "1. Linden\n2. straße 1\n3. 2"),
        ("customer:7", "phone", "First part: 030 231. And then comes 25 123."),
        ("customer:7", "phone", "zero three zero two three one two five one two three"),
        ("customer:7", "phone", "plus neunundvierzig, dreißig, dreiundzwanzig, einhundertfünfundzwanzig, eins zwei drei"),
        ("customer:7", "phone", "appelez zéro trente, vingt-trois, douze, cinquante et un, vingt-trois"),
        ("customer:7", "phone", "Telefon: zero trzydzieści dwieście trzydzieści jeden dwadzieścia pięć sto dwadzieścia trzy"),
        ("customer:7", "address", "Lindenstraße zwölf"),
        ("customer:7", "address", "en Lindenstr. doce, piso dos"),
        ("customer:7", "order_number", "Bestellnummer: siebenundvierzig elf"),
        ("customer:7", "order_number", "order number four seven double one has left"),
        ("customer:7", "order_number", "Orders 4710, 4711 and 4712"),
        ("customer:7", "order_number", '{"order_id": 4711}'),
        ("customer:7", "order_number", "Zamówienie nr **4711** zostało wysłane"),
    ],
)
def test_other_data_written_otherwise(subject: str, category: str, text: str, register: Register) -> None:
    assert (subject, category) in {f[:2] for f in seen(text, register)}


@pytest.mark.parametrize(
    "text",
    [
        "The rose gold necklace is back; Rose Gold is our favourite.",
        "A customer asked for 20095 pieces in Gold",
        "Order 4711 g of wax, or an order of 4711 candles; the order total is 4711 EUR.",
        "It costs 4711 €, article #4711, colour #471147, order date 12.4711",
        "Bestellung Artikel 4711",
        "Am Markt finden Sie viele Stände.",
        "EAN 4930231251230, tracking 493023125123",
        "Write to hallo@kerzenladen.example or call 040 66969-001, your Kerzenladen Nord.",
        "We met Anna. Schmidt was late.",
        "QW5uYSBTY2htaWRsdA==",
        "order number four seven one one nine",
        "Telephone: \n- 030 23125 1\n- 77\n\nIt costs 69,23.",
        "Anna and Peter like it. The first part is on page 2, the second is by Schmidt & Sons.",
        "Order four thousand seven hundred and eleven candles, or four of them: two to five days.",
    ],
)
def test_what_only_looks_alike_is_nobodys(text: str, register: Register) -> None:
    assert [f for f in seen(text, register) if f[:2] != ("customer:7", "name")] == []


def test_a_name_of_everyday_words_counts_beside_other_data_or_a_title(register: Register) -> None:
    assert seen("Rose Gold", register) == []
    assert [f[:2] for f in seen("Dear Ms Rose Gold", register)] == [("customer:10", "name")]
    together = seen("Rose Gold, rg@example.net", register)
    assert {f[:2] for f in together} == {("customer:10", "name"), ("customer:10", "email")}


def test_of_several_people_with_one_name_the_one_whose_data_stands_near(register: Register) -> None:
    assert {f[0] for f in seen("Anna Schmidt", register)} == {"customer:7", "customer:13"}
    assert {f[0] for f in seen("Anna Schmidt, reachable at other.anna@example.net", register)} == {"customer:13"}
    assert {f[0] for f in seen("other.anna@example.net is Anna Schmidt", register)} == {"customer:13"}
    far = "Anna Schmidt" + " and so on" * 100 + " other.anna@example.net"
    assert {f[0] for f in seen(far, register)} == {"customer:7", "customer:13"}


def test_the_longer_name_takes_the_place_of_the_one_inside_it(register: Register) -> None:
    assert [f[0] for f in seen("Ana García López compró", register)] == ["customer:12"]
    assert [f[0] for f in seen("Ana García compró", register)] == ["customer:11"]


def test_a_name_inside_an_address_of_email_is_no_second_exposure(register: Register) -> None:
    assert [f[1] for f in seen("anna.schmidt@example.de", register)] == ["email"]
