"""What the demo has to show: measured, compared with the truth, written down."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.simulators import model
from tests.simulators.shop_data import Person

from demo.actors import Attacker, Customers
from demo.checkvalve import Installation, command, must
from demo.shop import Shop
from demo.truth import exposed


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the script itself saw of one run, and the case as `checkvalve case show` tells it."""

    home: Path
    attacker: Attacker
    customers: Customers
    people: list[Person]
    case: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`.demo/summary.json` (contract.md). Times in ms from the first leaked token; None: it did not happen."""

    detect_ms: int | None
    contain_ms: int | None
    draft_ms: int | None
    subjects_counted: int
    subjects_true: int
    same_people: bool
    checkouts_attempted: int
    checkouts_failed: int
    probes: int
    evidence_ok: bool
    tamper_caught: bool
    tamper_where: str
    shop: str
    woocommerce: str
    model: str
    bundle: Path
    draft: Path
    seconds: float

    @property
    def good(self) -> bool:
        """Every line holds."""
        return (
            None not in (self.detect_ms, self.contain_ms, self.draft_ms)
            and 0 < self.subjects_true == self.subjects_counted
            and self.same_people
            and self.checkouts_attempted > 0
            and self.checkouts_failed == 0
            and self.probes > 0
            and self.evidence_ok
            and self.tamper_caught
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "detect_ms": self.detect_ms,
            "contain_ms": self.contain_ms,
            "draft_ms": self.draft_ms,
            "subjects_counted": self.subjects_counted,
            "subjects_true": self.subjects_true,
            "same_people": self.same_people,
            "checkouts": {"attempted": self.checkouts_attempted, "failed": self.checkouts_failed, "probes": self.probes},
            "evidence_ok": self.evidence_ok,
            "tamper_caught": self.tamper_caught,
            "shop": self.shop,
            "woocommerce": self.woocommerce,
            "model": self.model,
            "bundle": str(self.bundle),
            "draft": str(self.draft),
            "seconds": round(self.seconds, 1),
        }

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def show(self, console: Console) -> None:
        table = Table(title="The first response", title_justify="left", title_style="bold", show_header=False)
        table.box, table.padding, table.pad_edge = None, (0, 2, 0, 0), False
        same = 0 < self.subjects_true == self.subjects_counted and self.same_people
        told = "the same people" if self.same_people else "NOT the same people"
        rows = [
            ("first leaked token to detection", _ms(self.detect_ms), self.detect_ms is not None),
            ("first leaked token to containment", _ms(self.contain_ms), self.contain_ms is not None),
            ("first leaked token to complete draft", _ms(self.draft_ms), self.draft_ms is not None),
            ("people exposed, as Checkvalve counts", str(self.subjects_counted), same),
            ("people named in the stranger's chats", f"{self.subjects_true}, {told}", same),
            ("checkouts meanwhile", f"{self.checkouts_attempted}, {self.probes} of them tests", self.probes > 0),
            ("checkouts that failed", str(self.checkouts_failed), self.checkouts_failed == 0),
            ("exported evidence verifies", "yes" if self.evidence_ok else "NO", self.evidence_ok),
            (
                "one byte of it changed, it does not",
                f"caught: {self.tamper_where}" if self.tamper_caught else "NOT caught",
                self.tamper_caught,
            ),
        ]
        for name, value, good in rows:
            table.add_row("[green]✓[/green]" if good else "[red]✗[/red]", name, value, style="" if good else "bold red")
        console.print(table)


def measure(checkvalve: Installation, shop: Shop, run: Run) -> Summary:
    """Figures from the evidence, held against what the script itself saw."""
    incident, scope = run.case["case"], run.case["scope"]
    first = incident["first_seen_ms"]
    draft_ms = next((t["at_ms"] for t in run.case["transitions"] if t["kind"] == "draft_ready"), None)
    bundle, draft = run.home / f"{incident['id']}.zip", run.home / f"{incident['id']}-art33.pdf"
    must(checkvalve.data, "case", "export", incident["id"], "--output", str(bundle))
    must(checkvalve.data, "notice", "draft", incident["id"], "--format", "pdf", "--output", str(draft))
    caught, where = _tamper(checkvalve.data, bundle)
    probes = [s for s in run.case["steps"] if s["kind"] == "probe"]
    true = exposed([*run.people, run.customers.person], (reply.answer for reply in run.attacker.replies))
    return Summary(
        detect_ms=incident["detected_ms"] - first,
        contain_ms=incident["contained_ms"] - first if incident["contained_ms"] else None,
        draft_ms=draft_ms - first if draft_ms else None,
        subjects_counted=scope["confirmed"]["subjects"],
        subjects_true=len(true),
        same_people=_same(true, scope["subject_refs"]),
        checkouts_attempted=run.customers.attempted + len(probes),
        checkouts_failed=run.customers.attempted - len(run.customers.bought) + sum(s["status"] != "done" for s in probes),
        probes=len(probes),
        evidence_ok=command(checkvalve.data, "evidence", "verify", str(bundle)).returncode == 0,
        tamper_caught=caught,
        tamper_where=where,
        shop=shop.kind,
        woocommerce=shop.woocommerce,
        model=model.NAME,
        bundle=bundle,
        draft=draft,
        seconds=run.seconds,
    )


def _same(true: list[Person], refs: list[str]) -> bool:
    """Account for account the same people; of guests, whose references only the shop's key could tell, as many."""
    accounts = {ref for ref in refs if ref.startswith("customer:")}
    return accounts == {person.ref for person in true if person.ref} and len(refs) == len(true)


def _tamper(data: Path, bundle: Path) -> tuple[bool, str]:
    """Change one byte in the middle of a copy; verification must fail and say where."""
    changed = bytearray(bundle.read_bytes())
    changed[len(changed) // 2] ^= 1
    copy = bundle.with_suffix(".tampered.zip")
    copy.write_bytes(changed)
    done = command(data, "evidence", "verify", str(copy))
    places = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    return done.returncode == 1 and bool(places), places[0] if places else ""


def _ms(value: int | None) -> str:
    return "did not happen" if value is None else f"{value} ms" if value < 1000 else f"{value / 1000:.2f} s"
