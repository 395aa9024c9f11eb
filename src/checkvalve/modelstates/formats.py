"""Formats of model files, told by their bytes: safetensors and GGUF are read, pickle is refused, the rest is named.

A file's name proves nothing; a name that pickle uses is refused as well, because programs go by the name.
"""

import hashlib
import json
import pickletools
import struct
from dataclasses import dataclass
from typing import Final, Literal

from checkvalve.modelstates.errors import ModelStateError

Format = Literal["safetensors", "gguf", "pickle", "sqlite", "vectors", "hnsw", "archive", "parquet", "arrow", "text", "unknown"]

HEAD_BYTES: Final = 64 * 1024 * 1024  # of a file that `identify` and `gguf_metadata` see; holds any GGUF vocabulary known
MAX_KEYS: Final = 65_536
_PICKLE_NAMES: Final = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".mar")
_COMPRESSED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")
PLAIN_PICKLES: Final = ("index_metadata.pickle",)  # of Chroma; any other pickle is refused whatever it holds
_CODE: Final = frozenset(
    (
        "GLOBAL",
        "STACK_GLOBAL",
        "REDUCE",
        "BUILD",
        "INST",
        "OBJ",
        "NEWOBJ",
        "NEWOBJ_EX",
        "EXT1",
        "EXT2",
        "EXT4",
        "PERSID",
        "BINPERSID",
    )
)
_HNSW: Final = ("data_level0.bin", "header.bin", "length.bin", "link_lists.bin")  # as hnswlib, and so Chroma, names them
_FAISS: Final = (b"Ix", b"IB", b"IH", b"IP", b"Iv", b"IM", b"In")  # fourcc of faiss/impl/index_write.cpp
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # GGUF value types, bytes


def identify(path: str, head: bytes, size: int) -> Format:
    """`head`: the first HEAD_BYTES of the file, or all of it; `size`: all its bytes."""
    name = path.lower()
    if name.endswith(_PICKLE_NAMES) or _is_pickle(head) or (head[:4] == b"PK\x03\x04" and b"/data.pkl" in head[:4096]):
        return "pickle"
    if name.endswith(".bin") and "pytorch_model" in name:
        return "pickle"
    if head[:4] == b"GGUF":
        return "gguf"
    if _is_safetensors(head, size):
        return "safetensors"
    if head[:16] == b"SQLite format 3\x00":
        return "sqlite"
    if head.startswith(_COMPRESSED):
        return "archive"
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1":
        return "arrow"
    if head[:6] == b"\x93NUMPY" or (head[:2] in _FAISS and len(head) > 4 and b"\x00" in head[:64]):
        return "vectors"
    if path.rpartition("/")[2] in _HNSW and not _is_text(head):
        return "hnsw"
    return "text" if _is_text(head) else "unknown"


def plain_strings(data: bytes) -> list[str] | None:
    """The strings of a pickle that is data alone: nothing in it names, builds or calls anything. None for any other.

    Chroma keeps which vector belongs to which document in one. It is read opcode by opcode and never loaded.
    """
    found = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in _CODE:
                return None
            if isinstance(argument, str):
                found.append(argument)
    except Exception:  # pickletools raises what it likes at bytes that are no pickle
        return None
    return found


def _is_pickle(head: bytes) -> bool:
    """PROTO opcode with a protocol that exists, and an opcode after it that can begin a pickle (pickletools)."""
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5 and head[2:3] in b"\x95}]()cXBKJMNGT\x8cC\x88\x89\x8a\x8f"


def _is_safetensors(head: bytes, size: int) -> bool:
    """Eight bytes of length, then a JSON header (safetensors README, Format)."""
    if len(head) < 10:
        return False
    (length,) = struct.unpack_from("<Q", head)
    if not 2 <= length <= min(size - 8, len(head) - 8):
        return False
    try:
        header = json.loads(head[8 : 8 + length])
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and all(isinstance(v, dict) for v in header.values())


def _is_text(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    return b"\x00" not in head and not any(c in head for c in (b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\x0e"))


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufMetadata:
    """`tokenizer`: sha256 over all `tokenizer.*` keys but the template; `template`: the chat template, which is a program."""

    tokenizer: str
    template: str | None
    architecture: str | None


def gguf_metadata(head: bytes) -> GgufMetadata:
    """ModelStateError("bad_gguf") when it is cut, absurd, or of a version before 2."""
    try:
        return _gguf(head)
    except (struct.error, IndexError, UnicodeDecodeError, KeyError, RecursionError) as error:
        raise ModelStateError("bad_gguf", "the metadata of this GGUF file cannot be read") from error


def _gguf(head: bytes) -> GgufMetadata:
    _, version, _, keys = struct.unpack_from("<4sIQQ", head)
    if version < 2 or keys > MAX_KEYS:
        raise ModelStateError("bad_gguf", f"GGUF version {version} with {keys} keys is not read")
    at, tokenizer, texts = 24, hashlib.sha256(), dict[str, str]()
    for _ in range(keys):
        name, at = _gguf_text(head, at)
        (kind,) = struct.unpack_from("<I", head, at)
        end = _gguf_end(head, at + 4, kind, 0)
        if kind == 8 and name in ("tokenizer.chat_template", "general.architecture"):
            texts[name] = _gguf_text(head, at + 4)[0]
        if name.startswith("tokenizer.") and name != "tokenizer.chat_template":
            tokenizer.update(name.encode() + b"\x00" + head[at:end])
        at = end
    return GgufMetadata(
        tokenizer=tokenizer.hexdigest(),
        template=texts.get("tokenizer.chat_template"),
        architecture=texts.get("general.architecture"),
    )


def _gguf_text(head: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", head, at)
    end = at + 8 + length
    if end > len(head):
        raise IndexError
    return head[at + 8 : end].decode(), end


def _gguf_end(head: bytes, at: int, kind: int, depth: int) -> int:
    """Where a value ends; IndexError beyond the head."""
    if kind == 8:
        end: int = at + 8 + struct.unpack_from("<Q", head, at)[0]
    elif kind == 9:
        inner, count = struct.unpack_from("<IQ", head, at)
        end = at + 12
        if inner in (8, 9):
            if depth > 2:
                raise IndexError
            for _ in range(count):
                end = _gguf_end(head, end, inner, depth + 1)
        else:
            end += count * _SIZES[inner]
    else:
        end = at + _SIZES[kind]
    if end > len(head):
        raise IndexError
    return end
