"""Files into records: lines, rows of CSV, elements of a JSON array, rows of an SQL dump. Memory is bounded by a record.

Only a pretty-printed JSON array is read whole.
"""

import csv
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

import msgspec

from checkvalve.events.imports.types import Piece

MAX_RECORD: Final = 16 * 1024 * 1024
MAX_ARRAY: Final = 512 * 1024 * 1024
_INSERT = re.compile(rb"\s*INSERT\s+(?:IGNORE\s+)?INTO\s+[`\"]?([\w.]+)[`\"]?\s*(\([^)]*\))?\s*VALUES\s*", re.IGNORECASE)
_CREATE = re.compile(rb"\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?[`\"]?([\w.]+)[`\"]?\s*\(", re.IGNORECASE)
_COLUMN = re.compile(rb"^\s*[`\"](\w+)[`\"]\s+\w", re.MULTILINE)
_TUPLE_PART = re.compile(rb"'(?:[^'\\]|\\.|'')*'|[^'()]+|\(|\)", re.DOTALL)


def lines(file: BinaryIO) -> Iterator[Piece]:
    """One record a line; a line too long is cut into several, none is dropped. Empty lines say nothing."""
    number = 0
    whole = True
    while raw := file.readline(MAX_RECORD):
        number += whole
        whole = raw.endswith(b"\n")
        kept = raw.rstrip(b"\r\n")
        if kept.strip():
            yield Piece(raw=kept, number=number, ended=whole or len(raw) >= MAX_RECORD)


def csv_rows(file: BinaryIO) -> Iterator[Piece]:
    """Rows of a CSV file, which may span lines inside quotes. PHP writes a quote after a backslash undoubled."""
    held = b""
    first = 1
    for number, line in enumerate(iter(lambda: file.readline(MAX_RECORD), b""), start=1):
        if not held:
            first = number
        held += line
        if (_closed(held) and line.endswith(b"\n")) or len(held) >= MAX_RECORD:
            if held.strip():
                yield Piece(raw=held.rstrip(b"\r\n"), number=first)
            held = b""
    if held.strip():
        yield Piece(raw=held, number=first, ended=False)


def _closed(row: bytes) -> bool:
    return row.replace(b'\\"', b"").count(b'"') % 2 == 0


def csv_values(raw: bytes) -> list[str] | None:
    """The values of one row; None when it is not one row of CSV in UTF-8. A byte order mark is no value."""
    try:
        text = raw.decode("utf-8-sig").replace('\\"', '""')
        rows = list(csv.reader([text.replace("\r\n", "\n")] if "\n" not in text else text.splitlines(keepends=True)))
    except (UnicodeDecodeError, csv.Error):
        return None
    return rows[0] if len(rows) == 1 else None


def json_records(file: BinaryIO) -> Iterator[Piece]:
    """Objects one a line, or the elements of an array. A cut-off array gives what it holds."""
    head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    file.seek(0)
    if head.startswith(b"["):
        data = file.read(MAX_ARRAY + 1)
        file.seek(0)
        if len(data) <= MAX_ARRAY:
            try:
                elements = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=list[msgspec.Raw])
            except (msgspec.DecodeError, RecursionError):
                pass
            else:
                yield from (Piece(raw=bytes(e), number=n) for n, e in enumerate(elements, start=1))
                return
    for piece in lines(file):
        raw = piece.raw.removeprefix(b"\xef\xbb\xbf").strip()
        raw = raw.removeprefix(b"[").removesuffix(b"]").strip().strip(b",").strip()
        if raw:
            yield Piece(raw=raw, number=piece.number, ended=piece.ended)


def export_rows(tables: tuple[str, ...]) -> Callable[[BinaryIO], Iterator[Piece]]:
    """Cuts an export of a plugin: JSON, CSV, or a database dump, of which only rows of `tables` (without prefix) are taken."""

    def cut(file: BinaryIO) -> Iterator[Piece]:
        head = file.read(4096)
        file.seek(0)
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if start.startswith((b"{", b"[")):
            return _rows_of_tables(json_records(file), tables)
        if start.startswith((b"--", b"/*", b"SET ", b"INSERT ", b"CREATE ", b"DROP ", b"LOCK ")):
            return (p for p in sql_rows(file) if p.table.lower().endswith(tables))
        return csv_rows(file)

    return cut


class _Exported(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="table"):
    name: str
    data: list[msgspec.Raw]


def _rows_of_tables(records: Iterator[Piece], tables: tuple[str, ...]) -> Iterator[Piece]:
    """The same records; phpMyAdmin's JSON has a whole table in one, whose rows are taken when it is one of `tables`."""
    for piece in records:
        table = _exported(piece.raw) if b'"table"' in piece.raw[:100] else None
        if table is None:
            yield piece
        elif table.name.lower().endswith(tables):
            yield from (Piece(raw=bytes(row), number=piece.number) for row in table.data)


def _exported(raw: bytes) -> _Exported | None:
    try:
        return msgspec.json.decode(raw, type=_Exported)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def sql_rows(file: BinaryIO) -> Iterator[Piece]:
    """Rows of the INSERT statements of a dump (mysqldump, phpMyAdmin, WP-CLI); other statements are left out."""
    columns: dict[str, tuple[str, ...]] = {}
    number = 0
    for raw, count in _statements(file):
        first, number = number + 1, number + count
        if created := _CREATE.match(raw):
            columns[_table(created[1])] = tuple(c.decode() for c in _COLUMN.findall(raw[created.end() :]))
        elif inserted := _INSERT.match(raw):
            table = _table(inserted[1])
            named = tuple(c.strip(' `"') for c in (inserted[2] or b"()").decode("utf-8", "replace").strip("()").split(","))
            for row in _tuples(raw[inserted.end() :]):
                yield Piece(raw=row, number=first, columns=named if named != ("",) else columns.get(table, ()), table=table)


def _statements(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Statements with the number of their lines: they end with a semicolon at the end of a line, outside of quotes."""
    held: list[bytes] = []
    size = 0
    quoted = False
    for line in iter(lambda: file.readline(MAX_RECORD), b""):
        if not held and (line.startswith(b"--") or not line.strip()):
            yield b"", 1
            continue
        held.append(line)
        size += len(line)
        quoted ^= re.sub(rb"\\.", b"", line, flags=re.DOTALL).count(b"'") % 2 == 1
        if (not quoted and line.rstrip().endswith(b";")) or size > MAX_ARRAY:
            yield b"".join(held), len(held)
            held, size, quoted = [], 0, False
    if held:
        yield b"".join(held), len(held)


def _tuples(values: bytes) -> Iterator[bytes]:
    depth = 0
    start = 0
    for part in _TUPLE_PART.finditer(values):
        if part[0] == b"(":
            depth += 1
            start = part.start() if depth == 1 else start
        elif part[0] == b")":
            depth -= 1
            if depth == 0:
                yield values[start : part.end()]


_VALUE = re.compile(rb"\s*(?:(?:_binary\s+)?'((?:[^'\\]|\\.|'')*)'|([^',]+))\s*(?:,|$)", re.DOTALL)
_ESCAPED = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"b": b"\b"}


def sql_values(row: bytes, errors: str = "replace") -> list[str | None] | None:
    """The values of one `(…)` tuple as text, NULL as None; None when it is no tuple. `errors` as in bytes.decode."""
    if not (row.startswith(b"(") and row.endswith(b")")):
        return None
    inner = row[1:-1]
    found: list[str | None] = []
    position = 0
    while position < len(inner):
        match = _VALUE.match(inner, position)
        if match is None:
            return None
        if match[1] is not None:
            text = re.sub(rb"\\(.)|''", lambda m: _ESCAPED.get(m[1], m[1]) if m[1] else b"'", match[1], flags=re.DOTALL)
            found.append(text.decode("utf-8", errors))
        else:
            bare = match[2].strip().decode("utf-8", "replace")
            found.append(None if bare.upper() == "NULL" else bare)
        position = match.end()
    return found


def _table(name: bytes) -> str:
    return name.decode("utf-8", "replace").rpartition(".")[2]
