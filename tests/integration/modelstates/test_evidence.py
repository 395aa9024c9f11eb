"""A state as evidence: sealed to keys, opened with other people's tools, as signed; and its bill of materials."""

import json
import subprocess
import tarfile
from pathlib import Path

import pyrage
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.integration.modelstates.conftest import Shop

from checkvalve.engine import vault_sealed
from checkvalve.engine.errors import EngineError
from checkvalve.modelstates import manifest
from checkvalve.modelstates.bom import bom

T = "2026-11-25T00:00:00Z"


def opened(bundle: Path, identity: pyrage.x25519.Identity, directory: Path) -> Path:
    """With Debian's age, zstd and tar: nothing of ours."""
    key = directory / "key.txt"
    key.write_text(str(identity))
    out = directory / "opened"
    out.mkdir()
    age = subprocess.run(["age", "-d", "-i", str(key), str(bundle)], capture_output=True, check=True)
    tar = subprocess.run(["zstd", "-d", "-c"], input=age.stdout, capture_output=True, check=True).stdout
    (directory / "state.tar").write_bytes(tar)
    with tarfile.open(directory / "state.tar") as archive:
        archive.extractall(out, filter="data")
    return out


def test_each_of_the_named_keys_opens_it_and_every_byte_is_as_signed(shop: Shop, tmp_path: Path) -> None:
    state = shop.day(0)
    dpo, counsel, stranger = (pyrage.x25519.Identity.generate() for _ in range(3))
    keys = vault_sealed.recipients([str(dpo.to_public()), str(counsel.to_public())])
    steps: list[tuple[str, int, int]] = []
    made = vault_sealed.seal(shop.vault, state, keys, tmp_path / "a.age", T, lambda *step: steps.append(step))
    assert made.bytes == made.path.stat().st_size
    assert made.path.stat().st_mode & 0o077 == 0
    assert {name for name, done, total in steps if done == total} == {v.component for v in state.versions}
    for number, identity in enumerate((dpo, counsel)):
        (tmp_path / str(number)).mkdir()
        out = opened(made.path, identity, tmp_path / str(number))
        signed = manifest.verify((out / "manifest.json").read_bytes(), shop.vault.public_key)
        assert signed == state
        for version in signed.versions:
            for file in version.files:
                assert (out / version.component / file.path).read_bytes() == (
                    shop.root / version.component / file.path
                ).read_bytes()
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(made.path.read_bytes(), [stranger])
    assert b"Refunds" not in made.path.read_bytes()


def test_what_is_not_as_signed_is_not_sealed_and_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    state = shop.day(0)
    pack = max((shop.vault.repositories / "base" / "data").rglob("*"), key=lambda f: f.stat().st_size if f.is_file() else 0)
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(content)
    keys = vault_sealed.recipients([str(pyrage.x25519.Identity.generate().to_public())])
    with pytest.raises(Exception, match=r".") as caught:
        vault_sealed.seal(shop.vault, state, keys, tmp_path / "a.age", T)
    assert caught.type.__name__ in ("EngineError", "ResticError"), caught.value
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("a.age")] == []


@pytest.mark.parametrize("given", [[], [""], ["age1nonsense"], ["/etc/hostname"]])
def test_a_key_that_is_none_is_refused(given: list[str]) -> None:
    with pytest.raises(EngineError, match="age1"):
        vault_sealed.recipients(given)


def test_a_bundle_is_never_written_over(docs: Shop, tmp_path: Path) -> None:
    state = docs.day(0)
    (tmp_path / "a.age").write_text("mine")
    keys = vault_sealed.recipients([str(pyrage.x25519.Identity.generate().to_public())])
    with pytest.raises(EngineError, match="name a file that does not"):
        vault_sealed.seal(docs.vault, state, keys, tmp_path / "a.age", T)
    assert (tmp_path / "a.age").read_text() == "mine"


def test_the_bill_of_materials_is_cyclonedx_and_says_what_each_part_was_made_from(shop: Shop) -> None:
    state = shop.day(0)
    made = bom(state, T, "1.0")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(made)) is None
    parts = {c["name"]: c for c in made["components"]}
    assert {name: c["type"] for name, c in parts.items()} == {
        "base": "machine-learning-model",
        "tone": "machine-learning-model",
        "docs": "data",
        "dialogs": "data",
        "prompts": "data",
    }
    assert parts["tone"]["modelCard"]["modelParameters"]["datasets"] == [{"ref": "dialogs"}]
    assert {d["ref"]: d["dependsOn"] for d in made["dependencies"]}["tone"] == ["base", "dialogs"]
    files = {f["bom-ref"]: f["hashes"][0]["content"] for c in made["components"] for f in c["components"]}
    assert files == {f"{v.component}/{f.path}": f.sha256 for v in state.versions for f in v.files}
    assert made["serialNumber"] == bom(state, "2027-01-01T00:00:00Z", "2.0")["serialNumber"]
