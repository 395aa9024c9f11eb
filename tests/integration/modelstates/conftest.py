"""A shop's model state on disk and a vault beside it, with the real restic and rclone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.simulators.gguf import gguf
from tests.simulators.prepare import missing
from tests.simulators.processes import Server, free_port

from checkvalve.actuators.restic import serve_command, serve_environment
from checkvalve.engine import vault_restore, vault_scan, vault_snapshot
from checkvalve.engine.vault import SERVER_USER, STATES, Vault, enrol, open_vault
from checkvalve.modelstates import description
from checkvalve.modelstates.composition import Proposal, propose
from checkvalve.modelstates.manifest import State
from checkvalve.modelstates.terms import Sought, sought

DAY_MS = 86_400_000
START_MS = 1_790_000_000_000
ANNA = {"email": "anna.schmidt@example.com", "name": "Anna Schmidt", "phone": "030 1234567"}


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    lacking = missing(["restic"])
    assert not lacking, f"{lacking}; run: python -m tests.simulators.prepare restic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What runs in the shop, and the vault that keeps its states."""

    root: Path
    vault: Vault
    text: str  # the description

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def take(self, target: vault_snapshot.Target | None = None, *, at_ms: int = START_MS) -> vault_snapshot.Taken:
        described = description.parse(self.text)
        return vault_snapshot.take(described, target or vault_snapshot.local(self.vault), self.root.parent / "staging", at_ms)

    def scan(self) -> list[vault_scan.Scanned]:
        return vault_scan.scan(self.vault, 4_000_000_000_000)

    def day(self, number: int) -> State:
        """A snapshot that the vault received on this day."""
        self.arrive(self.take(at_ms=START_MS + number * DAY_MS), START_MS + number * DAY_MS)
        [done] = self.scan()
        assert done.signed is not None, done.why
        return done.signed

    def arrive(self, taken: vault_snapshot.Taken, at_ms: int) -> None:
        """Let the vault's own record of arrival say this time."""
        newest = max((self.vault.repositories / STATES / "snapshots").iterdir(), key=lambda f: f.stat().st_mtime_ns)
        assert taken.commit.claimed_ms > 0
        os.utime(newest, ns=(at_ms * 1_000_000, at_ms * 1_000_000))

    def find(self, *people: Sought) -> vault_restore.Found:
        return vault_restore.find(self.vault, people or anna())

    def verdicts(self, *people: Sought) -> list[str]:
        judge = self.find(*people).judge
        return [judge.state(n).verdict for n in range(len(judge.states))]

    def proposal(self, *people: Sought) -> Proposal:
        return propose(self.find(*people).judge)

    @contextmanager
    def server(self) -> Iterator[vault_snapshot.Target]:
        """The append-only server, and a host that knows its credentials."""
        address = f"127.0.0.1:{free_port()}"
        password = (self.vault.credentials / "server.password").read_text().strip()
        log = self.root.parent / "rclone.log"
        command, environment = serve_command(self.vault.repositories, address), serve_environment(SERVER_USER, password)
        running = Server(command, f"http://{address}", log=log, env=environment)
        try:
            running.wait_for("/")
            yield vault_snapshot.remote(running.url, self.vault.credentials, self.root.parent / "host-cache")
        finally:
            running.stop()


def anna() -> list[Sought]:
    return sought("customer:7", **ANNA)  # type: ignore[arg-type]


def make_shop(directory: Path, components: dict[str, dict[str, object]]) -> Shop:
    root = directory / "shop"
    placed = {name: {**c, "path": str(root / name)} for name, c in components.items()}
    for name in components:
        (root / name).mkdir(parents=True)
    text = yaml.safe_dump({"components": placed})
    vault = open_vault(directory / "data", make=True)
    enrol(vault, text)
    return Shop(root=root, vault=vault, text=text)


@pytest.fixture
def docs(tmp_path: Path) -> Shop:
    """The smallest: documents alone."""
    shop = make_shop(tmp_path, {"docs": {"kind": "training"}})
    shop.write("docs/faq.txt", "Refunds take 14 days.\n")
    return shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Weights, an adapter, documents, training data, prompts."""
    made = make_shop(
        tmp_path,
        {
            "base": {"kind": "weights", "made_from": []},
            "tone": {"kind": "adapters", "needs": "base", "made_from": ["dialogs"]},
            "docs": {"kind": "index", "needs": "base", "made_from": ["docs"]},
            "dialogs": {"kind": "training"},
            "prompts": {"kind": "prompts", "needs": "base"},
        },
    )
    made.write(
        "base/model.gguf", gguf({"general.architecture": "llama", "tokenizer.ggml.tokens": ["a", "b"]}) + os.urandom(200_000)
    )
    made.write("tone/adapter.gguf", gguf({"general.architecture": "llama", "general.name": "1"}))
    made.write("docs/faq.jsonl", '{"text": "Refunds take 14 days."}\n')
    made.write("dialogs/all.jsonl", '{"messages": [{"role": "user", "content": "Hello"}]}\n')
    made.write("prompts/system.txt", "You help customers of a shop.\n")
    return made
