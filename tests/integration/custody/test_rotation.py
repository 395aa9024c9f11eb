"""A new key for the log: what the old one signed still verifies, who holds the old one is led to the new one."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.custody.conftest import grow
from tests.integration.custody.outsiders import Authority
from tests.integration.custody.test_anchors import exported, stranger
from tests.integration.imports.conftest import Installation
from tests.wire.core_process import running_core

from checkvalve.evidence import bundle, checkpoint, succession
from checkvalve.evidence.errors import VerificationError


def key(shop: Installation) -> str:
    return str(shop.json("evidence", "key")["key"])


def test_old_bundles_old_keys_and_old_stamps_verify_after_two_rotations(
    shop: Installation, tsa: Authority, tmp_path: Path
) -> None:
    first, before = key(shop), exported(shop)
    shop.json("evidence", "anchor", "--tsa", tsa.url, "--tsa-root", str(tsa.root))
    for _ in range(2):
        done = shop.json("evidence", "rotate-key")
        assert done["new"] == key(shop) and done["old"] != done["new"]
        grow(shop, tmp_path, 2)
    assert key(shop).split("+")[0] == first.split("+")[0], "the log keeps its name"
    assert shop.json("evidence", "verify")["ok"]
    assert stranger(shop, before, "--key", first)["ok"]
    after = stranger(shop, exported(shop), "--key", first, "--tsa-root", str(tsa.root))
    assert after["ok"] and after["key"] == key(shop) and after["key_trusted"]
    assert [a["size"] for a in after["anchors"]] == [5]
    assert not stranger(shop, before, "--key", key(shop))["ok"], "a new key does not vouch for what it never signed"
    assert [r["what"] for r in shop.json("evidence", "custody")["readings"]] == ["log_key_rotated"] * 2


def test_another_key_cannot_follow(shop: Installation) -> None:
    origin, public = checkpoint.parse_verifier_key(key(shop))
    shop.json("evidence", "rotate-key")
    data = exported(shop)
    stolen = Ed25519PrivateKey.generate()
    note = succession.write(origin, stolen, stolen.public_key().public_bytes_raw())
    with pytest.raises(VerificationError):
        succession.read(note.replace(b"checkvalve-succession/1", b"checkvalve-succession/2"), origin)
    assert succession.successors([note], origin, public) == {public}
    assert not bundle.verify(data, stolen.public_key().public_bytes_raw()).ok


def test_killed_at_any_moment_the_same_command_finishes_it(shop: Installation) -> None:
    first = key(shop)
    for wait in (0.5, 0.8, 1.1, 1.4):
        process = subprocess.Popen(shop.command("evidence", "rotate-key"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    if (shop.data / "keys" / "log.key.next").exists():
        refused = shop.run("evidence", "verify")
        assert refused.returncode == 2 and "rotate-key" in refused.stderr
    shop.json("evidence", "rotate-key")
    assert shop.json("evidence", "verify")["ok"]
    assert stranger(shop, exported(shop), "--key", first)["ok"]


def test_a_half_done_rotation_refuses_a_start_and_says_how_to_finish_it(shop: Installation) -> None:
    (shop.data / "keys" / "log.key.next").write_bytes(os.urandom(32))
    (shop.data / "keys" / "log.key.next").chmod(0o600)
    refused = shop.run("core", "--listen", "127.0.0.1:0")
    assert refused.returncode == 2 and "rotate-key" in refused.stderr
    shop.json("evidence", "rotate-key")
    assert shop.json("evidence", "verify")["ok"]


def test_a_running_core_is_not_pulled_from_under(shop: Installation) -> None:
    with running_core(shop.data):
        refused = shop.run("evidence", "rotate-key")
        assert refused.returncode == 2 and "another Checkvalve uses" in refused.stderr
    assert shop.json("evidence", "rotate-key")["new"] == key(shop)
