"""The documents name every hook, ability, command and order of the plugin, and none that is not there."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from checkvalve.playbooks.executable import ACTIONS

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "wordpress" / "checkvalve"
DOCS = (ROOT / "docs" / "plugin.md").read_text("utf-8")
SOURCES = {str(p): p.read_text("utf-8") for p in PLUGIN.rglob("*.php")}
NO_STEP = {"write_letters"}  # no playbook gives it: a person does, with a reason
HANDS = r"""
define('ABSPATH', 'x');
require 'bootstrap.php';
foreach (Checkvalve\Orders\Registry::HANDS as $action => $class) {
    $all[$action] = array('args' => $class::ARGS, 'effect' => $class::EFFECT, 'undo' => $class::UNDO, 'cost' => $class::COST);
}
echo json_encode($all);
"""


def everywhere(pattern: str) -> set[str]:
    return {found for text in SOURCES.values() for found in re.findall(pattern, text)}


@pytest.mark.parametrize(("kind", "function"), [("action", "do_action"), ("filter", "apply_filters")])
def test_every_hook_of_ours_is_documented_and_none_that_is_not_there(kind: str, function: str) -> None:
    fired = everywhere(rf"{function}\( '(checkvalve_\w+)'")
    documented = set(re.findall(rf"^\| {kind} \| `(checkvalve_\w+)\(", DOCS, re.MULTILINE))
    assert len(fired) > 3
    assert fired == documented


def test_every_ability_and_every_command_is_documented() -> None:
    abilities = everywhere(r"self::one\( '(checkvalve/\w+)'")
    assert abilities == set(
        re.findall(r"`(checkvalve/(?!v1)[a-z]+)`", DOCS.split("Abilities (WordPress")[1].split("WP-CLI:")[0])
    )
    commands = set(re.findall(r"public function ([a-z]\w*)\(", (PLUGIN / "src" / "Cli" / "Command.php").read_text("utf-8")))
    assert commands == set(re.findall(r"`wp checkvalve (\w+)", DOCS.split("WP-CLI:")[1].split("\n\n")[0]))


def test_every_order_is_known_to_the_shop_the_linter_and_the_documents_alike() -> None:
    done = subprocess.run(["php", "-r", HANDS], cwd=PLUGIN, capture_output=True, text=True, check=True)
    hands = json.loads(done.stdout)
    assert {a: tuple(hand["args"]) for a, hand in hands.items() if a not in NO_STEP} == ACTIONS["wordpress"]
    rows = {m[0]: m[1:] for m in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", DOCS, re.MULTILINE)}
    wire = (ROOT / "docs" / "spec" / "wire.md").read_text("utf-8")
    for action, hand in hands.items():
        assert hand["effect"] and hand["undo"] and hand["cost"], action
        said = ", ".join(f"`{name}`" for name in hand["args"]) or "none"
        assert rows[action] == (said, hand["effect"], hand["cost"]), action
        assert f"`{action}`" in wire
