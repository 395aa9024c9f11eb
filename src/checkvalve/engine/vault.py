"""The vault: repositories, their passwords, the keys that sign and index, the signed manifests. One private directory.

    vault/description.yaml            the components, as the operator enrolled them
    vault/repositories/<component>/   restic; hosts reach them through the append-only server only
    vault/credentials/                what a shop's host gets: the password of each repository, name and password of the server
    vault/manifests/<state>.json      signed after the scan (modelstates.manifest); the order of truth
    vault/manifests/<state>.names     the repository files there were when it was signed
    vault/manifests/<state>.refused   why it was not signed
    vault/manifests/<state>.held      why it is kept whatever its age
    vault/drill.json                  what the last restore drill showed
    vault/index.db                    look-up index
    vault/lock                        held by what signs or removes
    vault/keys/                       sign.key, index.key; never leave the vault

A host may add, and lie about time and content. So a state counts by the time the vault received it, and only once it is signed.
"""

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.actuators.restic import Repository
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import make_private, require_private, write_private
from checkvalve.engine.vault_index import Index
from checkvalve.modelstates import description, manifest
from checkvalve.modelstates.description import Description
from checkvalve.modelstates.errors import ModelStateError
from checkvalve.modelstates.manifest import State

STATES: Final = "states"  # the repository of commits: one small snapshot says which snapshots make one state
SERVER_USER: Final = "shop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    directory: Path
    sign_key: Ed25519PrivateKey
    index_key: bytes

    @property
    def public_key(self) -> bytes:
        return self.sign_key.public_key().public_bytes_raw()

    @property
    def repositories(self) -> Path:
        return self.directory / "repositories"

    @property
    def credentials(self) -> Path:
        return self.directory / "credentials"

    @property
    def manifests(self) -> Path:
        return self.directory / "manifests"

    @property
    def scratch(self) -> Path:
        return self.directory / "scratch"

    def repository(self, component: str) -> Repository:
        return Repository(
            location=str(self.repositories / component),
            password_file=self.credentials / f"{component}.password",
            cache=self.directory / "cache",
        )

    def description(self) -> Description:
        file = self.directory / "description.yaml"
        if not file.exists():
            raise EngineError("not_enrolled", "no model state is described yet; run `checkvalve modelstate enrol FILE`")
        return description.parse(file.read_text("utf-8"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What signs and removes is done by one program at a time; EngineError("busy") for a second one."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise EngineError("busy", "another command works on this vault; run it again when that has ended") from error
        finally:
            os.close(descriptor)

    @contextmanager
    def index(self) -> Iterator[Index]:
        with closing(Index(self.directory / "index.db", self.index_key)) as index:
            yield index

    def states(self) -> list[State]:
        """All signed states. A manifest that does not verify is an error: somebody changed it."""
        found = []
        for file in sorted(self.manifests.glob("*.json")):
            try:
                state = manifest.verify(file.read_bytes(), self.public_key)
            except ModelStateError as error:
                raise EngineError("bad_manifest", f"{file}: {error.hint}; restore it from your backup of the vault") from error
            if state.id != file.stem:
                raise EngineError(
                    "bad_manifest", f"{file} is the manifest of {state.id}; restore it from your backup of the vault"
                )
            found.append(state)
        return sorted(found, key=lambda s: (s.received_ms, s.id))

    def keep(self, state: State, names: dict[str, list[str]]) -> None:
        """Sign a state and keep its manifest; whole or not at all."""
        listed = "".join(f"{component}/{name}\n" for component, each in sorted(names.items()) for name in each)
        write_private(self.manifests / f"{state.id}.names", listed.encode())
        write_private(self.manifests / f"{state.id}.json", manifest.sign(state, self.sign_key))

    def drop(self, state: str) -> None:
        """Forget a manifest."""
        for end in ("json", "names"):
            (self.manifests / f"{state}.{end}").unlink(missing_ok=True)

    def refuse(self, state: str, why: str) -> None:
        write_private(self.manifests / f"{state}.refused", why.encode())

    def refused(self) -> dict[str, str]:
        """State -> why it was not signed."""
        return {f.stem: f.read_text("utf-8", "replace") for f in sorted(self.manifests.glob("*.refused"))}

    def hold(self, state: str, reason: str) -> None:
        """Keep a signed state whatever its age, until it is released."""
        if not any(s.id == state for s in self.states()):
            raise EngineError("not_found", f"there is no signed state {state[:60]!r}; see `checkvalve modelstate list`")
        if not reason.strip() or not reason.isprintable():
            raise EngineError("no_reason", "say in one line why it is kept, with --reason TEXT (no names of people)")
        write_private(self.manifests / f"{state}.held", reason.strip().encode())

    def release(self, state: str) -> None:
        if state not in self.held():
            raise EngineError("not_found", f"{state[:60]!r} is not on hold")
        (self.manifests / f"{state}.held").unlink()

    def held(self) -> dict[str, str]:
        """State -> why it is on hold."""
        return {f.stem: f.read_text("utf-8", "replace") for f in sorted(self.manifests.glob("*.held"))}

    @contextmanager
    def as_signed(self, state: State, component: str) -> Iterator[Repository]:
        """A component's repository as it was when the state was signed: what was added since cannot disturb it.

        EngineError when files are gone that were there.
        """
        lines = (self.manifests / f"{state.id}.names").read_text("utf-8").splitlines()
        names = [line.partition("/")[2] for line in lines if line.startswith(f"{component}/")]
        if digest_of_names(names) != state.sealed.get(component):
            raise EngineError(
                "bad_manifest", f"the list of files of {state.id} was changed; restore it from your backup of the vault"
            )
        with self.view(component, names) as repository:
            yield repository

    @contextmanager
    def view(self, component: str, names: list[str]) -> Iterator[Repository]:
        """The repository with these files alone, as links in a directory that is removed afterwards."""
        source = self.repositories / component
        make_private(self.scratch)
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="view-") as made:
            for name in names:
                link = Path(made) / name
                link.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(source / name, link)
                except FileNotFoundError as error:
                    raise EngineError(
                        "damaged", f"the repository of {component} lacks {name}, which was there when it was signed"
                    ) from error
            for part in ("data", "index", "keys", "locks", "snapshots"):
                (Path(made) / part).mkdir(exist_ok=True)
            yield Repository(location=made, password_file=self.credentials / f"{component}.password", locking=False)

    def names(self, component: str) -> list[str]:
        """The files of a repository now, locks left out."""
        root = self.repositories / component
        return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and p.parent != root / "locks")


def digest_of_names(names: list[str]) -> str:
    return hashlib.sha256("".join(f"{n}\n" for n in names).encode()).hexdigest()


def open_vault(data: Path, *, make: bool = False) -> Vault:
    """The vault of a data directory. Only what writes makes one: a question to none is an EngineError."""
    directory = data / "vault"
    if not make and not (directory / "keys" / "sign.key").exists():
        raise EngineError(
            "no_vault", f"there are no model states in {data}; run `checkvalve modelstate snapshot FILE` or give --data DIR"
        )
    make_private(data)
    for part in ("", "repositories", "credentials", "manifests", "keys", "cache"):
        make_private(directory / part)
    return Vault(
        directory=directory,
        sign_key=Ed25519PrivateKey.from_private_bytes(_secret(directory / "keys" / "sign.key")),
        index_key=_secret(directory / "keys" / "index.key"),
    )


def enrol(vault: Vault, text: str) -> Description:
    """Take over a description and make what it needs: a repository and a password for each component, and for the server."""
    described = description.parse(text)
    if STATES in described.components:
        raise EngineError("bad_description", f"a component cannot be called {STATES}")
    _password(vault.credentials / "server.password")
    for component in (*described.components, STATES):
        _password(vault.credentials / f"{component}.password")
        if not (vault.repositories / component / "config").exists():
            vault.repository(component).init()
    write_private(vault.directory / "description.yaml", text.encode())
    return described


def _password(file: Path) -> None:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32).encode() + b"\n")
    require_private(file)


def _secret(file: Path) -> bytes:
    if not file.exists():
        write_private(file, secrets.token_bytes(32))
    require_private(file)
    secret = file.read_bytes()
    if len(secret) != 32:
        raise EngineError("bad_key_file", f"{file} does not hold 32 bytes; restore it from your backup")
    return secret
