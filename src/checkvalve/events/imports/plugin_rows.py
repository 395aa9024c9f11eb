"""Rows of a plugin's own tables, however they were taken out: a database dump, JSON, or CSV under a heading.

A table is known by its name in a dump, elsewhere by the columns that only it has.
"""

import base64
import binascii
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import msgspec

from checkvalve.events.event import Malformed
from checkvalve.events.imports import cutting
from checkvalve.events.imports.types import Context, Piece, Said

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`name` without the site's prefix, in small letters; `columns` by which a row is known that does not tell its table."""

    name: str
    columns: frozenset[str] = field(default_factory=frozenset)
    read: Callable[[Row, Context], Said | Malformed]


def cut(tables: tuple[Table, ...]) -> Callable[[BinaryIO], Iterator[Piece]]:
    """Cuts a dump, of which only rows of `tables` are taken, JSON, or CSV; rows under a heading carry its columns."""
    taken = cutting.export_rows(tuple(t.name for t in tables))

    def headed(file: BinaryIO) -> Iterator[Piece]:
        columns: tuple[str, ...] = ()
        for piece in taken(file):
            if not piece.table and not columns and not piece.raw.startswith((b"{", b"[")):
                names = tuple(cutting.csv_values(piece.raw) or ())
                columns = names if any(t.columns <= set(names) for t in tables) else ()
            yield piece if piece.table else replace(piece, columns=columns)

    return headed


def read(piece: Piece, context: Context, tables: tuple[Table, ...], title: str) -> Said | Malformed | None:
    """What a row says; None when it is a row of CSV that no heading explains."""
    row: Row | Malformed | None = _values(piece)
    if row is None or isinstance(row, Malformed):
        return row
    found = _table(piece, row, tables)
    if list(row) == list(row.values()) or (found is None and row.get("type") in ("header", "database")):
        return other(f"{title}: heading of an export")
    if found is None:
        return Malformed(reason=f"a row of no table of {title} that is known")
    return found.read(row, context)


def _table(piece: Piece, row: Row, tables: tuple[Table, ...]) -> Table | None:
    if piece.table:
        return next((t for t in tables if piece.table.lower().endswith(t.name)), None)
    return next((t for t in tables if t.columns <= set(row)), None)


def _values(piece: Piece) -> Row | Malformed | None:
    values: list[Any] | None
    if piece.table:
        values = cutting.sql_values(piece.raw, "surrogateescape")
    elif piece.raw.startswith(b"{"):
        try:
            return msgspec.json.decode(piece.raw, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Malformed(reason=f"not JSON: {str(error)[:120]}")
    else:
        values = list(cutting.csv_values(piece.raw) or ())
    if values is None or len(values) != len(piece.columns) or not values:
        return Malformed(reason=f"not a row of {piece.table[-60:]}") if piece.table else None
    return dict(zip(piece.columns, values, strict=True))


def other(message: str) -> Said:
    """A record that says something no class of OCSF is for, or nothing about a person."""
    return Said(class_uid=0, activity_id=99, unique=True, body={"message": message})


def number(value: object) -> int:
    """A whole number, also as text; 0 for anything else."""
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() and len(str(value)) < 19 else 0


def address(value: object) -> str | None:
    """An IP address as a table holds it: text, or 16 bytes as hex, Base64 or themselves; IPv4 may be mapped (RFC 4291)."""
    if not isinstance(value, str) or not value:
        return None
    try:
        found = ipaddress.ip_address(_bytes(value) or value)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _bytes(value: str) -> bytes | None:
    try:
        if len(value) in (32, 34) and (digits := value.removeprefix("0x").removeprefix("0X")).isalnum():
            return bytes.fromhex(digits)
        if len(value) == 24 and value.endswith("=="):
            return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return None
    raw = value.encode("utf-8", "surrogateescape")
    return raw if len(raw) == 16 and not value.isprintable() else None
