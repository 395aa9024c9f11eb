"""A model state as evidence: one file that only the named keys open (age), packed as it is read out of the repository.

    tar in zstd in age: manifest.json (signed), bom.json, then component/path of every file

Nothing of it lies in the clear on the way. Its sum goes into the log, if there is one on this machine.
"""

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec
import pyarrow as pa
import pyrage

from checkvalve import __version__
from checkvalve.engine.errors import EngineError
from checkvalve.engine.vault import Vault
from checkvalve.modelstates.bom import bom
from checkvalve.modelstates.manifest import State

MODE: Final = 0o600
MAX_KEYS: Final = 65_536  # bytes of a file of recipients

Progress = Callable[[str, int, int], None]  # component, bytes done, bytes in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    path: Path
    bytes: int
    sha256: str


def recipients(given: Sequence[str]) -> list[pyrage.x25519.Recipient]:
    """Public keys (age1…), or files of them, one a line."""
    lines = [line for key in given for line in ([key] if key.startswith("age1") else _lines(Path(key)))]
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not wanted:
        raise EngineError("no_recipient", "say whose key opens it: --recipient age1…, once for the DPO and once for counsel")
    try:
        return [pyrage.x25519.Recipient.from_str(line) for line in wanted]
    except pyrage.RecipientError as error:
        raise EngineError("bad_recipient", "a recipient is a public key of age: age1… (make one with age-keygen)") from error


def _lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_KEYS).decode().splitlines()
    except (OSError, ValueError) as error:
        raise EngineError(
            "bad_recipient", "a recipient is a public key of age (age1…), or a file of such, one a line"
        ) from error


def seal(
    vault: Vault,
    state: State,
    keys: Sequence[pyrage.x25519.Recipient],
    output: Path,
    created: str,
    tell: Progress | None = None,
) -> Sealed:
    """Write the bundle, whole or not at all. `output` must not exist."""
    if output.exists():
        raise EngineError("exists", f"{output} exists; name a file that does not")
    partial = output.with_name(output.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            summed = _Summed(file)
            _encrypted(summed, keys, lambda out: _pack(vault, state, created, out, tell))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(output)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return Sealed(path=output, bytes=summed.size, sha256=summed.sum.hexdigest())


class _Summed(io.RawIOBase):
    def __init__(self, out: IO[bytes]) -> None:
        self._out, self.sum, self.size = out, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # what is given is bytes
        self.sum.update(data)
        self.size += len(data)
        return self._out.write(data)


def _encrypted(out: _Summed, keys: Sequence[pyrage.x25519.Recipient], fill: Callable[[IO[bytes]], None]) -> None:
    """What `fill` writes goes through a pipe into age: the library reads, we write."""
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def write() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe:
                fill(pipe)
        except BaseException as error:  # told to the caller below
            failed.append(error)

    thread = threading.Thread(target=write, name="pack")
    thread.start()
    try:
        with os.fdopen(reading, "rb") as pipe:
            pyrage.encrypt_io(pipe, out, list(keys))
    finally:
        thread.join()
    if failed:
        raise failed[0]


def _pack(vault: Vault, state: State, created: str, out: IO[bytes], tell: Progress | None) -> None:
    with (
        pa.CompressedOutputStream(pa.PythonFile(out, "w"), "zstd") as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        _add(archive, "manifest.json", (vault.manifests / f"{state.id}.json").read_bytes())
        _add(archive, "bom.json", msgspec.json.encode(bom(state, created, __version__)))
        for version in state.versions:
            total, done = sum(f.size for f in version.files), 0
            signed = {f.path: f.sha256 for f in version.files}
            with vault.as_signed(state, version.component) as repository, repository.contents(version.snapshot) as stored:
                for member in stored:
                    content = stored.extractfile(member) if member.isfile() else None
                    if content is None:
                        continue
                    path = member.name.lstrip("./")
                    summed = _Reading(content)
                    member.name = f"{version.component}/{path}"
                    archive.addfile(member, summed)
                    if summed.sum.hexdigest() != signed.pop(path, ""):
                        raise EngineError(
                            "not_as_signed", f"{version.component}/{path} is not what was signed; nothing was sealed"
                        )
                    done += member.size
                    if tell:
                        tell(version.component, done, total)
            if signed:
                raise EngineError("not_as_signed", f"{version.component} lacks {min(signed)}; nothing was sealed")


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), MODE
    archive.addfile(info, io.BytesIO(content))


class _Reading(io.RawIOBase):
    def __init__(self, source: IO[bytes]) -> None:
        self._source, self.sum = source, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.sum.update(data)
        return data
