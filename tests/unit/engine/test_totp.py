"""One-time codes: the vectors of RFC 6238, and what is taken of them."""

import pytest

from checkvalve.engine import totp

SECRET = totp.encoded(b"12345678901234567890")  # RFC 6238, appendix B

# seconds since the epoch -> the code of eight digits (appendix B, SHA-1)
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
NOW = 1_790_000_000_000


@pytest.mark.parametrize(("seconds", "expected"), VECTORS.items())
def test_the_vectors_of_the_standard(seconds: int, expected: str) -> None:
    assert totp.code(SECRET, seconds // 30, digits=8) == expected
    assert totp.code(SECRET, seconds // 30) == expected[2:]


@pytest.mark.parametrize(("off", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_taken_one_step_around_now(off: int, taken: bool) -> None:
    step = NOW // totp.STEP_MS + off
    assert totp.step_of(SECRET, totp.code(SECRET, step), NOW, None) == (step if taken else None)


def test_a_code_is_taken_once() -> None:
    step = NOW // totp.STEP_MS
    typed = totp.code(SECRET, step)
    assert totp.step_of(SECRET, f" {typed[:3]} {typed[3:]}", NOW, step - 1) == step
    assert totp.step_of(SECRET, typed, NOW, step) is None


@pytest.mark.parametrize("typed", ["", "0", "abcdef", "1234567", "\u0661\u0662\u0663\u0664\u0665\u0666", "\udc80"])
def test_nonsense_is_a_wrong_code(typed: str) -> None:
    assert totp.step_of(SECRET, typed, NOW, None) is None


def test_the_name_in_the_picture_is_escaped() -> None:
    assert "secret=ABC&issuer=Checkvalve" in totp.uri("ABC", "a&b c/d") and "a%26b%20c%2Fd" in totp.uri("ABC", "a&b c/d")
