"""A real language model: SmolLM2-135M-Instruct in llama.cpp's own server, out of two PyPI packages, without a hub.

    python -m tests.simulators.model --port 8480

It speaks the OpenAI protocol (`/v1/chat/completions`, streamed and not) and has /health and /metrics.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.simulators import downloads
from tests.simulators.processes import Server, free_port

NAME: Final = "smollm2-135m-instruct"
CONTEXT: Final = 4096  # tokens for each of the requests served at once
PARALLEL: Final = 2
# Two that wait for each other are slower than one as soon as something else wants a core, as shop and checkout here do.
THREADS: Final = 1


class Model:
    """The model as a process of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @classmethod
    def start(cls, port: int = 0, *, log: Path | None = None) -> Self:
        """Start it and wait until it answers; the weights are fetched on first use."""
        downloads.wheel_member(downloads.SMOLLM2)
        port = port or free_port()
        if log is None:
            handle, name = tempfile.mkstemp(prefix="model-", suffix=".log")
            os.close(handle)
            log = Path(name)
        command = [sys.executable, "-m", "tests.simulators.model", "--port", str(port)]
        environment = {**os.environ, "PYTHONPATH": str(downloads.ROOT)}
        server = Server(command, f"http://127.0.0.1:{port}", log=log, env=environment)
        server.wait_for("/health", seconds=90)
        return cls(server)

    @property
    def url(self) -> str:
        """http://127.0.0.1:port; the OpenAI paths are below /v1."""
        return self._server.url

    @property
    def pid(self) -> int:
        return self._server.pid

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def serve(port: int, weights: Path, alias: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {alias}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = CONTEXT * PARALLEL
    params.n_parallel = PARALLEL
    params.endpoint_metrics = True
    params.cpuparams.n_threads = THREADS
    params.cpuparams_batch.n_threads = THREADS
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    server = xllamacpp.Server(params)
    while not ended.wait(1):
        pass
    del server
    os._exit(0)  # llama.cpp's own threads outlive the interpreter's wish to end


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.model", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--weights", type=Path, help="GGUF (default: SmolLM2)")
    parser.add_argument("--name", default=NAME, help="what it calls itself (default: %(default)s)")
    arguments = parser.parse_args()
    serve(arguments.port, arguments.weights or downloads.wheel_member(downloads.SMOLLM2), arguments.name)


if __name__ == "__main__":
    main()
