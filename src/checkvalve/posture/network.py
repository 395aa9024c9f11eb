"""Who reaches the model (NET-01 to 05): published ports, open listeners, proxies without a lock."""

import re
from typing import Final

from checkvalve.posture.roles import is_ollama, is_vllm, role
from checkvalve.posture.rule import Found, Rule
from checkvalve.posture.sharing import of
from checkvalve.posture.types import Deployment, Location, Service, Weakness

SENSITIVE: Final = frozenset(("11434", "8000", "8080", "6333", "6334", "19530", "3306", "5432", "6379", "9200"))
LLM_PATH: Final = re.compile(r"/(v1|ollama|llm|completion|infill)(/|$)|/api/(chat|generate|embed|tags)")
OPEN: Final = re.compile(r"^(0\.0\.0\.0|\[?::\]?|\*)?(:\d+)?$")
LOCKS: Final = ("auth_basic", "auth_request", "auth_jwt", "ssl_verify_client", "deny")


def published(deployment: Deployment) -> Found:
    assessed, found = 0, []
    for service in deployment.services:
        kind = role(service)
        if kind == "wordpress":
            continue
        for port in service.ports:
            assessed += 1
            if not port.loopback and (kind in ("llm", "database", "vector") or port.container in SENSITIVE):
                ip = port.host_ip or "every interface"
                host = port.host or port.container
                found.append(
                    Weakness(
                        where=service.where,
                        what=f"publishes port {port.container} on {ip}",
                        gets="anybody who reaches the host uses the model or reads the store without asking the shop",
                        fix=f'- "{host}:{port.container}"\n+ "127.0.0.1:{host}:{port.container}"',
                        hinders_containment=kind == "llm",
                    )
                )
        if kind == "llm" and service.networks is None:
            assessed += 1
            found += [_listener(service)] if _listens_openly(service) else []
    return assessed, found


def _listens_openly(service: Service) -> bool:
    host = re.search(r"--host[= ](\S+)", service.command)
    if host:
        return bool(OPEN.match(host[1])) or host[1] == "0.0.0.0"  # noqa: S104 - what is looked for
    return is_vllm(service)  # its default is every interface


def _listener(service: Service) -> Weakness:
    return Weakness(
        where=service.where,
        what="listens on every interface of the host",
        gets="anybody who reaches the host uses the model without asking the shop",
        fix="+ --host 127.0.0.1",
        hinders_containment=True,
    )


def ollama_host(deployment: Deployment) -> Found:
    services = [s for s in of(deployment, "llm") if is_ollama(s)]
    alone = deployment.internal_networks
    found = [
        Weakness(
            where=s.where,
            what="OLLAMA_HOST listens on every interface",
            gets="Ollama asks nobody who they are: whoever reaches it uses, pulls and deletes models",
            fix="- OLLAMA_HOST=0.0.0.0\n+ OLLAMA_HOST=127.0.0.1   # in a container: an internal network with the gateway alone",
            hinders_containment=True,
        )
        for s in services
        if (host := s.environment.get("OLLAMA_HOST")) is not None
        and OPEN.match(host.removeprefix("http://"))
        and not (s.networks and s.networks <= alone and not s.ports)
    ]
    return len(services), found


def ollama_origins(deployment: Deployment) -> Found:
    services = [s for s in of(deployment, "llm") if is_ollama(s)]
    found = [
        Weakness(
            where=s.where,
            what="OLLAMA_ORIGINS allows every website",
            gets="a page that a visitor or colleague opens talks to the model through their browser",
            fix="- OLLAMA_ORIGINS=*",
        )
        for s in services
        if "*" in s.environment.get("OLLAMA_ORIGINS", "").replace("://*", "*").split(",")
    ]
    return len(services), found


def vllm_key(deployment: Deployment) -> Found:
    services = [s for s in of(deployment, "llm") if is_vllm(s)]
    found = [
        Weakness(
            where=s.where,
            what="vLLM runs without an API key",
            gets="whoever reaches its port uses the model",
            fix="+ --api-key from a secret (or VLLM_API_KEY_FILE of your start script); give it to the gateway alone",
        )
        for s in services
        if "--api-key" not in s.command and not s.environment.get("VLLM_API_KEY")
    ]
    return len(services), found


def proxied(deployment: Deployment) -> Found:
    models = of(deployment, "llm")
    names = {s.name for s in models}
    ports = {p.container for s in models for p in s.ports} | {"11434"}
    locations = [loc for loc in deployment.locations if loc.proxy and _to_model(loc, names, ports)]
    found = []
    for loc in locations:
        missing = []
        if not loc.has(*LOCKS):
            missing.append("authentication")
        if not loc.has("limit_req"):
            missing.append("limit_req")
        if not loc.has("client_max_body_size"):
            missing.append("client_max_body_size")
        if missing:
            found.append(
                Weakness(
                    where=f"{loc.file}:{loc.line}",
                    what=f"location {loc.path} passes to the model without {', '.join(missing)}",
                    gets="the model is open to the Internet"
                    if "authentication" in missing
                    else "one caller can exhaust the model",
                    fix="proxy to the gateway, with auth_request, limit_req and client_max_body_size",
                    hinders_containment="authentication" in missing,
                )
            )
    return len(locations), found


def _to_model(loc: Location, names: set[str], ports: set[str]) -> bool:
    target = re.sub(r"^\w+://", "", loc.proxy)
    host, _, rest = target.partition("/")
    name, _, port = host.partition(":")
    return name in names or port in ports or bool(LLM_PATH.search(f"{loc.path} /{rest}"))


RULES: Final = (
    Rule(
        id="NET-01",
        title="A port of model or store open to others",
        reference="CIS 5.9, 5.14; OWASP LLM10",
        needs="published port",
        look=published,
    ),
    Rule(id="NET-02", title="OLLAMA_HOST on every interface", reference="OWASP LLM10", needs="Ollama", look=ollama_host),
    Rule(id="NET-03", title="OLLAMA_ORIGINS for every website", reference="OWASP A05", needs="Ollama", look=ollama_origins),
    Rule(id="NET-04", title="vLLM without an API key", reference="OWASP LLM10, A07", needs="vLLM", look=vllm_key),
    Rule(
        id="NET-05",
        title="A proxy to the model without a lock",
        reference="OWASP A01",
        needs="location that passes to a model",
        look=proxied,
    ),
)
