"""What happened, in order and in words a shop owner knows, with times from the first leaked token."""

from collections.abc import Iterator
from typing import Any, Final

from rich.table import Table

CHANGES: Final = {  # what, result, style
    "opened": ("Checkvalve opens an incident", "", ""),
    "exposure_added": ("Customers' data in another answer", "asked for before the way was closed", "red"),
    "containment_started": ("Containment begins", "", ""),
    "contained": ("CONTAINED", "the way out is closed, and was tried", "green"),
    "containment_failed": ("CONTAINMENT FAILED", "", "red"),
    "draft_ready": ("Draft of the notice is ready", "GDPR Art. 33", ""),
    "run_finished": ("The playbook has ended", "", ""),
}


def story(case: dict[str, Any]) -> Table:
    first = case["case"]["first_seen_ms"]
    table = Table(
        title="What happened", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0), pad_edge=False
    )
    table.add_column("after", justify="right", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("result", style="dim")
    for at, what, result, style in sorted(_happened(case, first), key=lambda row: row[0]):
        table.add_row(f"{(at - first) / 1000:.2f} s", what, result, style=style)
    return table


def _happened(case: dict[str, Any], first: int) -> Iterator[tuple[int, str, str, str]]:
    """(time, what, result, style)."""
    yield first, "Customers' data leaves with an answer", "seen by the gateway as it passed", "red"
    for change in case["transitions"]:
        what, result, style = CHANGES.get(change["kind"], (change["kind"].replace("_", " "), "", ""))
        yield change["at_ms"], what, result, style
    for step in case["steps"]:
        if step["ended_ms"]:
            what = "Test checkout" if step["kind"] == "probe" else step["data"]["name"]
            yield step["ended_ms"], what, step["outcome"]["detail"], "" if step["status"] == "done" else "red"
