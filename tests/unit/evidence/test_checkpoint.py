"""C2SP signed notes and checkpoints: other people's vectors read, ours exact, nothing else accepted."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.evidence import checkpoint
from checkvalve.evidence.checkpoint import Checkpoint
from checkvalve.evidence.errors import VerificationError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ORIGIN = "checkvalve/test"
HEAD = Checkpoint(origin=ORIGIN, size=7, root=bytes(range(32)))

# Published with golang.org/x/mod/sumdb/note, whose format C2SP signed-note is.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()


def test_a_note_signed_by_another_implementation_verifies() -> None:
    name, public = checkpoint.parse_verifier_key(GO_KEY)
    assert name == "PeterNeumann"
    assert checkpoint.open_note(GO_NOTE, name=name, public_key=public).endswith("what your problem is.\n")


def test_the_key_hash_is_that_of_the_specification() -> None:
    assert checkpoint.key_hash(ORIGIN, PUBLIC) == hashlib.sha256(ORIGIN.encode() + b"\n\x01" + PUBLIC).digest()[:4]


def test_a_checkpoint_is_exactly_these_lines() -> None:
    body, signature = checkpoint.sign(HEAD, KEY).decode().split("\n\n")
    assert body == f"{ORIGIN}\n7\n{base64.b64encode(HEAD.root).decode()}"
    dash, name, encoded = signature.rstrip("\n").split(" ")
    assert (dash, name) == ("\u2014", ORIGIN)
    raw = base64.b64decode(encoded)
    assert raw[:4] == checkpoint.key_hash(ORIGIN, PUBLIC)
    KEY.public_key().verify(raw[4:], body.encode() + b"\n")


def test_what_was_signed_is_what_is_read() -> None:
    assert checkpoint.verify(checkpoint.sign(HEAD, KEY), origin=ORIGIN, public_key=PUBLIC) == HEAD
    assert checkpoint.parse_verifier_key(checkpoint.verifier_key(ORIGIN, PUBLIC)) == (ORIGIN, PUBLIC)


@given(st.data())
def test_a_checkpoint_with_one_changed_bit_is_refused(data: st.DataObject) -> None:
    note = bytearray(checkpoint.sign(HEAD, KEY))
    position = data.draw(st.integers(0, len(note) - 1))
    note[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(VerificationError):
        checkpoint.verify(bytes(note), origin=ORIGIN, public_key=PUBLIC)


@given(st.binary(max_size=200))
def test_noise_is_refused_as_a_verification_error(noise: bytes) -> None:
    for note in (noise, checkpoint.sign(HEAD, KEY) + noise + b"x", noise + b"x" + checkpoint.sign(HEAD, KEY)):
        with pytest.raises(VerificationError):
            checkpoint.verify(note, origin=ORIGIN, public_key=PUBLIC)
    with pytest.raises(VerificationError):
        checkpoint.parse_verifier_key(noise.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n{'9' * 5000}\n{'A' * 43}=\n",
        f"{ORIGIN}\n07\n{'A' * 43}=\n",
        f"{ORIGIN}\n-1\n{'A' * 43}=\n",
        f"{ORIGIN}\n\u0667\n{'A' * 43}=\n",
        f"{ORIGIN}\n7\n{'A' * 10}\n",
        f"{ORIGIN}\n7\nnot base64\n",
        f"another/log\n7\n{'A' * 43}=\n",
        f"{ORIGIN}\n",
        "\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    note = checkpoint.sign_note(text, name=ORIGIN, key=KEY)
    with pytest.raises(VerificationError):
        checkpoint.verify(note, origin=ORIGIN, public_key=PUBLIC)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_public_key_of_the_wrong_length_is_refused(size: int) -> None:
    with pytest.raises(VerificationError):
        checkpoint.verify(checkpoint.sign(HEAD, KEY), origin=ORIGIN, public_key=bytes(size))


def test_a_public_key_with_bytes_that_are_no_text_is_refused() -> None:
    encoded = base64.b64encode(b"\x01" + PUBLIC).decode()
    with pytest.raises(VerificationError):
        checkpoint.parse_verifier_key(f"\udcff+00000000+{encoded}")


def test_another_key_of_the_same_name_is_told_apart() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    with pytest.raises(VerificationError, match="another key"):
        checkpoint.verify(checkpoint.sign(HEAD, KEY), origin=ORIGIN, public_key=other)
