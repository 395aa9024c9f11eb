"""What a container may do to its host (HOST-01 to 09), by the numbers of CIS Docker 1.6."""

import re
from collections.abc import Callable
from typing import Final

from checkvalve.posture.rule import Found, Rule
from checkvalve.posture.shapes import true
from checkvalve.posture.types import Deployment, Service, Weakness

HOST_DIRECTORIES: Final = re.compile(
    r"^(/|/(boot|dev|etc|home|lib|proc|root|run|sys|usr|var|var/lib|var/run|var/lib/docker)/?)$"
)
ROOT_USERS: Final = ("", "0", "root", "0:0", "root:root")


def _each(deployment: Deployment, what: Callable[[Service], str | None], gets: str, fix: str, hinders: bool = False) -> Found:
    services = [s for s in deployment.services if s.container]
    found = [
        Weakness(where=s.where, what=said, gets=gets, fix=fix, hinders_containment=hinders)
        for s in services
        if (said := what(s))
    ]
    return len(services), found


def _list(service: Service, name: str) -> list[str]:
    value = service.options.get(name)
    return [str(v) for v in value] if isinstance(value, list) else []


def privileged(deployment: Deployment) -> Found:
    def said(s: Service) -> str | None:
        return "runs privileged" if true(s.options.get("privileged")) else None

    return _each(deployment, said, "root on the host: no container boundary is left", "- privileged: true", True)


def docker_socket(deployment: Deployment) -> Found:
    def said(s: Service) -> str | None:
        return (
            "mounts the container engine's socket"
            if any("docker.sock" in m.source or "podman.sock" in m.source for m in s.mounts)
            else None
        )

    return _each(
        deployment, said, "starts any container, so root on the host", "- /var/run/docker.sock:/var/run/docker.sock", True
    )


def host_directories(deployment: Deployment) -> Found:
    def said(s: Service) -> str | None:
        named = [m.source for m in s.mounts if m.bind and HOST_DIRECTORIES.match(m.source)]
        return f"mounts {', '.join(named)} of the host" if named else None

    return _each(
        deployment, said, "reads, or changes, the host's own files", "mount only the directory that is needed, read-only", True
    )


def namespaces(deployment: Deployment) -> Found:
    def said(s: Service) -> str | None:
        named = [n for n in ("network_mode", "pid", "ipc", "uts", "userns_mode") if str(s.options.get(n, "")) == "host"]
        return f"shares the host's {', '.join(named)}" if named else None

    return _each(
        deployment, said, "sees the host's processes or network as if it were the host", "- network_mode, pid, ipc: host", True
    )


def capabilities(deployment: Deployment) -> Found:
    def said(s: Service) -> str | None:
        added = _list(s, "cap_add")
        return f"is given {', '.join(added)}" if added else None

    return _each(deployment, said, "more ways to break out", "- cap_add\n+ cap_drop: [ALL]")


def new_privileges(deployment: Deployment) -> Found:
    def said(s: Service) -> str | None:
        good = any(
            o.replace("=", ":").startswith("no-new-privileges") and not o.endswith("false") for o in _list(s, "security_opt")
        )
        return None if good else "may gain privileges by setuid programs"

    return _each(deployment, said, "a foothold becomes root inside the container", "+ security_opt: [no-new-privileges:true]")


def writable(deployment: Deployment) -> Found:
    def said(s: Service) -> str | None:
        return None if true(s.options.get("read_only")) else "has a writable root file system"

    return _each(deployment, said, "malware stays across restarts", "+ read_only: true\n+ tmpfs: [/tmp]")


def root_user(deployment: Deployment) -> Found:
    def said(s: Service) -> str | None:
        return "runs as root, or as whatever its image says" if str(s.options.get("user", "")) in ROOT_USERS else None

    return _each(deployment, said, "root inside the container is half the way out", '+ user: "10001:10001"')


def memory(deployment: Deployment) -> Found:
    def said(s: Service) -> str | None:
        limits = s.options.get("deploy")
        for key in ("resources", "limits", "memory"):
            limits = limits.get(key) if isinstance(limits, dict) else None
        return None if limits or s.options.get("mem_limit") else "has no memory limit"

    return _each(deployment, said, "one long prompt takes the shop down with the model", "+ mem_limit: 4g")


def _rule(number: int, title: str, cis: str, look: Callable[[Deployment], Found]) -> Rule:
    return Rule(id=f"HOST-{number:02}", title=title, reference=f"CIS {cis}", needs="Compose service", look=look)


RULES: Final = (
    _rule(1, "Privileged container", "5.5", privileged),
    _rule(2, "Engine socket in a container", "5.32", docker_socket),
    _rule(3, "Host directories in a container", "5.6", host_directories),
    _rule(4, "Host namespaces", "5.10, 5.16, 5.17", namespaces),
    _rule(5, "Added capabilities", "5.4", capabilities),
    _rule(6, "New privileges allowed", "5.26", new_privileges),
    _rule(7, "Writable root file system", "5.13", writable),
    _rule(8, "Root user", "4.1", root_user),
    _rule(9, "No memory limit", "5.11", memory),
)
