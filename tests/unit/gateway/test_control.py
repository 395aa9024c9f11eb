"""Orders and callers: only what core or a paired shop has signed is believed, for as long as it says, and after a restart."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.events import jws
from checkvalve.gateway.control import ARGUMENTS, OPEN, Caller, Control, Hold, Policy, Target, canonical
from checkvalve.playbooks.executable import ACTIONS

NOW = 1_790_000_000
SITE, OTHER = "s-aaaaaaaaaaaa", "s-bbbbbbbbbbbb"
CORE, SHOP, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
REFUSED = Policy(mode="refuse")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def order(jti: str = "ord-1", *, key: Ed25519PrivateKey = CORE, typ: str = "checkvalve-order+jws", **changes: Any) -> str:
    payload = {"jti": jti, "iss": "core", "aud": SITE, "iat": NOW, "exp": NOW + 3600, "hand": "gateway"}
    payload |= {"action": "refuse", "args": {"plugin": "chat"}, **changes}
    return jws.sign(payload, typ=typ, kid="core", key=key)


def config(*orders: str, sites: tuple[str, ...] = (SITE,)) -> dict[str, Any]:
    contexts = {"wp." + SITE: b64(SHOP.public_key().public_bytes_raw())}
    told = {s: {"pseudonym_key": b64(bytes(32)), "contexts": contexts if s == SITE else {}} for s in sites}
    return {"sites": told, "orders": list(orders), "register": {}, "version": "v1"}


def held(*modes: Any, **more: Any) -> Policy:
    return Policy(mode=max(modes, key=("redact", "cut").index), holds=frozenset(Hold(mode=m) for m in modes), **more)


def asked(model: str | None, *, server: str = "default", digests: tuple[str, ...] = ()) -> Target:
    names = frozenset({canonical(model)} if model else ())
    return Target(server=server, models=names, digests=frozenset(digests))


def caller(**context: str) -> Caller:
    return Caller(site=SITE, context={"plugin": "chat", **context}, error=None)


@pytest.fixture
def control(tmp_path: Path) -> Control:
    made = Control(tmp_path, CORE.public_key().public_bytes_raw())
    made.apply_config(config(), NOW)
    return made


def test_an_order_holds_until_it_expires(control: Control) -> None:
    assert control.policy(caller(), asked("smol"), NOW) == OPEN
    assert control.apply_config(config(order()), NOW) == [
        ("ord-1", "done", "matching requests are refused, running answers ended")
    ]
    assert control.policy(caller(), asked("smol"), NOW + 3599) == REFUSED
    assert control.policy(caller(plugin="other"), asked("smol"), NOW) == OPEN
    assert control.policy(caller(), asked("smol"), NOW + 3600) == OPEN


@pytest.mark.parametrize(
    ("token", "jti", "why"),
    [
        (order(key=STRANGER), "unknown", "does not verify"),
        (order(typ="checkvalve-context+jws"), "unknown", "expected an EdDSA token"),
        (order()[:-4] + "AAAA", "unknown", "does not verify"),
        ("rubbish", "unknown", "does not verify"),
        ("x" * 20_000, "unknown", "too long"),
        (order(aud=OTHER), "ord-1", "another site"),
        (order(hand="wordpress"), "ord-1", "hand"),
        (order(action="erase"), "ord-1", "action"),
        (order(action=["refuse"]), "ord-1", "action"),
        (order(args={}), "ord-1", "args"),
        (order(args={"plugin": 7}), "ord-1", "args"),
        (order(args={"plugin": "chat", "hour": "3"}), "ord-1", "args"),
        (order(action="release", args={"plugin": "chat"}), "ord-1", "args"),
        (order(iat=NOW + 301), "ord-1", "iat"),
        (order(exp="never"), "ord-1", "exp"),
    ],
)
def test_an_order_that_is_not_cores_is_refused_once_with_its_reason(control: Control, token: str, jti: str, why: str) -> None:
    ((told, status, detail),) = control.apply_config(config(token), NOW)
    assert (told, status) == (jti, "refused")
    assert why in detail
    assert control.policy(caller(), asked("smol"), NOW) == OPEN
    assert control.apply_config(config(token), NOW) == []


def test_an_order_that_comes_too_late_is_told_as_expired(control: Control) -> None:
    assert control.apply_config(config(order(exp=NOW)), NOW)[0][:2] == ("ord-1", "expired")
    assert control.policy(caller(), asked("smol"), NOW - 1) == OPEN


def test_an_order_shown_again_is_done_once(control: Control) -> None:
    control.apply_config(config(order()), NOW)
    assert control.apply_config(config(order(), order()), NOW + 5) == []


def test_a_released_order_stays_released_when_it_is_replayed(control: Control, tmp_path: Path) -> None:
    control.apply_config(config(order()), NOW)
    release = order("ord-2", action="release", args={"jti": "ord-1"})
    assert control.apply_config(config(release), NOW)[0][:2] == ("ord-2", "done")
    assert control.policy(caller(), asked("smol"), NOW) == OPEN
    assert control.apply_config(config(order()), NOW) == []
    assert control.policy(caller(), asked("smol"), NOW) == OPEN
    again = Control(tmp_path, CORE.public_key().public_bytes_raw())
    again.apply_config(config(order()), NOW)
    assert again.policy(caller(), asked("smol"), NOW) == OPEN


def test_a_release_that_comes_before_its_order_undoes_it(control: Control) -> None:
    release = order("ord-2", action="release", args={"jti": "ord-1"})
    control.apply_config(config(release, order()), NOW)
    assert control.policy(caller(), asked("smol"), NOW) == OPEN


def test_a_restart_keeps_orders_sites_and_registers_without_core(control: Control, tmp_path: Path) -> None:
    control.apply_config(config(order()), NOW)
    control.apply_register(SITE, [{"rev": 4, "ref": "customer:7", "ids": [["email", "ab" * 16]], "gone": False}])
    control.save_registers()
    again = Control(tmp_path, CORE.public_key().public_bytes_raw())
    assert again.policy(caller(), asked("smol"), NOW) == REFUSED
    assert again.policy(caller(), asked("smol"), NOW + 3600) == OPEN
    assert (len(again.registers[SITE]), again.registers[SITE].rev) == (1, 4)


def test_a_restart_believes_no_order_that_was_written_into_the_file(control: Control, tmp_path: Path) -> None:
    control.apply_config(config(order()), NOW)
    file = tmp_path / "control.json"
    file.write_text(file.read_text().replace(order(), order(key=STRANGER)))
    assert Control(tmp_path, CORE.public_key().public_bytes_raw()).policy(caller(), asked("smol"), NOW) == OPEN


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"sites": 3}', b"\xff\x00", b'{"sites": {}, "released": 1}'])
def test_a_broken_file_is_forgotten_and_core_asked_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "control.json").write_bytes(content)
    control = Control(tmp_path, CORE.public_key().public_bytes_raw())
    assert (control.version, control.orders, control.registers) == (None, {}, {})


def test_a_register_of_another_key_or_a_broken_one_is_fetched_anew(control: Control, tmp_path: Path) -> None:
    control.apply_register(SITE, [{"rev": 4, "ref": "customer:7", "ids": [["email", "ab" * 16]], "gone": False}])
    control.save_registers()
    good = (tmp_path / "registers.json").read_bytes()
    for content in (
        good.replace(b64(bytes(32)).encode(), b64(b"k" * 32).encode()),
        good[:-9],
        b"[]",
        b'{"' + SITE.encode() + b'": 1}',
    ):
        (tmp_path / "registers.json").write_bytes(content)
        again = Control(tmp_path, CORE.public_key().public_bytes_raw())
        assert (len(again.registers[SITE]), again.registers[SITE].rev) == (0, 0)


def test_every_argument_of_an_order_must_match(control: Control) -> None:
    control.apply_config(
        config(order(args={"plugin": "chat", "route": "/ask", "session": "5", "model": "smol", "key": "k"})), NOW
    )
    fits = Caller(site=SITE, context={"plugin": "chat", "route": "/ask", "session": "5"}, error=None, key="k")
    assert control.policy(fits, asked("smol"), NOW) == REFUSED
    assert control.policy(fits, asked("large"), NOW) == OPEN
    for name in ("plugin", "route", "session"):
        assert (
            control.policy(
                Caller(site=SITE, context={**(fits.context or {}), name: "?"}, error=None, key="k"), asked("smol"), NOW
            )
            == OPEN
        )
    assert control.policy(Caller(site=SITE, context=fits.context, error=None, key=None), asked("smol"), NOW) == OPEN


def test_what_a_request_does_not_tell_does_not_open_a_model(control: Control) -> None:
    control.apply_config(config(order(args={"model": "smol"}), sites=(SITE, OTHER)), NOW)
    unknown = Caller(site=None, context=None, error="no Checkvalve-Context header")
    assert control.policy(unknown, asked("smol"), NOW) == REFUSED
    assert control.policy(caller(), asked(None), NOW) == REFUSED
    assert control.policy(Caller(site=OTHER, context=None, error=None), asked("smol"), NOW) == OPEN


def test_orders_add_up_to_the_strictest_and_an_exemption_needs_to_be_narrower(control: Control) -> None:
    tokens = [
        order("ord-1", action="redact", args={"plugin": "chat"}),
        order("ord-2", action="strip_tools", args={"model": "smol"}),
        order("ord-3", action="cut", args={"plugin": "chat", "route": "/ask"}),
        order("ord-4", action="log_only", args={"session": "owner"}),
        order("ord-5", action="log_only", args={"plugin": "chat", "session": "admin"}),
    ]
    control.apply_config(config(*tokens), NOW)
    assert control.policy(caller(), asked("smol"), NOW) == held("redact", strip_tools=True)
    assert control.policy(caller(route="/ask"), asked("large"), NOW) == held("redact", "cut")
    assert control.policy(caller(session="owner"), asked("smol"), NOW) == held("redact", strip_tools=True)
    assert control.policy(caller(session="admin"), asked("smol"), NOW) == OPEN
    assert control.policy(caller(session="admin", route="/ask"), asked("smol"), NOW) == held("cut")


def test_running_answers_are_told_of_new_orders(control: Control) -> None:
    seen: list[Policy] = []
    control.changed = lambda: seen.append(control.policy(caller(), asked("smol"), NOW))
    control.apply_config(config(order()), NOW)
    assert seen == [REFUSED]


def test_a_caller_is_whom_a_paired_shop_has_signed_for(control: Control) -> None:
    claims = {"site": SITE, "plugin": "chat", "requester": {"ref": "customer:7"}, "session": "5", "exp": NOW + 120}

    def said(
        key: Ed25519PrivateKey = SHOP, kid: str = "wp." + SITE, typ: str = "checkvalve-context+jws", **changes: Any
    ) -> Caller:
        return control.caller(jws.sign(claims | changes, typ=typ, kid=kid, key=key), NOW)

    assert (said().recipient, said().text("plugin"), said().error) == ("customer:7", "chat", None)
    assert said(requester={"anonymous": True}).recipient == "session:5"
    for wrong in (said(STRANGER), said(kid="wp.nobody"), said(typ="checkvalve-order+jws"), said(exp=NOW), said(site=OTHER)):
        assert (wrong.recipient, wrong.context, wrong.site) == ("anonymous", None, SITE)
        assert wrong.error
    assert control.caller(None, NOW).error == "no Checkvalve-Context header"


def test_an_order_that_was_refused_is_not_in_force_after_a_restart(control: Control, tmp_path: Path) -> None:
    wrong = order(action="route", args={"plugin": "chat", "to": "elsewhere"})
    assert control.apply_config(config(wrong), NOW)[0][1] == "refused"
    assert Control(tmp_path, CORE.public_key().public_bytes_raw()).policy(caller(), asked("smol"), NOW) == OPEN


@pytest.mark.parametrize(
    ("action", "args"),
    [
        ("route", {"plugin": "chat"}),
        ("route", {"to": "safe"}),
        ("redact", {"subject": "customer:7"}),
        ("cut", {"category": "email"}),
        ("refuse", {"plugin": "chat", "subject": "customer:7"}),
        ("quarantine", {"plugin": "chat"}),
        ("strip_context", {"digest": "ab" * 32}),
    ],
)
def test_an_order_that_does_not_say_whose_requests_or_what_is_refused(
    tmp_path: Path, action: str, args: dict[str, str]
) -> None:
    made = Control(tmp_path, CORE.public_key().public_bytes_raw(), ("safe",))
    assert made.apply_config(config(order(action=action, args=args)), NOW)[0][1] == "refused"
    assert made.policy(caller(), asked("smol"), NOW) == OPEN


def test_the_narrowest_order_says_who_answers(tmp_path: Path) -> None:
    made = Control(tmp_path, CORE.public_key().public_bytes_raw(), ("safe", "safer"))
    wide = order("ord-1", action="route", args={"plugin": "chat", "to": "safe"})
    narrow = order("ord-2", action="route", args={"plugin": "chat", "session": "5", "to": "safer"})
    made.apply_config(config(narrow, wide), NOW)
    assert made.policy(caller(), asked("smol"), NOW).to == "safe"
    assert made.policy(caller(session="5"), asked("smol"), NOW).to == "safer"


def test_the_linter_of_playbooks_knows_what_the_gateway_takes() -> None:
    assert {a: args for a, args in ARGUMENTS.items() if a != "release"} == ACTIONS["gateway"]


def test_a_policy_joined_to_another_is_as_strict_as_both() -> None:
    one, other = held("redact", strip_tools=True, to="safe"), held("cut", uncached=True, to="other")
    assert one.joined(other) == held("redact", "cut", strip_tools=True, uncached=True, to="safe")
    assert one.joined(OPEN) == one
    narrow = Policy(
        mode="cut", holds=frozenset({Hold(mode="cut", subject="customer:7"), Hold(mode="redact", category="email")})
    )
    assert [narrow.over(*what) for what in (("customer:7", "name"), ("customer:8", "email"), ("customer:8", "name"))] == [
        "cut",
        "redact",
        "pass",
    ]
    assert narrow.over(None, "secret") == "pass"
