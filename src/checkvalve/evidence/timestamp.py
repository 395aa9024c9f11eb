"""RFC 3161 time stamps of checkpoints: somebody outside says that a tree head existed at a time.

Verified offline from the token, the note and the authority's root certificate, also after its certificates have expired:
their validity is asked for the time in the token.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import VerificationError as TokenError
from rfc3161_client import VerifierBuilder, decode_timestamp_response

from checkvalve.evidence.errors import VerificationError

SHA256_OID = "2.16.840.1.101.3.4.2.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """`time_ms`: UTC ms, exact to `accuracy_ms` as the authority says (None: it does not say)."""

    time_ms: int
    accuracy_ms: int | None
    authority: str
    serial: str


def roots(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise VerificationError("the authority's root is not a PEM certificate") from error


def verify(token: bytes, message: bytes, trusted: list[x509.Certificate]) -> Stamp:
    """What a time stamp response says of `message`. VerificationError unless one of the trusted roots vouches for it."""
    response = _decoded(token)
    builder = VerifierBuilder()
    for root in dict.fromkeys(trusted):
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify(response, hashlib.sha256(message).digest())
    except TokenError as error:
        raise VerificationError(f"the time stamp does not verify: {str(error)[:120]}") from error
    except BaseException as error:
        raise _refused(error) from error
    info = response.tst_info
    if info.message_imprint.hash_algorithm.dotted_string != SHA256_OID:
        raise VerificationError("the time stamp is not over SHA-256")
    return Stamp(
        time_ms=int(info.gen_time.timestamp() * 1000),
        accuracy_ms=_accuracy(info.accuracy),
        authority=_name(info.name),
        serial=f"{info.serial_number:x}",
    )


def _decoded(token: bytes) -> Any:
    """The response, with certificates that can be read: the library panics at others."""
    try:
        response = decode_timestamp_response(token)
        for certificate in response.signed_data.certificates:
            x509.load_der_x509_certificate(certificate).public_bytes(Encoding.DER)
    except BaseException as error:
        raise _refused(error) from error
    return response


def _refused(error: BaseException) -> BaseException:
    """Whatever a damaged token does to its reader, a panic of Rust code included; an interrupt goes on as it is."""
    damaged = isinstance(error, Exception) or type(error).__name__ == "PanicException"
    return VerificationError("the time stamp is damaged, or none") if damaged else error


def _accuracy(accuracy: Any) -> int | None:
    if accuracy is None:
        return None
    return (accuracy.seconds or 0) * 1000 + (accuracy.millis or 0) + (1 if accuracy.micros else 0)


def _name(name: Any) -> str:
    value = getattr(name, "value", None)
    return value.rfc4514_string() if isinstance(value, x509.Name) else "not named"
