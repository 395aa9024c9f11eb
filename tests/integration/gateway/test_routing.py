"""Several model servers by model, callers known by their key, TLS to either side; and settings that cannot be used."""

import datetime
import hashlib
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.integration.gateway.local import SITE, local_gateway
from tests.integration.gateway.test_proxy import LEAK, PATH, QUESTION, message, plain
from tests.integration.gateway.upstream import Upstream, ask, payload

from checkvalve.gateway.app import _context
from checkvalve.gateway.settings import ApiKey, GatewayError, ModelServer, Routing, Tls, load_routing


@pytest.fixture
def upstreams() -> Iterator[tuple[Upstream, Upstream]]:
    pair = Upstream(), Upstream()
    for one in pair:
        one.script = plain(message(LEAK))
    yield pair
    for one in pair:
        one.close()


def question(model: str) -> bytes:
    return json.dumps({"model": model, "messages": []}).encode()


def test_each_model_goes_to_its_server_with_that_servers_key(tmp_path: Path, upstreams: tuple[Upstream, Upstream]) -> None:
    default, large = upstreams
    routing = Routing(upstream=(ModelServer(url=f"{large.url}/base", models=("large", "qwen*"), api_key="s3cret"),))
    with local_gateway(tmp_path, default.url, routing=routing) as gateway:
        for model in ("smol", "large", "qwen-7b", "larger"):
            assert payload(ask(gateway.url, PATH, question(model), {"Authorization": "Bearer mine"})[0])[0] == 200
    assert [b'"smol"' in r or b'"larger"' in r for r in default.requests] == [True, True]
    assert all(b"Authorization: Bearer mine" in r for r in default.requests)
    assert [r.split(b" ")[1] for r in large.requests] == [b"/base" + PATH.encode()] * 2
    assert all(b"Bearer s3cret" in r and b"mine" not in r for r in large.requests)


def test_a_caller_is_known_by_its_key(tmp_path: Path, upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    key = ApiKey(name="chat-2026", sha256=hashlib.sha256(b"k-123").hexdigest(), plugin="chat", site=SITE)
    with local_gateway(tmp_path, upstream.url, routing=Routing(key=(key,))) as gateway:
        for authorization in ("Bearer k-123", "Bearer k-124", "Basic k-123"):
            ask(gateway.url, PATH, QUESTION, {"Authorization": authorization})
        callers = [i["caller"] for i in gateway.events("inference", 3)]
        assert callers == [{"plugin": "chat"}, None, None]
        assert set(gateway.events("key")) == {"chat-2026"}
        gateway.order("refuse", key="chat-2026")
        assert payload(ask(gateway.url, PATH, QUESTION, {"Authorization": "Bearer k-123"})[0])[0] == 503
        assert payload(ask(gateway.url, PATH, QUESTION, {"Authorization": "Bearer k-124"})[0])[0] == 200
    assert b"Bearer k-123" not in b"".join(upstream.requests), "our keys are not for the model server"
    assert b"Bearer k-124" in upstream.requests[1]


def test_a_signed_context_is_believed_before_a_key(tmp_path: Path, upstreams: tuple[Upstream, Upstream]) -> None:
    key = ApiKey(name="k", sha256=hashlib.sha256(b"k-123").hexdigest(), plugin="other")
    with local_gateway(tmp_path, upstreams[0].url, routing=Routing(key=(key,))) as gateway:
        ask(gateway.url, PATH, QUESTION, {"Authorization": "Bearer k-123", **gateway.context()})
        assert gateway.events("inference")[0]["caller"]["plugin"] == "chat"


def certificate(directory: Path) -> Tls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    tls = Tls(certificate=directory / "certificate.pem", private_key=directory / "key.pem")
    tls.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    tls.private_key.write_bytes(private)
    return tls


def test_tls_to_either_side(tmp_path: Path, upstreams: tuple[Upstream, Upstream]) -> None:
    """The model server speaks TLS: a second gateway in front of it. An unknown certificate is not spoken to."""
    tls = certificate(tmp_path)
    with local_gateway(tmp_path / "inner", upstreams[0].url, tls=_context(tls)) as inner:
        trusted = ModelServer(url=f"https://127.0.0.1:{inner.port}", models=("smol",), ca_file=tls.certificate)
        address = f"https://127.0.0.1:{inner.port}"
        with local_gateway(tmp_path / "outer", address, routing=Routing(upstream=(trusted,)), tls=_context(tls)) as outer:
            context = ssl.create_default_context(cafile=tls.certificate)
            answers = []
            for body in (QUESTION, question("not-trusted")):
                with (
                    socket.create_connection(("127.0.0.1", outer.port), timeout=20) as plain_socket,
                    context.wrap_socket(plain_socket, server_hostname="127.0.0.1") as connection,
                ):
                    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
                    connection.sendall(head.encode() + body)
                    data = b""
                    while part := connection.recv(65536):
                        data += part
                    answers.append(payload(data))
    assert answers[0] == (200, message(LEAK), True)
    assert answers[1][0] == 502


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("upstream = 3", "cannot be used"),
        ("[[upstream]]\nurl = 'http://a.example'", "models"),
        ("[[upstream]]\nurl = 'ftp://a.example'\nmodels = ['x']", "no address of a model server"),
        ("[[upstream]]\nurl = 'http://a.example:99999'\nmodels = ['x']", "no address of a model server"),
        ("[[key]]\nname = 'a'\nsha256 = 'k-123'", "64 hex digits"),
        ("not toml", "cannot be used"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_one_reason(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "settings.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    with pytest.raises(GatewayError, match=what):
        load_routing(tmp_path)


def test_settings_are_read_from_their_file(tmp_path: Path) -> None:
    assert load_routing(tmp_path) == Routing()
    file = tmp_path / "settings.toml"
    file.touch(mode=0o600)
    digest = "ab" * 32
    file.write_text(
        f"[[upstream]]\nurl = 'https://gpu.example:8443/v2'\nmodels = ['large']\nca_file = '/etc/ca.pem'\n"
        f"[[key]]\nname = 'chat'\nsha256 = '{digest}'\nplugin = 'chat'\n[tls]\ncertificate = 'c.pem'\nprivate_key = 'k.pem'\n"
    )
    assert load_routing(tmp_path) == Routing(
        upstream=(ModelServer(url="https://gpu.example:8443/v2", models=("large",), ca_file=Path("/etc/ca.pem")),),
        key=(ApiKey(name="chat", sha256=digest, plugin="chat"),),
        tls=Tls(certificate=Path("c.pem"), private_key=Path("k.pem")),
    )
    file.chmod(0o644)
    with pytest.raises(GatewayError, match="read by other users"):
        load_routing(tmp_path)
