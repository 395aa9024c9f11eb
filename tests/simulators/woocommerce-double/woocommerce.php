<?php
/**
 * Plugin Name: WooCommerce (contract double)
 * Description: Fires the hooks and answers the routes that Checkvalve and its tests use of WooCommerce 11. For tests only; this is not WooCommerce.
 * Version: 11.0.1-double
 * Requires at least: 6.1
 * Requires PHP: 7.4
 * License: GPL-2.0-or-later
 * License URI: https://www.gnu.org/licenses/gpl-2.0.html
 *
 * Names, hooks, arguments and answers are those of WooCommerce 11; tests/integration/shop/ holds this double and the real
 * one to the same tests. Orders, carts, stock and shipping zones really persist.
 */

defined( 'ABSPATH' ) || exit;

define( 'WC_PLUGIN_FILE', __FILE__ );
define( 'WC_ABSPATH', __DIR__ . '/' );
define( 'WC_VERSION', '11.0.1-double' );

foreach ( array( 'functions', 'countries', 'data', 'products', 'order', 'orders', 'trade', 'stock', 'emails', 'payment', 'shipping', 'session', 'cart', 'checkout', 'classic', 'store-schema', 'store-api', 'rest-orders', 'api', 'woocommerce' ) as $checkvalve_part ) {
	require __DIR__ . '/includes/' . $checkvalve_part . '.php';
}

register_activation_hook( __FILE__, array( 'WooCommerce', 'install' ) );
WC();
