"""Configuration as it is really written, and as nobody would write it."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.posture import compose, servers
from checkvalve.posture.types import Mount, Port, Service

BAD = Path(__file__).parent / "bad"


def services(text: str, *more: str, **environment: str) -> dict[str, Service]:
    files = [(f"{n}.yml", t) for n, t in enumerate((text, *more))]
    found, _, problems = compose.read(files, environment)
    assert not problems
    return {s.name: s for s in found}


@pytest.mark.parametrize(
    ("written", "port"),
    [
        ("22:22", Port(host_ip="", host="22", container="22")),  # 1342 to the base of 60
        ('"8080:80/tcp"', Port(host_ip="", host="8080", container="80")),
        ('"127.0.0.1:8080:80"', Port(host_ip="127.0.0.1", host="8080", container="80")),
        ('"127.0.0.1::80"', Port(host_ip="127.0.0.1", host="", container="80")),
        ('"[::1]:8080:80"', Port(host_ip="[::1]", host="8080", container="80")),
        ("11434", Port(host_ip="", host="", container="11434")),
        ("{target: 80, published: 8080, host_ip: 127.0.0.1}", Port(host_ip="127.0.0.1", host="8080", container="80")),
    ],
)
def test_ports_in_every_way_of_writing(written: str, port: Port) -> None:
    assert services(f"services:\n  a:\n    ports:\n      - {written}\n")["a"].ports == (port,)


@pytest.mark.parametrize(
    ("written", "mount"),
    [
        ("data:/data", Mount(bind=False, source="data", target="/data", read_only=False)),
        ("./x:/x:ro", Mount(bind=True, source="./x", target="/x", read_only=True)),
        ("{type: bind, source: /a, target: /b, read_only: true}", Mount(bind=True, source="/a", target="/b", read_only=True)),
        ("/anonymous", Mount(bind=False, source="", target="/anonymous", read_only=False)),
    ],
)
def test_volumes_in_every_way_of_writing(written: str, mount: Mount) -> None:
    assert services(f"services:\n  a:\n    volumes:\n      - {written}\n")["a"].mounts == (mount,)


def test_variables_are_filled_and_what_stood_in_the_file_is_known() -> None:
    text = "services:\n  a:\n    image: x:${TAG:-1}\n    environment: {P_PASSWORD: '${SECRET}', Q_PASSWORD: open, R: $$x}\n"
    found = services(text, SECRET="hidden")["a"]
    assert found.image == "x:1"
    assert found.environment == {"P_PASSWORD": "hidden", "Q_PASSWORD": "open", "R": "$x"}
    assert found.literal == {"Q_PASSWORD"}


def test_a_second_file_overrides_and_extends_and_anchors_are_followed() -> None:
    base = "x-a: &a {read_only: true}\nservices:\n  one: {<<: *a, image: i}\n  two: {extends: one, command: [run, fast]}\n"
    found = services(base, "services:\n  one:\n    privileged: true\n    ports: ['1:1']\n")
    assert found["one"].options["privileged"] is True
    assert found["two"].options["read_only"] is True
    assert found["two"].image == "i"
    assert found["two"].command == "run fast"
    assert len(found["one"].ports) == 1


def test_another_file_is_extended_and_one_that_cannot_be_read_is_said() -> None:
    files = {"common/base.yml": "services:\n  base: {image: i, privileged: true}\n", "broken.yml": "services: ["}
    text = "services:\n" + "".join(
        f"  {name}: {{extends: {{file: {file}, service: base}}, command: go}}\n"
        for name, file in (("a", "common/base.yml"), ("b", "away.yml"), ("c", "broken.yml"))
    )
    found, _, problems = compose.read([("compose.yml", text)], {}, files.get)
    of = {s.name: s for s in found}
    assert (of["a"].image, of["a"].options["privileged"], of["a"].command) == ("i", True, "go")
    assert {p.why for p in problems} == {
        f"service {name} extends {file}, which could not be read" for name, file in (("b", "away.yml"), ("c", "broken.yml"))
    }


def test_files_that_extend_each_other_end() -> None:
    text = "services:\n  a: {extends: {file: self.yml, service: a}, image: i}\n"
    found, _, problems = compose.read([("self.yml", text)], {}, lambda _: text)
    assert (found[0].image, problems) == ("i", [])


def test_services_that_extend_each_other_end() -> None:
    found = services("services:\n  a: {extends: b}\n  b: {extends: a, image: i}\n")
    assert found["a"].image == "i"


def test_networks_default_named_host_and_none() -> None:
    named = "  a: {}\n  b: {networks: [x]}\n  c: {networks: {x: {}}}\n"
    found = services(f"services:\n{named}  d: {{network_mode: host}}\n  e: {{network_mode: none}}\n")
    assert [found[n].networks for n in "abcde"] == [{"default"}, {"x"}, {"x"}, None, frozenset()]


def test_nginx_comments_quotes_and_inheritance() -> None:
    text = (
        'server { limit_req zone=a; # location /no { }\n location ~* "\\.(a|b)$" { proxy_pass http://x; add_header A "}{;"; } }'
    )
    locations, count, problems = servers.nginx("f", text)
    assert (count, problems) == (1, [])
    (found,) = locations
    assert found.path == "~* \\.(a|b)$"
    assert found.proxy == "http://x"
    assert found.has("limit_req")
    assert found.value("add_header") == ("A", "}{;")


def test_a_unit_and_a_configuration_file() -> None:
    unit = servers.systemd(
        "a/llama.service", '[Service]\nEnvironment=A=1 "B=2 3"\nExecStart=-/bin/llama-server \\\n --host 0.0.0.0\n'
    )
    assert unit is not None
    assert unit.environment == {"A": "1", "B": "2 3"}
    assert "--host 0.0.0.0" in unit.command
    text = "<?php /* define('DB_PASSWORD','no'); */ define( \"DB_PASSWORD\", 'it\\'s' ); define('WP_DEBUG', false);"
    assert servers.wp_config("c", text, None).constants == {"DB_PASSWORD": "it\\'s", "WP_DEBUG": "false"}


@given(st.text(max_size=400))
def test_no_text_breaks_a_parser(text: str) -> None:
    compose.read([("f", text)], {})
    servers.nginx("f", text)
    servers.systemd("f", text)
    servers.wp_config("f", text, None)
    servers.env_file(text)


PARSERS: dict[str, Callable[[str], Any]] = {
    "docker-compose.yml": lambda text: compose.read([("f", text)], {}),
    "nginx.conf": lambda text: servers.nginx("f", text),
    "www/wp-config.php": lambda text: servers.wp_config("f", text, None),
}


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_mutated_files_are_read_or_named(name: str) -> None:
    whole = (BAD / name).read_text()
    chance = random.Random(name)
    for _ in range(350):
        text = list(whole)
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(text))
            text[place : place + chance.randint(0, 3)] = chance.choice(
                ["", "{", "}", '"', ":", "\n", "\t", "- ", "\x00", "é", "*a", "&a "]
            )
        found = PARSERS[name]("".join(text))
        assert found is not None


def test_aliases_that_multiply_are_a_problem() -> None:
    laughs = "x: &x0 [a, a, a, a, a, a, a, a, a, a]\n" + "".join(
        f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    _, _, problems = compose.read([("f", laughs + "services:\n  a: {environment: *x8}\n")], {})
    assert [p.why for p in problems] == ["service a: nested or repeated without end"]


def test_deep_or_cyclic_yaml_is_a_problem_not_a_crash() -> None:
    for text in ("[" * 20_000, "a: &a [*a]", "services: &s {a: *s}", "{" * 5000):
        compose.read([("f", text)], {})
