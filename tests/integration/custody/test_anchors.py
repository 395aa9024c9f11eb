"""The log is vouched for outside: an `openssl ts` authority stamps it, a witness cosigns it, a stranger verifies offline."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integration.custody.conftest import grow
from tests.integration.custody.outsiders import Authority, Witness, authority, witnessing
from tests.integration.imports.conftest import Installation

from checkvalve.engine.anchoring import for_bundle
from checkvalve.engine.identity import load_identity
from checkvalve.engine.offline import succession_notes
from checkvalve.engine.settings import Settings
from checkvalve.evidence import anchor, bundle, checkpoint, timestamp
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import consistency_proof
from checkvalve.evidence.verify import Verified
from checkvalve.store.segments import LogFiles

GOLDEN = Path(__file__).parents[2] / "golden"


def exported(shop: Installation) -> bytes:
    """A bundle without a case: what an export holds of the log and its anchors."""
    identity = load_identity(shop.data)
    files = LogFiles(shop.data / "log")
    note, data = files.checkpoint(), files.leaves()
    head = checkpoint.verify(note, origin=identity.origin, public_key=identity.log_public)
    leaves = [data[i : i + 32] for i in range(0, 32 * head.size, 32)]
    anchors = for_bundle(Settings(data=shop.data), head, leaves)
    notes = succession_notes(Settings(data=shop.data))
    key = identity.log_key
    return bundle.build(
        case="c",
        created="2026-11-24T10:00:00Z",
        entries=[],
        documents={},
        head=note,
        origin=identity.origin,
        key=key,
        anchors=anchors,
        notes=notes,
    )


def stranger(shop: Installation, data: bytes, *more: str) -> dict[str, Any]:
    path = shop.data.parent / "bundle.zip"
    path.write_bytes(data)
    return shop.json("evidence", "verify", str(path), *more)


def test_a_stamped_checkpoint_proves_how_old_the_entries_are(shop: Installation, tsa: Authority, tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    done = shop.json("evidence", "anchor", "--tsa", tsa.url, "--tsa-root", str(tsa.root))
    assert done["anchors"][0]["size"] == 5 and "CN=Test authority" in done["anchors"][0]["by"]
    grow(shop, tmp_path, 3)
    found = stranger(shop, exported(shop), "--tsa-root", str(tsa.root))
    [stamp] = found["anchors"]
    assert found["ok"] and stamp["size"] == 5 and stamp["trusted"]
    assert before.timestamp() * 1000 <= stamp["time_ms"] <= time.time() * 1000 + 1000
    [own_word] = stranger(shop, exported(shop))["anchors"]
    assert own_word["trusted"] is False, "the root inside the bundle is only what the bundle says"


def test_another_authority_a_changed_stamp_and_another_checkpoint_are_found_out(
    shop: Installation, tsa: Authority, tmp_path: Path
) -> None:
    shop.json("evidence", "anchor", "--tsa", tsa.url, "--tsa-root", str(tsa.root))
    data = exported(shop)
    with authority(tmp_path / "other") as other:
        found = stranger(shop, data, "--tsa-root", str(other.root))
    assert not found["ok"] and "time stamp does not verify" in str(found["errors"])
    identity = load_identity(shop.data)
    files = {p.name: p.read_bytes() for p in (shop.data / "anchors").iterdir()} | {"5.proof": b""}
    trust = anchor.Trust(roots=tuple(timestamp.roots(tsa.root.read_bytes())))
    head = checkpoint.verify(files["5.checkpoint"], origin=identity.origin, public_key=identity.log_public)

    def check(changed: dict[str, bytes]) -> list[anchor.Anchored]:
        given = {"origin": identity.origin, "public_keys": [identity.log_public]}
        return anchor.verify(files | changed, 5, head, trust=trust, given=anchor.NOBODY, **given)  # type: ignore[arg-type]

    assert len(check({})) == 1
    token = files["5.tsr"]
    flips = [token[:i] + bytes([token[i] ^ 1]) + token[i + 1 :] for i in range(0, len(token), 23)]
    for flipped in [*flips, b"", token[:-1], b"\x30\x80" * 1000]:
        try:
            found_in = check({"5.tsr": flipped})
        except VerificationError:
            continue
        assert found_in[0].time_ms == check({})[0].time_ms, "a bit that nothing signs may differ, the time may not"
    other_head = checkpoint.sign(checkpoint.Checkpoint(origin=identity.origin, size=5, root=b"x" * 32), identity.log_key)
    with pytest.raises(VerificationError):
        check({"5.checkpoint": other_head})


def test_a_stamp_outlives_the_authoritys_certificate(shop: Installation, tmp_path: Path) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=8)).strftime("%Y%m%d%H%M%SZ")
    with authority(tmp_path / "short", until=until) as tsa:
        shop.json("evidence", "anchor", "--tsa", tsa.url, "--tsa-root", str(tsa.root))
        time.sleep(9)
        assert stranger(shop, exported(shop), "--tsa-root", str(tsa.root))["ok"]


def test_a_witness_cosigns_a_log_that_only_grew_and_refuses_one_that_was_rewritten(shop: Installation, tmp_path: Path) -> None:
    identity = load_identity(shop.data)
    with witnessing(identity.origin, identity.log_public) as seen:
        options = ("--witness", seen.url, seen.verifier_key)
        assert shop.json("evidence", "anchor", *options)["anchors"][0]["by"] == "witness witness.example/w1"
        grow(shop, tmp_path, 4)
        assert shop.json("evidence", "anchor")["anchors"][0]["size"] == 9, "the plan is kept, the growth is proven"
        found = stranger(shop, exported(shop), "--witness-key", seen.verifier_key)
        assert [a["size"] for a in found["anchors"]] == [5, 9] and all(a["trusted"] for a in found["anchors"])
        seen.root = b"x" * 32
        grow(shop, tmp_path, 1)
        refused = shop.run("evidence", "anchor")
        assert refused.returncode == 2 and "may have seen another log" in refused.stderr
        other = Witness(seen.log_name, seen.log_key).verifier_key
        assert not stranger(shop, exported(shop), "--witness-key", other)["anchors"]


def test_nothing_is_asked_outside_unless_somebody_was_named(shop: Installation) -> None:
    refused = shop.run("evidence", "anchor")
    assert refused.returncode == 2 and "name a time stamping authority" in refused.stderr
    assert not (shop.data / "anchors").exists()
    unreachable = shop.run("evidence", "anchor", "--tsa", "http://127.0.0.1:9/", "--tsa-root", "/dev/null")
    assert unreachable.returncode == 2 and unreachable.stderr.count("\n") == 1
    assert not (shop.data / "anchoring.json").exists(), "what did not work once is not planned"


def test_a_bundle_without_anchors_is_of_version_1_and_one_of_an_earlier_release_verifies(shop: Installation) -> None:
    data = exported(shop)
    assert b'"checkvalve-bundle/1"' in data and stranger(shop, data)["ok"]
    old: Verified = bundle.verify((GOLDEN / "bundle-1.zip").read_bytes())
    assert old.ok and old.anchors == ()


def test_a_kept_bundle_with_anchors_verifies_and_no_byte_of_them_may_change() -> None:
    kept = (GOLDEN / "bundle-2.zip").read_bytes()
    found = bundle.verify(kept)
    stamp, cosignature = found.anchors
    assert found.ok and (stamp.size, stamp.time_ms) == (4, 1_795_573_821_000) and cosignature.time_ms == 1_795_510_900_000
    start = kept.index(b"anchors/4.checkpoint")
    for at in range(start, kept.index(b"checkpoint", start + 20), 29):
        assert not bundle.verify(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :]).ok


def test_tiles_lead_to_the_root_of_the_checkpoint(shop: Installation, tmp_path: Path) -> None:
    out = tmp_path / "tiles"
    assert shop.json("evidence", "tiles", str(out))["tiles"] == 1
    content = (out / "tile/0/000.p/5").read_bytes()
    leaves = [content[i : i + 32] for i in range(0, len(content), 32)]
    identity = load_identity(shop.data)
    head = checkpoint.verify((out / "checkpoint").read_bytes(), origin=identity.origin, public_key=identity.log_public)
    assert len(leaves) == head.size == 5 and consistency_proof(3, leaves)
    assert LogFiles(shop.data / "log").leaves() == content
