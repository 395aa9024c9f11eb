"""What staff may be shown, as `staff.toml` of the data directory says; without that file, detection/staff.py's default.

    [roles]                        # WordPress roles; what is not named here may see nobody's data
    shop_manager = ["email", "phone", "address", "name", "postcode_name", "order_number"]
    support = ["email", "order_number"]

Read when core starts; gateways get it with their configuration.
"""

import tomllib
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.detection.staff import DEFAULT, Staff, staff
from checkvalve.engine import observe
from checkvalve.engine.errors import EngineError
from checkvalve.engine.observe import Observed
from checkvalve.incidents.case import ExposureRecord
from checkvalve.store.schema import findings

FILE = "staff.toml"


def load(data: Path | None) -> Staff:
    path = data / FILE if data is not None else None
    if path is None or not path.exists():
        return staff(DEFAULT)
    try:
        found = tomllib.loads(path.read_text("utf-8"))
        if wrong := found.keys() - {"roles"}:
            raise ValueError(f"{sorted(wrong)[0]!r} is not known; roles stand under [roles]")
        return staff(found.get("roles", {}))
    except (OSError, ValueError) as error:
        raise EngineError("bad_settings", f"{path} cannot be used: {error}") from error


def tell(db: Connection, seen: Observed, allowed: list[tuple[str, ExposureRecord]]) -> None:
    """Log what staff was shown: (role, what). It is a finding and opens nothing."""
    if not allowed:
        return
    people = sorted({record.subject for _, record in allowed})
    roles, categories = sorted({role for role, _ in allowed}), sorted({record.category for _, record in allowed})
    text = f"{', '.join(roles)} was shown data of {len(people)} person(s): {', '.join(categories)}"
    data = {"roles": roles, "subjects": people[:100], "categories": categories, "recipient": allowed[0][1].recipient}
    row = observe.finding_row(seen, "staff-view", "informational", text, data | {"inference": allowed[0][1].inference})
    db.execute(upsert(findings).values(**row).on_conflict_do_nothing())
