"""What the plugin tells programs: abilities for agents, commands for the shell. Neither may do harm unasked."""

from collections.abc import Iterator

import pytest
from tests.integration.plugin.conftest import Shop
from tests.integration.plugin.test_orders import give, jti

from checkvalve.playbooks.executable import ACTIONS

# WordPress before 6.9 has no abilities; these keep what is registered as the real ones do.
ABILITIES = """<?php
if (!function_exists('wp_register_ability') && !is_dir(ABSPATH . WPINC . '/abilities-api')) {
    function wp_register_ability($name, $args) { $GLOBALS['abilities'][$name] = $args; }
    function wp_register_ability_category($name, $args) {}
}
"""
RUN = """
wp_set_current_user($user);
if (function_exists('wp_get_ability')) {
    $answer = wp_get_ability($name)->execute();
    echo json_encode(is_wp_error($answer) ? 'refused' : $answer);
} else {
    do_action('wp_abilities_api_init');
    $ability = $GLOBALS['abilities'][$name];
    echo json_encode($ability['permission_callback']() ? $ability['execute_callback']() : 'refused');
}
"""
# What our commands use of WP-CLI.
SHELL = """<?php
if (PHP_SAPI !== 'cli') { return; }
define('WP_CLI', true);
class WP_CLI {
    static function add_command($name, $command) { $GLOBALS['commands'][$name] = $command; }
    static function line($text) { echo $text, "\\n"; }
    static function success($text) { echo "Success: $text\\n"; }
    static function error($text) { echo "Error: $text\\n"; exit(1); }
    static function confirm($question) { if (empty($GLOBALS['yes'])) { echo $question; exit; } }
}
"""


@pytest.fixture
def shop(fortress: Shop) -> Iterator[Shop]:
    added = fortress.site.root / "wp-content" / "mu-plugins" / "abilities.php"
    added.write_text(ABILITIES)
    yield fortress
    added.unlink()


@pytest.fixture
def shell(fortress: Shop) -> Iterator[Shop]:
    if fortress.site.woocommerce == "real":
        pytest.skip("WooCommerce's own commands need the real WP-CLI")
    added = fortress.site.root / "wp-content" / "mu-plugins" / "shell.php"
    added.write_text(SHELL)
    yield fortress
    added.unlink()


def test_an_agent_of_an_administrator_learns_what_is_contained_and_nobody_else_does(shop: Shop) -> None:
    order = shop.core.order("block_route", {"route": "/manysided"})
    give(shop, order)
    try:
        for user, sees in ((1, True), (0, False)):
            told = shop.site.php_json(f"$user = {user}; $name = 'checkvalve/orders';" + RUN)
            assert told[0]["order"] == jti(order) if sees else told == "refused", told
        hands = shop.site.php_json("$user = 1; $name = 'checkvalve/hands';" + RUN)
        told = {h["action"]: tuple(h["arguments"]) for h in hands}
        assert told.pop("write_letters") == ("batch", "letters", "people")  # no playbook orders it
        assert told == ACTIONS["wordpress"]
    finally:
        give(shop, shop.core.order("release", {"jti": jti(order)}))


def test_the_shell_tells_what_orders_can_do_and_asks_before_it_lifts_them(shell: Shop) -> None:
    order = shell.core.order("block_route", {"route": "/manysided"})
    give(shell, order)
    run = "$GLOBALS['commands']['checkvalve']->"
    said = shell.site.php(run + "hands();")
    assert all(action in said for action in ACTIONS["wordpress"])
    assert jti(order) in shell.site.php(run + "status();")
    assert "may be leaking again" in shell.site.php(run + "lift();")
    assert jti(order) in shell.site.php(run + "status();")
    assert "Success: 1 lifted." in shell.site.php("$GLOBALS['yes'] = 1;" + run + "lift();")
    assert give(shell, order) == [("refused", "an administrator lifted it in the shop")]
