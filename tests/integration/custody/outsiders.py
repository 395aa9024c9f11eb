"""Those outside who vouch for a log: a time stamping authority (openssl's own) and a C2SP witness, on loopback."""

import base64
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.evidence import checkpoint, witness
from checkvalve.evidence.merkle import consistent

CONFIGURATION = """
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[stamping]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ca]
default_ca = issuing
[issuing]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
[authority]
serial = stamps
signer_digest = sha256
default_policy = 1.3.6.1.4.1.32473.1
digests = sha256
accuracy = secs:1
tsa_name = yes
ess_cert_id_alg = sha256
"""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has
        """Nothing: the test looks at answers."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["content-length"]))

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass(slots=True)
class Authority:
    """`openssl ts` behind HTTP (RFC 3161 section 3.4). `root` is its certificate; `expire` ends its stamping certificate."""

    directory: Path
    url: str = ""

    @property
    def root(self) -> Path:
        return self.directory / "root.pem"

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)

    def found(self, *, until: str) -> "Authority":
        """Make the certificates; the stamping one is good until `until` (YYYYMMDDHHMMSSZ)."""
        self.directory.mkdir()
        (self.directory / "tsa.cnf").write_text(CONFIGURATION)
        (self.directory / "index.txt").touch()
        for name in ("serial", "stamps"):
            (self.directory / name).write_text("01\n")
        new_key = ("-newkey", "rsa:2048", "-nodes", "-config", "tsa.cnf")
        subject = ("-subj", "/CN=Test authority root")
        self.openssl("req", "-x509", *new_key, "-keyout", "root.key", "-out", "root.pem", "-extensions", "root", *subject)
        self.openssl("req", *new_key, "-keyout", "stamp.key", "-out", "stamp.csr", "-subj", "/CN=Test authority")
        issue = ("ca", "-batch", "-notext", "-config", "tsa.cnf", "-cert", "root.pem", "-keyfile", "root.key")
        self.openssl(*issue, "-in", "stamp.csr", "-out", "stamp.pem", "-extensions", "stamping", "-enddate", until)
        return self

    def stamp(self, query: bytes) -> bytes:
        (self.directory / "query").write_bytes(query)
        signer = ("-signer", "stamp.pem", "-inkey", "stamp.key")
        self.openssl(
            "ts", "-reply", "-config", "tsa.cnf", "-section", "authority", "-queryfile", "query", *signer, "-out", "reply"
        )
        return (self.directory / "reply").read_bytes()


@contextmanager
def authority(directory: Path, *, until: str = "20991231235959Z") -> Iterator[Authority]:
    made = Authority(directory).found(until=until)

    class Stamping(Handler):
        def do_POST(self) -> None:
            if self.headers["content-type"] != "application/timestamp-query":
                self.answer(415, b"", "text/plain")
                return
            self.answer(200, made.stamp(self.body()), "application/timestamp-reply")

    with serving(Stamping) as url:
        made.url = url
        yield made


@dataclass(slots=True)
class Witness:
    """Remembers the newest checkpoint of one log and cosigns only what extends it (C2SP tlog-witness)."""

    log_name: str
    log_key: bytes
    name: str = "witness.example/w1"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    size: int = 0
    root: bytes = b""
    time_s: int = 1_795_000_000
    url: str = ""

    @property
    def verifier_key(self) -> str:
        return witness.verifier_key(self.name, self.key.public_key().public_bytes_raw())

    def add(self, body: bytes) -> tuple[int, bytes]:
        head, _, note = body.partition(b"\n\n")
        old, *proof = head.decode().split("\n")
        seen = checkpoint.verify(note, origin=self.log_name, public_key=self.log_key)
        if int(old.removeprefix("old ")) != self.size:
            return 409, f"{self.size}\n".encode()
        hashes = [base64.b64decode(line) for line in proof if line]
        if self.size and not consistent(self.size, seen.size, self.root, seen.root, hashes):
            return 422, b""
        self.size, self.root = seen.size, seen.root
        return 200, witness.sign(seen.text(), name=self.name, key=self.key, time_s=self.time_s).encode()


@contextmanager
def witnessing(log_name: str, log_key: bytes) -> Iterator[Witness]:
    made = Witness(log_name, log_key)

    class Cosigning(Handler):
        def do_POST(self) -> None:
            status, body = made.add(self.body()) if self.path == "/add-checkpoint" else (404, b"")
            self.answer(status, body, "text/x.tlog.size" if status == 409 else "text/plain")

    with serving(Cosigning) as url:
        made.url = url
        yield made
