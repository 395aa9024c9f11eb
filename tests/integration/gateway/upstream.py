"""A model server that answers exactly the bytes it is told to, with pauses and cuts. Real sockets, no framework."""

import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

CUT: Final = "cut"  # reset the connection here
Script = Sequence[bytes | float | str | threading.Event]


class Upstream:
    """Serves `script` to every request and keeps the requests' bytes. A float pauses, an event is waited for, CUT resets."""

    def __init__(self) -> None:
        self.script: Script = ()
        self.requests: list[bytes] = []
        self.keeps = False  # the connection, for another request
        self.connections = 0
        self.client_gone = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open = True
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._open = False
        self._socket.close()

    def _serve(self) -> None:
        while self._open:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._answer(connection) and self.keeps:
                continue

    def _answer(self, connection: socket.socket) -> bool:
        """Whether there was a request, and its answer went out."""
        request = _read_request(connection)
        if request:
            self.requests.append(request)
            try:
                for step in self.script:
                    if isinstance(step, float):
                        time.sleep(step)
                    elif isinstance(step, threading.Event):
                        step.wait(20)
                    elif isinstance(step, str):
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                        return False
                    else:
                        connection.sendall(step)
            except OSError:
                self.client_gone.set()
                return False
        return bool(request)


def _read_request(connection: socket.socket) -> bytes:
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        if not _read_more(connection, data):
            return bytes(data)
    lower = bytes(data[:end]).lower()
    if b"content-length:" in lower:
        whole = end + 4 + int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(data) < whole and _read_more(connection, data):
            continue
    elif b"transfer-encoding: chunked" in lower:
        while not data.endswith(b"0\r\n\r\n") and _read_more(connection, data):
            continue
    return bytes(data)


def _read_more(connection: socket.socket, data: bytearray) -> bool:
    part = connection.recv(65536)
    data += part
    return bool(part)


def ask(url: str, path: str, body: bytes, headers: dict[str, str] | None = None, timeout: float = 20) -> tuple[bytes, bool]:
    """POST and return (every byte that came back, whether the end was a reset)."""
    host, _, port = url.removeprefix("http://").partition(":")
    sent = {
        "Host": f"{host}:{port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    sent |= headers or {}
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in sent.items()) + "\r\n"
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(head.encode() + body)
        data = b""
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                return data, True
            if not part:
                return data, False
            data += part


def payload(raw: bytes) -> tuple[int, bytes, bool]:
    """(status, body with transfer coding removed, whether it is whole) of a raw HTTP/1.1 answer."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    lower = head.lower()
    if b"transfer-encoding: chunked" not in lower:
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in lower else len(rest)
        return status, rest, len(rest) == length
    body = b""
    while True:
        size, newline, rest = rest.partition(b"\r\n")
        if not newline:
            return status, body, False
        count = int(size, 16)
        if count == 0:
            return status, body, True
        if len(rest) < count + 2:
            return status, body + rest[:count], False
        body, rest = body + rest[:count], rest[count + 2 :]
