"""What runs, as the container engine and the kernel tell: `docker inspect` and `podman inspect`, and listening sockets.

Both engines give a list of containers of nearly one shape. The environment of a running container is no secret in a file, so
nothing of it counts as literal.
"""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from checkvalve.posture.shapes import listed, table, words
from checkvalve.posture.types import Mount, Port, Problem, Service

LISTEN: Final = "0A"  # state of a socket in /proc/net/tcp
OWN_NETWORK: Final = ("bridge", "default", "pasta", "slirp4netns", "")
MAX_CONTAINERS: Final = 1000


def containers(file: str, text: str) -> tuple[list[Service], list[Problem]]:
    """Services of the answer of `inspect`; those that cannot be read are problems."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return [], [Problem(file=file, why="not JSON")]
    if not isinstance(answer, list) or not all(isinstance(c, dict) for c in answer):
        return [], [Problem(file=file, why="not a list of containers, as `docker inspect` prints it")]
    services, problems = [], []
    for number, raw in enumerate(answer[:MAX_CONTAINERS]):
        if isinstance(raw.get("Config"), dict) and isinstance(raw.get("HostConfig"), dict):
            services.append(_container(file, str(raw.get("Name", number)).lstrip("/"), raw))
        else:
            problems.append(Problem(file=file, why=f"container {number} has no Config or no HostConfig"))
    if len(answer) > MAX_CONTAINERS:
        problems.append(Problem(file=file, why=f"more than {MAX_CONTAINERS} containers: the rest was not looked at"))
    return services, problems


def _container(file: str, name: str, raw: Mapping[str, Any]) -> Service:
    config, host = raw["Config"], raw["HostConfig"]
    mode = str(host.get("NetworkMode") or "")
    networks = frozenset(table(table(raw.get("NetworkSettings")).get("Networks")))
    return Service(
        file=file,
        name=name,
        image=str(config.get("Image") or ""),
        command=" ".join(words(config.get("Entrypoint")) + words(config.get("Cmd"))),
        environment={k: v for k, _, v in (str(e).partition("=") for e in listed(config.get("Env")))},
        ports=tuple(_ports(table(host.get("PortBindings")) or table(table(raw.get("NetworkSettings")).get("Ports")))),
        mounts=tuple(_mount(m) for m in listed(raw.get("Mounts")) if isinstance(m, dict)),
        networks=None if mode == "host" else networks or frozenset({"default"} if mode in OWN_NETWORK else ()),
        options={
            "privileged": host.get("Privileged"),
            "network_mode": mode,
            "pid": host.get("PidMode") or "",
            "ipc": host.get("IpcMode") or "",
            "uts": host.get("UTSMode") or "",
            "userns_mode": host.get("UsernsMode") or "",
            "cap_add": listed(host.get("CapAdd")),
            "security_opt": listed(host.get("SecurityOpt")),
            "read_only": host.get("ReadonlyRootfs"),
            "user": config.get("User") or "",
            "mem_limit": host.get("Memory") or "",
            "logging": {"driver": table(host.get("LogConfig")).get("Type")},
        },
    )


def _ports(bindings: Mapping[str, Any]) -> Iterator[Port]:
    for container, bound in bindings.items():
        for binding in listed(bound):
            if isinstance(binding, dict):
                ip, port = str(binding.get("HostIp") or ""), str(binding.get("HostPort") or "")
                yield Port(host_ip=ip, host=port, container=str(container).partition("/")[0])


def _mount(raw: Mapping[str, Any]) -> Mount:
    bind = raw.get("Type") == "bind"
    source = raw.get("Source") if bind else raw.get("Name") or raw.get("Source")
    return Mount(
        bind=bind, source=str(source or ""), target=str(raw.get("Destination") or ""), read_only=raw.get("RW") is False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A TCP socket that waits for callers. `inode` tells whose it is."""

    ip: str
    port: int
    inode: str


def listeners(table: str) -> list[Listener]:
    """Of /proc/net/tcp or tcp6, as proc(5) has it; lines that are none are left out."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == LISTEN:
            address, _, port = fields[1].partition(":")
            try:
                found.append(Listener(ip=_address(address), port=int(port, 16), inode=fields[9]))
            except ValueError:
                continue
    return found


def _address(hexadecimal: str) -> str:
    """Words of four bytes, each in the byte order of the host: little-endian on what shops run."""
    raw = bytes.fromhex(hexadecimal)
    if len(raw) not in (4, 16):
        raise ValueError("neither IPv4 nor IPv6")
    turned = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = ipaddress.ip_address(turned)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def listening(listener: Listener, name: str, command: str) -> Service:
    """A program that listens, as a service with one open port."""
    port = str(listener.port)
    return Service(
        file="listening sockets",
        name=f"{name}:{port}",
        image="",
        command=command,
        ports=(Port(host_ip=listener.ip, host=port, container=port),),
        container=False,
    )
