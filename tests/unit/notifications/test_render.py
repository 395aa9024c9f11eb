"""The same draft as HTML, PDF and JSON: every value in each, and no value that becomes markup."""

import io
import os
import re
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pypdf
import pytest
from tests.unit.notifications.sample import HOUR, ISOLATED, LIMIT, SHOP, START, incident, prepare

from checkvalve.incidents.facts import Measure, Organisation
from checkvalve.notifications.notification import Notification
from checkvalve.notifications.render import render_html, render_json, render_pdf
from checkvalve.notifications.view import entries_text

HOSTILE = [
    "</style></title><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    '#panic() #sys.inputs #read("/etc/passwd")',
    "$ x^2 $ *bold* _it_ `raw` @ref <label> = heading",
    "{{ n.missing }}{% raw %} {{7*7}}",
    "// comment /* and */ \\ # [ ] ] ) } ",
    "Łódź Ωμέγα Київ ’quote’ –dash",
]


class Page(HTMLParser):
    """Tags and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.parts: list[str] = []
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.parts.append(data)


def squeezed(text: str) -> str:
    """Without white space and break marks: how a line is broken is no difference."""
    return re.sub(r"[\s\u200b]+", "", text)


def seen_in_html(notification: Notification) -> str:
    return squeezed("".join(Page(render_html(notification)).parts))


def seen_in_pdf(pdf: bytes) -> str:
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]
    footer = re.compile(r"INC-2026-0001, version 1\. DRAFT, not submitted\.\s*\d+ / \d+")
    return squeezed("".join(footer.sub("", page) for page in pages))


def said(notification: Notification) -> Iterator[str]:
    """Everything that must be readable in every form."""
    yield from (notification.incident, notification.title, notification.whom, notification.created_utc)
    yield from (notification.due_utc or "", notification.counted_from_utc, notification.counted_from)
    for line in (*notification.lines, *notification.background):
        yield from (line.question, line.article, line.provenance)
        yield from [line.value] if isinstance(line.value, str) else line.value or []
    for line in notification.missing:
        yield line.question


@pytest.mark.parametrize(
    "notification",
    [
        prepare(),
        prepare(shop=Organisation(), measures=()),
        prepare(found=incident(late_reason="First line.\r\nSecond line.\tTabbed."), after_ms=LIMIT + HOUR),
        prepare(gaps=["numbers 4 to 9 never arrived"]),
        prepare(entries=tuple(range(1000, 1400)), measures=[ISOLATED] * 40),
    ],
    ids=["complete", "missing", "late", "gaps", "long"],
)
def test_every_value_stands_in_all_three_forms(notification: Notification) -> None:
    html, pdf = seen_in_html(notification), seen_in_pdf(render_pdf(notification))
    json = squeezed(str(msgspec.json.decode(render_json(notification))).replace("\\n", " "))
    plain = squeezed(str(notification.as_json()).replace("\\n", " "))
    assert json == plain
    for value in map(squeezed, said(notification)):
        assert value in html
        assert value in pdf


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_shown_and_never_become_markup(text: str) -> None:
    shop = Organisation(controller=text, address=text, country=text, contact_name=text, contact_email=text, contact_phone=text)
    taken = Measure(at_ms=START, text=text, checkout=text, entry=3)
    hostile = prepare(
        found=incident(text, text, START, text, why=text), shop=shop, measures=[taken], after_ms=LIMIT + HOUR, gaps=[text]
    )
    harmless = prepare(found=incident("a", "b", START, "c"), measures=[ISOLATED], after_ms=LIMIT + HOUR, gaps=["d"])
    page, usual = Page(render_html(hostile)), Page(render_html(harmless))
    assert page.tags == usual.tags
    assert page.attributes == usual.attributes
    assert "script" not in page.tags
    assert seen_in_html(hostile).count(squeezed(text)) >= 10
    pdf = seen_in_pdf(render_pdf(hostile))
    for value in said(hostile):
        assert squeezed(value) in pdf
    assert "root:x:0" not in pdf


def test_a_draft_is_marked_as_one_on_every_page() -> None:
    pdf = pypdf.PdfReader(io.BytesIO(render_pdf(prepare(measures=[ISOLATED] * 60))))
    assert len(pdf.pages) > 2
    assert all("DRAFT, not submitted" in page.extract_text() for page in pdf.pages)
    assert "DRAFT. Not submitted. A person must check, approve and file it." in render_html(prepare())


def test_the_clock_and_what_is_missing_come_first() -> None:
    notification = prepare(shop=Organisation(), after_ms=LIMIT + HOUR)
    for text in (seen_in_html(notification), seen_in_pdf(render_pdf(notification))):
        order = [
            text.index(squeezed(s)) for s in ("To be filed by", "1.0 hours late", "Still missing (3)", "What the law asks")
        ]
        assert order == sorted(order)
        assert text.index("Donotwaitforthese") < text.index("Whatthelawasks")


def test_time_left_is_never_called_late_nor_lateness_time_left() -> None:
    for after_ms, late in ((LIMIT - 1000, False), (LIMIT, False), (LIMIT + 1000, True)):
        notification = prepare(after_ms=after_ms)
        for text in (seen_in_html(notification), seen_in_pdf(render_pdf(notification))):
            assert ("hourslate" in text, "hoursleft" in text) == (late, not late)
            assert "-0" not in re.sub(r"\d{4}-\d\d-\d\d|INC-2026-\d+|-0001", "", text)


def test_a_complete_draft_does_not_list_anything_as_missing() -> None:
    for text in (seen_in_html(prepare()), seen_in_pdf(render_pdf(prepare()))):
        assert "Stillmissing" not in text


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text = render_html(prepare())
    assert not re.search(r"https?:|src=|@import|url\(", text)


def test_a_long_name_breaks_rather_than_run_off_the_page() -> None:
    route = "/" + "y" * 199
    pdf = render_pdf(prepare(found=incident(route=route)))
    assert squeezed(route) in seen_in_pdf(pdf)
    right = 0.0

    def widest(text: str, _cm: object, tm: list[float], _font: object, size: float) -> None:
        nonlocal right
        right = max(right, tm[4] + 0.45 * size * len(text.strip()))

    page = pypdf.PdfReader(io.BytesIO(pdf)).pages[0]
    page.extract_text(visitor_text=widest)
    assert 0 < right <= float(page.mediabox.width)
    assert "overflow-wrap: anywhere" in render_html(prepare())


def test_the_same_draft_gives_the_same_bytes_wherever_it_is_rendered() -> None:
    notification = prepare()
    before, home = render_pdf(notification), Path.cwd()
    with tempfile.TemporaryDirectory() as gone:
        os.chdir(gone)
        try:
            Path(gone).rmdir()
            assert render_pdf(notification) == before
        finally:
            os.chdir(home)
            Path(gone).mkdir()
    assert render_html(notification) == render_html(notification)


def test_the_pdf_says_what_it_is() -> None:
    reader = pypdf.PdfReader(io.BytesIO(render_pdf(prepare())))
    assert reader.metadata is not None
    assert reader.metadata.title == "Draft notification, INC-2026-0001"
    assert SHOP.controller in reader.pages[0].extract_text() + reader.pages[1].extract_text()


def test_many_log_entries_are_shortened_on_paper_and_whole_in_json() -> None:
    numbers = tuple(range(100, 130))
    assert entries_text(()) == ""
    assert entries_text((7,)) == "log entry 7"
    assert entries_text((7, 9)) == "log entries 7, 9"
    assert entries_text(numbers).endswith("110, 111 and 18 more")
    fields = msgspec.json.decode(render_json(prepare(entries=numbers)))["fields"]
    assert next(f for f in fields if f["id"] == "nature")["entries"] == list(numbers)
