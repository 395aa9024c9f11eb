"""A manifest says what was signed and nothing else is believed."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.modelstates.states import state, version

from checkvalve.modelstates.errors import ModelStateError
from checkvalve.modelstates.manifest import flaws, sign, verify

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()
STATE = state(3, version("base", "weights", "aa", made_from=()), version("docs", "index", "bb", needs=("base", "x")))


def test_what_was_signed_comes_back() -> None:
    assert verify(sign(STATE, KEY), PUBLIC) == STATE


def test_it_is_an_in_toto_statement_in_a_dsse_envelope_that_others_can_check() -> None:
    outer = json.loads(sign(STATE, KEY))
    payload = base64.b64decode(outer["payload"])
    kind = outer["payloadType"].encode()
    signed = b"DSSEv1 " + str(len(kind)).encode() + b" " + kind + b" " + str(len(payload)).encode() + b" " + payload
    KEY.public_key().verify(base64.b64decode(outer["signatures"][0]["sig"]), signed)
    statement = json.loads(payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0] == {"name": "base/data", "digest": {"sha256": "aa"}}


def test_any_changed_byte_is_refused() -> None:
    good = sign(STATE, KEY)
    payload = json.loads(good)["payload"]
    for at in range(0, len(payload), 37):
        other = "A" if payload[at] != "A" else "B"
        bad = good.replace(payload.encode(), (payload[:at] + other + payload[at + 1 :]).encode())
        with pytest.raises(ModelStateError):
            verify(bad, PUBLIC)


@pytest.mark.parametrize("bad", [b"", b"{}", b"[]", b'{"payloadType": "x", "payload": "", "signatures": []}', b"\xff" * 10])
def test_what_is_no_envelope_is_refused(bad: bytes) -> None:
    with pytest.raises(ModelStateError):
        verify(bad, PUBLIC)


def test_another_key_does_not_count() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    with pytest.raises(ModelStateError) as error:
        verify(sign(STATE, other), PUBLIC)
    assert error.value.code == "not_signed"


def test_missing_changed_and_added_files_are_each_named() -> None:
    base = STATE.versions[0]
    assert flaws(base, {"data": (1, "aa")}) == []
    assert flaws(base, {}) == ["base/data: missing"]
    assert flaws(base, {"data": (1, "ab")}) == ["base/data: sha256 ab, signed aa"]
    assert flaws(base, {"data": (1, "aa"), "run.sh": (1, "cc")}) == ["base/run.sh: not part of the signed state"]
