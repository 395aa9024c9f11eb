"""A leak with known numbers: five customers, each with an e-mail address and a name, read by three others."""

import pytest

from checkvalve.incidents import case
from checkvalve.incidents.case import ExposureRecord, Incident
from checkvalve.incidents.facts import Organisation

START = 1_790_000_000_000  # 2026-09-21T14:13:20Z


def exposure(
    subject: str = "customer:1",
    category: str = "email",
    recipient: str = "session:a",
    *,
    shown: bool = True,
    inference: str = "i1",
    entry: int = 10,
    after_ms: int = 0,
    plugin: str | None = "shop-assistant",
    model: str | None = "SmolLM2-135M",
) -> ExposureRecord:
    return ExposureRecord(
        inference=inference,
        subject=subject,
        category=category,
        recipient=recipient,
        shown=shown,
        entry=entry,
        site="s-a",
        seen_ms=START + after_ms,
        detected_ms=START + after_ms + 50,
        plugin=plugin,
        route="/shop-assistant/v1/ask",
        session="a",
        model=model,
        trace=None,
    )


@pytest.fixture
def leak() -> list[ExposureRecord]:
    """Shown: five people, ten records. In the prompts: those, and one more person's e-mail address and name."""
    people = [f"customer:{n}" for n in range(1, 7)]
    found = []
    for n, person in enumerate(people):
        for category in ("email", "name"):
            where = {"inference": f"i{n % 3}", "recipient": f"session:{n % 3}", "entry": 10 + n, "after_ms": n * 1000}
            found.append(exposure(person, category, shown=False, **where))  # type: ignore[arg-type] # names as above
            if n < 5:
                found.append(exposure(person, category, **where))  # type: ignore[arg-type]
    return found


@pytest.fixture
def incident(leak: list[ExposureRecord]) -> Incident:
    shown = [e for e in leak if e.shown]
    opened = case.apply(None, case.opening("INC-2026-0001", shown, 10, START + 60))
    for transition in case.growth(opened, shown, 5, 10, START + 60):
        opened = case.apply(opened, transition)
    return opened


@pytest.fixture
def shop() -> Organisation:
    return Organisation(
        controller="Example Shop GmbH",
        address="Musterweg 1, 10115 Berlin",
        country="DE",
        contact_name="Dana Beispiel",
        contact_email="privacy@shop.example",
        contact_phone="+49 30 23125000",
    )
