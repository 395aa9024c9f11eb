"""What runs beside what files say: containers as a real engine described them, listening sockets; and Apache's configuration.

`observed/inspect.json` is what podman 4.3 printed of three containers made for it, shortened to the keys that are read.
"""

import json
import random
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.engine.deployment import read, read_observed
from checkvalve.engine.observing import observe
from checkvalve.posture import apache, inspect
from checkvalve.posture.scan import scan
from checkvalve.posture.types import Check, Deployment, Service

HERE = Path(__file__).parent
OBSERVED = HERE / "observed"
APACHE = HERE / "bad-apache"


def weak(checks: list[Check]) -> dict[str, set[tuple[str, str]]]:
    return {c.id: {(w.where.partition(": ")[2] or w.where, w.label) for w in c.weaknesses} for c in checks if c.weaknesses}


def test_running_containers_give_exactly_their_weaknesses_labelled_as_observed() -> None:
    found = weak(scan(read(str(OBSERVED)), read_observed(str(OBSERVED))))
    every = {(name, "observed") for name in ("ollama", "good", "wp")}
    bad = every - {("good", "observed")}
    ollama = {("ollama", "observed")}
    assert found == {
        **dict.fromkeys(("SHARE-02", "NET-01", "NET-02", "HOST-01"), ollama),
        "HOST-04": {("wp", "observed")},
        **dict.fromkeys(("HOST-06", "HOST-07", "HOST-08", "HOST-09"), bad),
        "SUPPLY-01": every,
        "LOG-01": ollama,
    }


def test_no_secret_of_a_running_container_is_repeated() -> None:
    assert "example-password" in (OBSERVED / "inspect.json").read_text()
    assert "example-password" not in str([c.as_json() for c in scan(Deployment(), read_observed(str(OBSERVED)))])


def test_a_file_that_differs_from_what_runs_is_seen(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services: {ollama: {image: 'ollama/ollama@sha256:00', ports: ['127.0.0.1:11434:11434']}}\n"
    )
    shutil.copy(OBSERVED / "inspect.json", tmp_path / "podman-inspect.json")
    (net,) = (c for c in scan(read(str(tmp_path)), read_observed(str(tmp_path))) if c.id == "NET-01")
    assert net.assessed == 4  # two ports of containers, one that shares the host's network, one of the file
    assert [(w.where, w.label) for w in net.weaknesses] == [("podman-inspect.json: ollama", "observed")]


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", '[{"Config": {}}]', "[" * 100_000])
def test_what_no_engine_printed_is_not_assessed(text: str) -> None:
    services, problems = inspect.containers("f", text)
    assert services == []
    assert len(problems) == 1


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("Image", "Env", "Cmd", "User", "PortBindings", "NetworkMode", "CapAdd", "SecurityOpt", "LogConfig", "Networks", "Ports")


@given(st.dictionaries(st.sampled_from(KEYS), values), values, values)
def test_no_description_of_a_container_breaks_the_checks(parts: dict[str, object], mounts: object, network: object) -> None:
    raw = {"Name": "a", "Config": parts, "HostConfig": parts, "Mounts": mounts, "NetworkSettings": network}
    services, _ = inspect.containers("f", json.dumps([raw]))
    assert len(services) == 1
    scan(Deployment(), Deployment(services=tuple(services)))


SOCKETS = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
   3: nonsense
"""
SOCKETS6 = """  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4714 1 0
   1: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4715 1 0
"""


def test_listening_sockets_are_read_as_the_kernel_writes_them() -> None:
    assert [(s.ip, s.port, s.inode) for s in inspect.listeners(SOCKETS)] == [
        ("0.0.0.0", 11434, "4711"),
        ("127.0.0.1", 8080, "4712"),
    ]
    assert [(s.ip, s.port) for s in inspect.listeners(SOCKETS6)] == [("::1", 8080), ("127.0.0.1", 8081)]


def test_a_model_that_listens_for_everybody_is_found_though_no_file_says_so() -> None:
    heard = inspect.listeners(SOCKETS)
    services = tuple(inspect.listening(s, "ollama", "/usr/bin/ollama serve") for s in heard)
    (net,) = (c for c in scan(Deployment(), Deployment(services=services)) if c.id == "NET-01")
    assert [(w.where, w.label) for w in net.weaknesses] == [("listening sockets: ollama:11434", "observed")]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are read from /proc")
def test_this_very_program_is_seen_listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        seen: list[Service] = [s for s in observe().services if s.ports and s.ports[0].host == port]
    assert len(seen) == 1
    assert seen[0].ports[0].loopback
    assert seen[0].command
    assert Path(seen[0].command.split()[0]).name.startswith(("python", "pytest"))


def test_apache_says_the_same_as_nginx(tmp_path: Path) -> None:
    shutil.copytree(APACHE, tmp_path / "conf")
    (tmp_path / "wp-content/uploads/rag").mkdir(parents=True)
    (tmp_path / "wp-content/uploads/rag/chats.jsonl").touch()
    (tmp_path / "wp-content/uploads/old.jsonl").touch()
    checks = scan(read(str(tmp_path)))
    found = {c.id: {w.where for w in c.weaknesses} for c in checks if c.weaknesses}
    assert found == {
        "NET-05": {"conf/shop.conf:5"},
        "LOG-01": {"conf/shop.conf:5", "conf/shop.conf:15"},
        "DATA-01": {"conf/shop.conf:8", "wp-content/uploads/old.jsonl"},
        "CACHE-01": {"conf/shop.conf:15"},
    }
    data = next(c for c in checks if c.id == "DATA-01")
    assert {w.fix for w in data.weaknesses if "Location" in w.fix or "Options" in w.fix} == {w.fix for w in data.weaknesses}


@pytest.mark.parametrize("text", ["<Location />", "</Location>", "<Location />\n</Directory>", "<Directory /a>\n" * 40])
def test_sections_that_do_not_fit_are_not_assessed(text: str) -> None:
    locations, hosts, problems = apache.read("f", text)
    assert (locations, hosts, len(problems)) == ([], 0, 1)


def test_mutated_apache_files_are_read_or_named() -> None:
    whole, chance = (APACHE / "shop.conf").read_text(), random.Random("apache")
    for _ in range(350):
        text = list(whole)
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(text))
            text[place : place + chance.randint(0, 3)] = chance.choice(
                ["", "<", ">", '"', "\\", "\n", "/", "\x00", "é", "ProxyPass "]
            )
        locations, _, problems = apache.read("f", "".join(text))
        assert problems or all(loc.server == "apache" for loc in locations)
