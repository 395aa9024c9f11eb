"""Planted, leaked through a real gateway, found again: the case names the store."""

import json

from tests.integration.gateway.conftest import Stack
from tests.integration.gateway.test_proxy import PATH, QUESTION, message, plain
from tests.integration.gateway.upstream import ask, payload


def test_a_planted_canary_that_is_shown_names_its_store(own_stack: Stack) -> None:
    stack = own_stack
    planted = json.loads(stack.core.run("canary", "plant", "document:returns", "--domain", "example.org", "--json").stdout)
    again = json.loads(stack.core.run("canary", "plant", "document:returns", "--domain", "example.org", "--json").stdout)
    assert planted["email"] in planted["put"]
    assert (again["name"], again["email"]) == (planted["name"], planted["email"]), "the same until it is retired"
    stack.wait(lambda: sum(r["people"] for r in stack.health()["registers"]) == 3, "the canary is in the gateway's register")

    leaked = f"For returns write to {planted['email'].upper()}, please."
    stack.upstream.script = plain(message(leaked))
    assert (
        leaked in json.loads(payload(ask(stack.url, PATH, QUESTION, stack.context())[0])[1])["choices"][0]["message"]["content"]
    )
    stack.wait(lambda: stack.rows("SELECT 1 FROM incidents"), "a case")
    (case,) = json.loads(stack.core.run("case", "list", "--json").stdout)["cases"]
    assert case["signs"] == [{"kind": "canary", "what": "document:returns", "entry": case["signs"][0]["entry"]}]
    assert case["subjects"] == 0
    (listed,) = json.loads(stack.core.run("canary", "list", "--json").stdout)["canaries"]
    assert (listed["store"], listed["incident"], listed["retired"]) == ("document:returns", case["id"], False)
    assert listed["seen"]
    assert "document:returns" in stack.core.run("notice", "draft", case["id"], "--regime", "gdpr_art33").stdout

    assert stack.core.run("canary", "retire", "document:returns").returncode == 0
    stack.wait(lambda: sum(r["people"] for r in stack.health()["registers"]) == 2, "the gateway knows it no more")
    refused = stack.core.run("canary", "plant", "document:returns")
    assert (refused.returncode, "document:returns-2" in refused.stderr) == (2, True), (
        "what was seen by others is not planted again"
    )


def test_files_that_hold_a_canary_are_named(own_stack: Stack) -> None:
    stack, directory = own_stack, own_stack.data.parent / "web-root"
    planted = json.loads(stack.core.run("canary", "plant", "dataset:orders", "--json").stdout)
    (directory / "uploads").mkdir(parents=True)
    (directory / "uploads" / "export.csv").write_text(" " * (1024 * 1024 - 20) + f"\n{planted['name']};{planted['email']}\n")
    (directory / "index.html").write_text("Nothing of anybody: anna@example.com, sk_live_ keys, Listum")
    (directory / "link").symlink_to(directory / "uploads" / "export.csv")
    looked = stack.core.run("canary", "look", str(directory), "--json")
    told = json.loads(looked.stdout)
    assert [(f["file"].rpartition("/")[2], f["store"]) for f in told["found"]] == [("export.csv", "dataset:orders")]
    assert (looked.returncode, told["files"], told["partly"]) == (1, 2, 0)
    (directory / "uploads" / "backup.db").write_bytes(b"\0" * 2**20 + planted["email"].encode() + b"\0" * 2**20)
    looked = stack.core.run("canary", "look", str(directory / "uploads" / "backup.db"), "--json")
    assert [f["store"] for f in json.loads(looked.stdout)["found"]] == ["dataset:orders"]
    (directory / "uploads" / "backup.db").unlink()
    (directory / "uploads" / "export.csv").unlink()
    (directory / "link").unlink()
    assert stack.core.run("canary", "look", str(directory)).returncode == 0
