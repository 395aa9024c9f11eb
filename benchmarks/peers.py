"""Gateways and guards that others make, as the benchmark of the gateway runs them: each from its package, in an environment of
its own that is no part of the project, in front of the same model server, with what it would write or fetch switched off.

`python -m benchmarks.gateway --peers DIR` installs them under DIR once.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MODEL: Final = "gpt-4o"  # some take only names they know
KEY: Final = "benchmark"  # sent by every caller, as some ask for one


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """`command`, `env` and `files` may hold {port}, {upstream} (a URL) and {dir}."""

    name: str
    package: str
    inspects: str  # what it looks for in answers, as it runs here
    command: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def install(self, directory: Path) -> None:
        """Into an environment under `directory`, unless it is there. Raises CalledProcessError."""
        home = directory / self.name
        if (home / "bin" / self.command[0]).exists():
            return
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python"), self.package], check=True)

    def start(self, directory: Path, upstream: int, port: int) -> tuple[list[str], dict[str, str]]:
        """The command and its environment; writes its configuration."""
        home = directory / self.name
        places = {"port": str(port), "upstream": f"http://127.0.0.1:{upstream}", "dir": str(home / "config")}
        for name, text in self.files.items():
            path = home / "config" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_filled(text, places))
        program, *arguments = self.command
        env = {k: _filled(v, places) for k, v in self.env.items()}
        return [str(home / "bin" / program), *(_filled(a, places) for a in arguments)], {**os.environ, **env}


def _filled(text: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text


PEERS: Final = (
    Peer(
        name="ferrogw",
        package="ferrogw",
        inspects="nothing",
        command=("ferrogw", "serve"),
        env={
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": "{upstream}",
            "GATEWAY_CONFIG": "{dir}/config.yaml",
            "PORT": "{port}",
            "MASTER_KEY": "fgw_" + "0" * 32,
            "ALLOW_UNAUTHENTICATED_PROXY": "true",
            "LOG_LEVEL": "error",
            "RATE_LIMIT_RPS": "1000000",
            "RATE_LIMIT_BURST": "1000000",
        },
        files={"config.yaml": "strategy:\n  mode: fallback\ntargets:\n  - virtual_key: openai\n"},
    ),
    Peer(
        name="litellm",
        package="litellm[proxy]",
        inspects="nothing",
        command=("litellm", "--config", "{dir}/config.yaml", "--host", "127.0.0.1", "--port", "{port}", "--telemetry", "False"),
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"},
        files={
            "config.yaml": f"model_list:\n  - model_name: {MODEL}\n    litellm_params:\n"
            f'      {{model: openai/{MODEL}, api_base: "{{upstream}}/v1", api_key: {KEY}}}\n'
        },
    ),
    Peer(
        name="llm-shield-proxy",
        package="llm-shield-proxy",
        inspects="patterns",
        command=("llm-shield-proxy", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "error"),
        env={"UPSTREAM_BASE_URL": "{upstream}", "UPSTREAM_API_KEY": KEY, "VALID_VIRTUAL_KEYS": KEY},
    ),
    Peer(
        name="nemoguardrails",
        package="nemoguardrails[server]",
        inspects="one pattern, in blocks",
        command=(
            *("nemoguardrails", "server", "--config", "{dir}", "--port", "{port}", "--disable-chat-ui"),
            *("--default-config-id", "base"),
        ),
        env={"OPENAI_API_KEY": KEY},
        files={
            "base/config.yml": f"models:\n  - {{type: main, engine: openai, model: {MODEL},\n"
            f'     parameters: {{base_url: "{{upstream}}/v1", api_key: {KEY}}}}}\n'
            "rails:\n  config:\n    regex_detection:\n      output: {patterns: ['[0-9]{13,19}']}\n"
            "  output:\n    flows: [regex check output]\n    streaming: {enabled: true}\n"
        },
    ),
)
