"""What the demo has to show: measured, compared with the truth, written down."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`.demo/summary.json` (contract.md). Times in ms from the first leaked token; None: it did not happen."""

    detect_ms: int | None
    contain_ms: int | None
    draft_ms: int | None
    subjects_counted: int
    subjects_true: int
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
            and self.checkouts_attempted > 0
            and self.checkouts_failed == 0
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
        table = Table(title="The first response", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        same = self.subjects_counted == self.subjects_true
        rows = [
            ("first leaked token to detection", _ms(self.detect_ms), self.detect_ms is not None),
            ("… to containment, seen closed", _ms(self.contain_ms), self.contain_ms is not None),
            ("… to a complete draft (Art. 33)", _ms(self.draft_ms), self.draft_ms is not None),
            ("people exposed, counted by Checkvalve", str(self.subjects_counted), same),
            ("people exposed, known to this script", str(self.subjects_true), same and self.subjects_true > 0),
            ("checkouts by customers meanwhile", str(self.checkouts_attempted), self.checkouts_attempted > 0),
            ("… of these failed", str(self.checkouts_failed), self.checkouts_failed == 0),
            ("test checkouts by Checkvalve", str(self.probes), self.probes > 0),
            ("exported bundle verifies", "yes" if self.evidence_ok else "NO", self.evidence_ok),
            ("… with one byte changed", self.tamper_where or "NOT caught", self.tamper_caught),
        ]
        for name, value, good in rows:
            table.add_row("[green]ok[/green]" if good else "[red]NO[/red]", name, value)
        console.print(table)


def _ms(value: int | None) -> str:
    return "did not happen" if value is None else f"{value / 1000:.2f} s"
