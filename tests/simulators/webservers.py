"""A real nginx and a real Apache before a shop, each with files of its own in one directory and no other rights."""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tests.simulators.processes import free_port

PACKAGES: Final = ("nginx-light", "apache2-bin")  # without Apache as a service
SBIN: Final = f"{os.environ.get('PATH', '')}:/usr/sbin"
MODULES: Final = Path("/usr/lib/apache2/modules")

NGINX: Final = """
pid {dir}/server.pid;
error_log {dir}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{
    listen 127.0.0.1:{port};
    include {dir}/checkvalve.d/*.conf;
    location / {{
      proxy_pass {shop};
      proxy_set_header Host {host};
    }}
    location ~* [.]php$ {{
      proxy_pass {shop};
      proxy_set_header Host {host};
    }}
  }}
}}
"""
APACHE: Final = """
ServerRoot {dir}
PidFile {dir}/server.pid
ErrorLog {dir}/error.log
ServerName 127.0.0.1
{modules}
Listen 127.0.0.1:{port}
StartServers 1
<VirtualHost 127.0.0.1:{port}>
  IncludeOptional {dir}/checkvalve.d/*.conf
  ProxyPreserveHost Off
  ProxyPass / {shop}/
</VirtualHost>
"""


@dataclass(slots=True)
class WebServer:
    """One server. `test` and `reload` are what an administrator would type. "prepend": PHP's own, with a file before it."""

    kind: Literal["nginx", "apache", "prepend"]
    dir: Path
    shop: str
    port: int = field(default_factory=free_port)
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def include(self) -> Path:
        return self.dir / "checkvalve.d"

    @property
    def config(self) -> Path:
        return self.dir / ("prepend.php" if self.kind == "prepend" else "server.conf")

    @property
    def test(self) -> tuple[str, ...]:
        if self.kind == "prepend":
            return ()
        return ("nginx", "-t", "-c", str(self.config)) if self.kind == "nginx" else ("apache2", "-t", "-f", str(self.config))

    @property
    def reload(self) -> tuple[str, ...]:
        if self.kind == "prepend":
            return ()
        if self.kind == "nginx":
            return ("nginx", "-s", "reload", "-c", str(self.config))
        return ("apache2", "-k", "graceful", "-f", str(self.config))

    def start(self) -> "WebServer":
        self.include.mkdir(parents=True)
        if self.kind == "prepend":
            return self
        host = self.shop.partition("//")[2]
        modules = ("mpm_event", "authz_core", "rewrite", "proxy", "proxy_http")
        loaded = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in modules)
        text = NGINX if self.kind == "nginx" else APACHE
        self.config.write_text(text.format(dir=self.dir, port=self.port, shop=self.shop, host=host, modules=loaded))
        command = ["nginx", "-g", "daemon off;", "-c", str(self.config)]
        if self.kind == "apache":
            command = ["apache2", "-D", "FOREGROUND", "-f", str(self.config)]
        with (self.dir / "out.log").open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        end = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < end, (self.dir / "out.log").read_text()
            assert self._process.poll() is None, (self.dir / "out.log").read_text()
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(20)


def missing() -> str | None:
    return next((f"{name} is not installed" for name in ("nginx", "apache2") if shutil.which(name, path=SBIN) is None), None)
