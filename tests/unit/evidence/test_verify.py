"""The verifier against a log that was bent: it always answers, says no, and names the entry and the file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.evidence import checkpoint, entry, verify
from checkvalve.evidence.checkpoint import Checkpoint
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import leaf_hash, root_of
from checkvalve.evidence.verify import MAX_ERRORS, Verified, verify_log

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ORIGIN = "checkvalve/test"
Part = bytes | VerificationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log in memory: the three read functions of a verifier."""

    head: bytes
    hashes: bytes
    parts: tuple[Part, ...]

    def checkpoint(self) -> bytes:
        return self.head

    def leaves(self) -> bytes:
        return self.hashes

    def records(self) -> Iterator[tuple[str, Part]]:
        for number, part in enumerate(self.parts):
            yield f"segments/{number // 5 * 5:016d}.seg", part

    def bent(self, number: int, record: Part) -> "Log":
        return replace(self, parts=(*self.parts[:number], record, *self.parts[number + 1 :]))


def record(number: int) -> bytes:
    return entry.seal(b"%d" % number, kind="event", source="core", seq=None, t=number, key_id="00" * 16, key=bytes(32))


def log_of(count: int, signed: int | None = None) -> Log:
    records = tuple(record(n) for n in range(count))
    leaves = [leaf_hash(r) for r in records]
    covered = leaves[: count if signed is None else signed]
    head = checkpoint.sign(Checkpoint(origin=ORIGIN, size=len(covered), root=root_of(covered)), KEY)
    return Log(head=head, hashes=b"".join(leaves), parts=records)


def check(log: Log) -> Verified:
    return verify_log(log, origin=ORIGIN, public_key=PUBLIC)


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("count", [0, 1, 2, 12])
def test_a_log_as_it_was_written_is_good(count: int) -> None:
    result = check(log_of(count))
    assert (result.ok, result.entries, result.errors, result.uncovered) == (True, count, (), 0)


def test_what_came_after_the_checkpoint_is_counted_and_not_vouched_for() -> None:
    log = log_of(12, signed=9)
    assert (check(log).ok, check(log).uncovered) == (True, 3)
    torn = log.bent(11, VerificationError("no whole record at byte 99"))
    assert (check(torn).ok, check(torn).uncovered) == (True, 2)


@given(st.integers(0, 11), st.integers(0, 10**6))
def test_a_changed_record_is_named_with_its_file(number: int, bit: int) -> None:
    log = log_of(12)
    result = check(log.bent(number, flip(record(number), bit)))
    assert not result.ok
    assert {(e.entry, e.file) for e in result.errors} == {(number, f"segments/{number // 5 * 5:016d}.seg")}


@given(st.integers(0, 12 * 256 - 1))
def test_a_changed_leaf_is_named_and_the_record_is_not_blamed(bit: int) -> None:
    log = log_of(12)
    result = check(replace(log, hashes=flip(log.hashes, bit)))
    assert [(e.entry, e.file) for e in result.errors] == [(bit // 256, "leaves")]


def test_a_record_changed_together_with_its_leaf_does_not_lead_to_the_signed_root() -> None:
    log, other = log_of(12), record(99)
    forged = replace(log.bent(4, other), hashes=log.hashes[:128] + leaf_hash(other) + log.hashes[160:])
    assert [(e.file, e.what) for e in check(forged).errors] == [("checkpoint", "the entries do not lead to the signed root")]


def test_two_records_that_changed_places_are_both_named() -> None:
    result = check(log_of(12).bent(3, record(7)).bent(7, record(3)))
    assert {e.entry for e in result.errors} == {3, 7}


def test_a_log_that_lost_its_end_is_named_by_the_first_missing_entry() -> None:
    log = log_of(12)
    result = check(replace(log, parts=log.parts[:10]))
    assert not result.ok
    assert (10, "log", "the checkpoint covers 12 entries, only 10 are there") in [
        (e.entry, e.file, e.what) for e in result.errors
    ]


def test_a_record_that_cannot_be_cut_out_of_its_file_is_named() -> None:
    result = check(log_of(12).bent(6, VerificationError("no whole record at byte 42")))
    assert (6, "segments/0000000000000005.seg") in [(e.entry, e.file) for e in result.errors]


def test_an_honest_log_under_another_key_is_not_good() -> None:
    result = verify_log(log_of(3), origin=ORIGIN, public_key=Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert [(e.entry, e.file) for e in result.errors] == [(None, "checkpoint")]


def test_a_wholly_rotten_log_gives_a_short_list() -> None:
    log = log_of(300)
    result = check(replace(log, parts=tuple(flip(p, 5) for p in log.parts if isinstance(p, bytes))))
    assert 0 < len(result.errors) <= MAX_ERRORS


@given(st.binary(max_size=60), st.binary(max_size=400), st.lists(st.binary(max_size=60), max_size=5))
def test_noise_in_every_file_is_an_answer_and_never_an_exception(head: bytes, hashes: bytes, parts: list[bytes]) -> None:
    log = log_of(4)
    assert not check(Log(head=head, hashes=hashes, parts=tuple(parts))).ok
    assert not check(replace(log, hashes=hashes)).ok
    assert not check(replace(log, parts=tuple(parts))).ok


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 13, 16, 17])
def test_a_log_hashed_in_blocks_leads_to_the_same_root(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(verify, "BLOCK", 4)
    log = log_of(count)
    assert verify_log(log, origin=ORIGIN, public_key=PUBLIC).ok
