"""All plugins of a site at once: what each is and does, and what changed on disk since the last look.

A plugin whose files changed while its version did not was not updated: somebody edited it. What was seen is kept in the data
directory, one file a site directory; it holds digests, no content.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from checkvalve.engine.errors import EngineError
from checkvalve.engine.plugins import assess_plugin
from checkvalve.engine.settings import Settings, make_private, write_private

State = Literal["new", "updated", "changed", "unchanged"]
MAX_FILES: Final = 200_000
HEADER: Final = b"Plugin Name:"
SHOWN: Final = 20  # changed files named of one plugin


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin as it was. `files`: path to SHA-256; a link counts by where it points."""

    version: str
    files: dict[str, str]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    at_ms: int
    plugins: dict[str, Seen]


def inventory(
    settings: Settings, directory: str, feed: str | None, at_ms: int, tell: Callable[[int, int], None] = lambda *_: None
) -> dict[str, Any]:
    """Look at every plugin of a site and compare with the last time. `tell(done, total)` as it goes on."""
    root = _plugins_of(directory)
    places = sorted(_each(root))
    if not places:
        raise EngineError("no_plugins", f"{root} holds no plugins; give the site's directory, or its wp-content/plugins")
    before = _load(settings, root)
    rows, seen = [], {}
    for done, place in enumerate(places):
        tell(done, len(places))
        found = assess_plugin(str(place), feed)
        slug = place.name.removesuffix(".php")
        seen[slug] = Seen(version=found["version"], files=_digests(place))
        rows.append(
            found | {"slug": slug} | _compared(seen[slug], before.plugins.get(slug) if before else None, before is None)
        )
    tell(len(places), len(places))
    _keep(settings, root, Kept(at_ms=at_ms, plugins=seen))
    return {
        "directory": str(root),
        "since_ms": before.at_ms if before else None,
        "plugins": [{k: v for k, v in row.items() if k != "findings"} for row in rows],
        "removed": sorted(set(before.plugins) - set(seen)) if before else [],
        "findings": _ranked(rows),
    }


def _plugins_of(directory: str) -> Path:
    given = Path(directory)
    if not given.is_dir():
        raise EngineError("no_directory", f"{directory} is not a directory; give the one of the site")
    inner = given / "wp-content" / "plugins"
    return (inner if inner.is_dir() else given).resolve()


def _each(root: Path) -> Iterator[Path]:
    for path in root.iterdir():
        alone = path.suffix == ".php" and path.is_file() and HEADER in path.read_bytes()[:8192]
        if alone or (path.is_dir() and any(path.rglob("*.php"))):
            yield path


def _digests(place: Path) -> dict[str, str]:
    if place.is_file():
        return {place.name: hashlib.sha256(place.read_bytes()).hexdigest()}
    found: dict[str, str] = {}
    for directory, _, names in os.walk(place, followlinks=False):
        for name in names:
            path = Path(directory) / name
            if len(found) >= MAX_FILES:
                raise EngineError("too_many_files", f"{place} holds more than {MAX_FILES} files")
            relative = path.relative_to(place).as_posix()
            if path.is_symlink():
                found[relative] = f"link:{path.readlink()}"
            elif path.is_file():
                with path.open("rb") as file:
                    found[relative] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _compared(now: Seen, then: Seen | None, first: bool) -> dict[str, Any]:
    if then is None:
        return {"state": "unchanged" if first else "new", "changed_files": []}
    files = sorted(f for f in {*now.files, *then.files} if now.files.get(f) != then.files.get(f))
    state: State = "unchanged" if not files else "changed" if now.version == then.version else "updated"
    return {"state": state, "changed_files": files[:SHOWN] if state == "changed" else []}


def _ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Findings of the whole site: what changed without an update first, then known holes, then by weight."""
    found = [
        {
            "plugin": r["slug"],
            "rule": "changed_without_update",
            "file": file,
            "line": 0,
            "weight": 0,
            "what": "differs from the last look",
        }
        for r in rows
        for file in r["changed_files"]
    ]
    for row in rows:
        hits = row["known_vulnerabilities"]["hits"]
        found += [
            {
                "plugin": row["slug"],
                "rule": "known_vulnerability",
                "file": "",
                "line": 0,
                "weight": 1,
                "what": f"{h['cve'] or h['id']}: {h['title']}",
            }
            for h in hits
        ]
        found += [
            {"plugin": row["slug"], **{k: f[k] for k in ("rule", "file", "line", "weight", "what")}} for f in row["findings"]
        ]
    ordered = sorted(found, key=lambda f: (f["weight"], f["plugin"], f["file"], f["line"]))
    return [{**f, "rank": n} for n, f in enumerate(ordered, start=1)]


def _path(settings: Settings, root: Path) -> Path:
    return settings.data / "inventory" / f"{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.json"


def _load(settings: Settings, root: Path) -> Kept | None:
    path = _path(settings, root)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise EngineError("bad_inventory", f"{path} cannot be read; move it away, then this look is the first") from error


def _keep(settings: Settings, root: Path, kept: Kept) -> None:
    make_private(settings.data)
    make_private(settings.data / "inventory")
    write_private(_path(settings, root), msgspec.json.encode(kept))
