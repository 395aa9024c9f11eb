"""A plugin from a directory or a zip, its files assessed on every core. Nothing of it is ever run."""

import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import ijson

from checkvalve.engine.errors import EngineError
from checkvalve.posture.plugins import feed, php
from checkvalve.posture.plugins.assess import assess
from checkvalve.posture.plugins.facts import FileFacts

MAX_FILE: Final = 4 * 1024 * 1024
MAX_FILES: Final = 20_000
MAX_UNZIPPED: Final = 512 * 1024 * 1024
ALONE: Final = 40  # fewer files than this are not worth a second process
SKIPPED: Final = frozenset((".git", "node_modules", "tests", "test"))


def assess_plugin(path: str, feed_file: str | None) -> dict[str, Any]:
    given = Path(path)
    if given.is_dir():
        slug, sources = given.resolve().name, list(_directory(given))
    elif given.is_file() and given.suffix == ".php":
        slug, sources = given.stem, [(given.name, given.read_bytes() if given.stat().st_size <= MAX_FILE else None)]
    elif given.is_file() and zipfile.is_zipfile(given):
        slug, sources = _zip(given)
    else:
        raise EngineError("no_plugin", f"{path} is neither a directory nor a zip nor a file of PHP; give the plugin's own")
    if not sources:
        raise EngineError("no_plugin", f"{path} holds no PHP; give the plugin's own directory or zip")
    files = _read(sources)
    version = next((f.version for f in files if f.name), "")
    return assess(slug, files, _vulnerabilities(feed_file, slug, version))


def _directory(root: Path) -> Iterator[tuple[str, bytes | None]]:
    count = 0
    for directory, names, files in os.walk(root, followlinks=False):
        names[:] = sorted(n for n in names if n not in SKIPPED)
        for name in sorted(f for f in files if f.lower().endswith((".php", ".inc", ".phtml"))):
            path = Path(directory) / name
            count += 1
            if path.is_symlink() or count > MAX_FILES:
                continue
            yield path.relative_to(root).as_posix(), path.read_bytes() if path.stat().st_size <= MAX_FILE else None


def _zip(path: Path) -> tuple[str, list[tuple[str, bytes | None]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [i for i in archive.infolist() if i.filename.lower().endswith(".php") and not i.is_dir()][:MAX_FILES]
            if sum(min(i.file_size, MAX_FILE) for i in infos) > MAX_UNZIPPED:
                raise EngineError("too_large", f"{path} unpacks to more than {MAX_UNZIPPED} bytes")
            tops = {i.filename.partition("/")[0] for i in infos}
            slug = next(iter(tops)) if len(tops) == 1 else path.stem
            sources = []
            for info in infos:
                with archive.open(info) as member:
                    data = member.read(MAX_FILE + 1)
                sources.append((info.filename.removeprefix(f"{slug}/"), data if len(data) <= MAX_FILE else None))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise EngineError("bad_zip", f"{path} cannot be unpacked: {error}") from error
    return slug, sources


def _facts(source: tuple[str, bytes | None]) -> FileFacts:
    file, data = source
    return FileFacts(file=file, parsed=False) if data is None else php.read(file, data)


def _read(sources: list[tuple[str, bytes | None]]) -> list[FileFacts]:
    if len(sources) < ALONE:
        return [_facts(s) for s in sources]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(_facts, sources, chunksize=16))


def _vulnerabilities(path: str | None, slug: str, version: str) -> dict[str, Any]:
    """Streamed: a feed is larger than memory should be."""
    if path is None:
        return {"feed": None, "feed_date": None, "hits": [], "says": "unknown: no feed was given (--feed FILE)"}
    try:
        with Path(path).open("rb") as file:
            first = next(iter(ijson.kvitems(file, "")), None)
            if first is None:
                raise EngineError("bad_feed", f"{path} holds no records")
            file.seek(0)
            found = feed.hits(ijson.kvitems(file, ""), slug, version)
            date = datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).date().isoformat()
    except (ijson.JSONError, json.JSONDecodeError, UnicodeDecodeError, ValueError) as error:
        raise EngineError("bad_feed", f"{path} is not a feed in JSON: {str(error)[:120]}") from error
    return {"feed": Path(path).name, "feed_date": date, "hits": found, "says": feed.NOTICE}
