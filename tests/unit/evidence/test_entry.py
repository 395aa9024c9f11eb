"""A record: sealed whole, opened only by its own key, and any other bytes refused as a verification error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.evidence import entry
from checkvalve.evidence.errors import VerificationError

KEY = bytes(range(32))


def sealed(clear: bytes) -> bytes:
    return entry.seal(clear, kind="event", source="wp.s-abc", seq=7, t=1_700_000_000_123, key_id="ab" * 16, key=KEY)


@given(st.binary(max_size=500))
def test_the_clear_bytes_come_back_exactly(clear: bytes) -> None:
    parsed = entry.parse(sealed(clear))
    assert entry.unseal(parsed, KEY) == clear
    assert (parsed.header.source, parsed.header.seq, parsed.header.t) == ("wp.s-abc", 7, 1_700_000_000_123)


def test_the_header_reads_as_the_format_says() -> None:
    head, _, body = sealed(b"secret").partition(b"\n")
    assert head == b'{"v":1,"t":1700000000123,"kind":"event","source":"wp.s-abc","seq":7,"key":"' + b"ab" * 16 + b'"}'
    assert b"secret" not in body
    assert len(body) == len(b"secret") + 16


@given(st.data())
def test_a_record_with_one_changed_bit_opens_nothing(data: st.DataObject) -> None:
    record = bytearray(sealed(b"a clear text of the shop"))
    record[data.draw(st.integers(0, len(record) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(VerificationError):
        entry.unseal(entry.parse(bytes(record)), KEY)


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_noise_is_refused_as_a_verification_error(noise: bytes, key: bytes) -> None:
    with pytest.raises(VerificationError):
        entry.parse(noise)
    with pytest.raises(VerificationError):
        entry.unseal(entry.parse(sealed(b"x")), key)


@pytest.mark.parametrize(
    "head",
    [
        b'{"v":1,"t":1,"kind":"event","source":"\xff","seq":1,"key":"a"}',
        b'{"v":2,"t":1,"kind":"event","source":"a","seq":1,"key":"a"}',
        b'{"v":1,"t":1,"kind":"order","source":"a","seq":1,"key":"a"}',
        b'{"v":1,"t":1,"kind":"event","source":"a","seq":1,"key":"a","extra":1}',
        b'{"v":1,"t":' + b"9" * 5000 + b',"kind":"event","source":"a","seq":1,"key":"a"}',
        b"[" * 20_000,
    ],
)
def test_a_header_that_is_not_ours_is_refused(head: bytes) -> None:
    with pytest.raises(VerificationError):
        entry.parse(head + b"\n" + bytes(32))
