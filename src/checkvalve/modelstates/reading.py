"""Files as documents: what a file of a component says, cut into pieces that stay the same while the file changes elsewhere.

Everything is read in each form it may have: JSON values, escapes undone, tags left out, base64 decoded, archives unpacked.
What cannot be read is said, never passed over: a file is `assessed` only if all its text became documents.
"""

import base64
import binascii
import bz2
import gzip
import html
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from checkvalve.modelstates.formats import identify

MAX_UNPACKED: Final = 512 * 1024 * 1024  # bytes that one file may become
MAX_DEPTH: Final = 3  # archives within archives
PIECE: Final = 16_384  # characters of a piece of plain text, about
OVERLAP: Final = 320  # characters repeated from the piece before, so that nothing is cut in two
MAX_BLOB: Final = 1_000_000

_ESCAPES = re.compile(
    r"(?P<url>(?:%[0-9A-Fa-f]{2})+)|(?P<unicode>(?:\\+u[0-9A-Fa-f]{4})+)|(?P<hex>(?:\\+x[0-9A-Fa-f]{2})+)"
    r"|(?P<quoted>(?:=[0-9A-F]{2})+)|(?P<soft>=\r?\n)|(?P<char>\\+[nrt\"/@])|(?P<entity>&(?:#\w{1,8}|[A-Za-z]{2,8});)"
)
_MARK = re.compile(r"[%\\=&]")  # every escape begins with one; most texts have none, and this is faster to see
_TAG = re.compile(r"<[^<>]{0,400}>")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_WRAPPED = re.compile(r"(?:[A-Za-z0-9+/_-]{60,100}\r?\n){1,}[A-Za-z0-9+/_-]{1,100}={0,2}")
_RUN = re.compile(rb"[\x09\x0a\x0d\x20-\x7e\x80-\xff]{6,}")
_WIDE = re.compile(rb"(?:[\x09\x20-\x7e\x80-\xff]\x00){6,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`place` says where in the file it stands; `raw`: read from bytes that are no text."""

    place: str
    text: str
    raw: bool = False


@dataclass(slots=True)
class Reading:
    """One file. After all documents were taken, `not_assessed` holds why some of it could not be read."""

    documents: Iterator[Document]
    not_assessed: list[str] = field(default_factory=list)


def read(path: str, data: bytes) -> Reading:
    """The documents of a file held in memory. SQLite and model weights are read by others (rows, metadata)."""
    reading = Reading(iter(()))
    reading.documents = _documents(path, data, reading.not_assessed, 0)
    return reading


def rows(table: str, named: Iterator[tuple[Any, ...]]) -> Iterator[Document]:
    """Rows of a database table as documents: the texts of one row, one below the other."""
    for number, row in enumerate(named, start=1):
        said = [text for value in row if (text := _as_text(value))]
        if said:
            yield Document(place=f"{table} row {number}", text="\n".join(said))


def raw(place: str, data: bytes) -> Iterator[Document]:
    """Whatever in bytes may be text, in UTF-8, Latin-1 and UTF-16."""
    for start in range(0, len(data), PIECE):
        part = data[max(0, start - OVERLAP) : start + PIECE]
        said = [_decoded(run) for run in _RUN.findall(part)]
        said += [run.decode("utf-16-le") for run in _WIDE.findall(part)]
        if said:
            yield Document(place=f"{place} bytes {start}+", text="\n".join(said), raw=True)


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return "\n".join(_decoded(run) for run in _RUN.findall(value[:MAX_BLOB]))
    return "" if value is None or isinstance(value, bool) else str(value)


def _documents(path: str, data: bytes, unread: list[str], depth: int) -> Iterator[Document]:
    kind = identify(path, data, len(data))
    if kind == "archive":
        yield from _archive(path, data, unread, depth)
    elif kind in ("parquet", "arrow"):
        yield from _columns(path, data, kind, unread)
    elif kind == "text" and (text := _text(data)) is not None:
        yield from _lines(path, text) if _is_lines(text) else _pieces(path, text)
    elif data:
        unread.append(f"{path}: {'vectors' if kind == 'vectors' else 'not text'}; read as raw bytes alone")
        yield from raw(path, data)


def _text(data: bytes) -> str | None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            return None
    return _decoded(data.removeprefix(b"\xef\xbb\xbf"))


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _is_lines(text: str) -> bool:
    first = text[:1_000_000].split("\n", 1)[0].strip()
    return first[:1] in ("{", "[") and _json(first) is not None


def _lines(path: str, text: str) -> Iterator[Document]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield Document(place=f"{path} line {number}", text=line)


def _pieces(path: str, text: str) -> Iterator[Document]:
    """Cut after lines whose checksum says so: a line put in moves no cut but its own."""
    start, piece, before, number = 1, list[str](), "", 0
    size = 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        for low in range(0, len(line), PIECE):
            part = line[low : low + PIECE]
            piece.append(part)
            size += len(part)
            if size >= 2 * PIECE or (size >= PIECE // 4 and zlib.crc32(part.encode("utf-8", "replace")) % 64 == 0):
                whole = "".join(piece)
                yield Document(place=f"{path} line {start}", text=before + whole)
                before, piece, size, start = whole[-OVERLAP:], [], 0, number + 1
    if piece:
        yield Document(place=f"{path} line {start}", text=before + "".join(piece))


def _archive(path: str, data: bytes, unread: list[str], depth: int) -> Iterator[Document]:
    if depth >= MAX_DEPTH:
        unread.append(f"{path}: archives more than {MAX_DEPTH} deep")
        return
    if data[:4] == b"PK\x03\x04":
        yield from _zip(path, data, unread, depth)
        return
    try:
        unpacked = _unpack(data)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException, ValueError) as error:
        unread.append(f"{path}: cannot be unpacked ({type(error).__name__})")
        yield from raw(path, data)
        return
    if unpacked is None:
        unread.append(f"{path}: longer than {MAX_UNPACKED // 1024**2} MiB unpacked")
    else:
        inner = path.rpartition(".")[0] or path
        yield from _documents(f"{inner}!", unpacked, unread, depth + 1)


def _opened(magic: bytes, source: io.BytesIO) -> Any:
    match magic:
        case b"\x1f\x8b":
            return gzip.GzipFile(fileobj=source)
        case b"BZ":
            return bz2.BZ2File(source)
        case b"\xfd7":
            return lzma.LZMAFile(source)
        case _:
            return pa.CompressedInputStream(pa.BufferReader(source.getvalue()), "zstd")


def _unpack(data: bytes) -> bytes | None:
    """None when there is more than MAX_UNPACKED."""
    with _opened(data[:2], io.BytesIO(data)) as stream:
        parts, size = [], 0
        while part := stream.read(1 << 20):
            parts.append(bytes(part))
            size += len(part)
            if size > MAX_UNPACKED:
                return None
    return b"".join(parts)


def _zip(path: str, data: bytes, unread: list[str], depth: int) -> Iterator[Document]:
    left = MAX_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                left -= member.file_size
                if left < 0 or member.flag_bits & 1:
                    unread.append(f"{path}: {'locked' if member.flag_bits & 1 else 'too large'}")
                    return
                if not member.is_dir():
                    yield from _documents(f"{path}!{member.filename}", archive.read(member), unread, depth + 1)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, OSError, EOFError, ValueError) as error:
        unread.append(f"{path}: cannot be unpacked ({type(error).__name__})")


def _columns(path: str, data: bytes, kind: str, unread: list[str]) -> Iterator[Document]:
    try:
        source = pa.BufferReader(data)
        batches = (
            pq.ParquetFile(source).iter_batches(1024) if kind == "parquet" else pa.ipc.open_file(source).read_all().to_batches()
        )
        for number, batch in enumerate(batches):
            taken = ((_json_text(v) for v in row.values()) for row in batch.to_pylist())
            yield from rows(f"{path} batch {number}", (tuple(r) for r in taken))
    except (pa.ArrowException, OSError, ValueError) as error:
        unread.append(f"{path}: cannot be read as {kind} ({type(error).__name__})")
        yield from raw(path, data)


def _json_text(value: Any) -> Any:
    return "\n".join(_values(value)) if isinstance(value, dict | list) else value


# --- the forms of one text --------------------------------------------------------------------------------------------


def forms(text: str) -> Iterator[str]:
    """A text and every other text it stands for: JSON values alone, escapes undone, tags left out, base64 decoded."""
    yield from _undisguised(text)
    if text[:1] in ("{", "[", '"') and (held := _json(text)) is not None:
        yield from _undisguised("\n".join(_values(held)))


def _undisguised(plain: str) -> Iterator[str]:
    yield plain
    for _ in range(MAX_DEPTH if _MARK.search(plain) else 0):
        undone = _ESCAPES.sub(_undone, plain)
        if undone == plain:
            break
        plain = undone
        yield plain
    if "<" in plain and (bare := _TAG.sub(" ", plain)) != plain:
        yield bare
        yield _TAG.sub("", plain)
    for blob in [m.group() for m in _BASE64.finditer(plain)] + [m.group() for m in _WRAPPED.finditer(plain)]:
        if said := _from_base64(blob):
            yield said
            yield _ESCAPES.sub(_undone, said)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _values(value: Any) -> Iterator[str]:
    """What a JSON value says, in order; text that is JSON is looked into."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += reversed(item.values())
        elif isinstance(item, list | tuple):
            waiting += reversed(item)
        elif isinstance(item, str) and item[:1] in ("{", "[") and (inner := _json(item)) is not None:
            waiting.append(inner)
        elif item is not None and not isinstance(item, bool):
            yield str(item)


def _undone(found: re.Match[str]) -> str:
    kind, said = str(found.lastgroup), found.group()
    try:
        match kind:
            case "url" | "quoted":
                return bytes.fromhex(said.replace("%", "").replace("=", "")).decode()
            case "unicode":
                return bytes.fromhex(re.sub(r"\\+u", "", said)).decode("utf-16-be")
            case "hex":
                return bytes.fromhex(re.sub(r"\\+x", "", said)).decode()
            case "soft":
                return ""
            case "entity":
                return html.unescape(said)
            case _:
                return {"n": "\n", "r": "\n", "t": "\t"}.get(said[-1], said[-1])
    except ValueError:
        return said


def _from_base64(blob: str) -> str:
    bare = re.sub(r"\s", "", blob).rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        return ""
    try:
        said = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return said if all(c.isprintable() or c in "\r\n\t" for c in said) else ""
