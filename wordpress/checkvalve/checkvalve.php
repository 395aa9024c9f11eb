<?php
/**
 * Plugin Name: Checkvalve
 * Description: Sensor and emergency hand of a Checkvalve installation: reports what happens in the shop in signed events, and carries out signed, expiring containment orders without closing the checkout.
 * Version: 0.1.0
 * Requires at least: 6.1
 * Requires PHP: 7.4
 * License: GPL-2.0-or-later
 * License URI: https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain: checkvalve
 */

defined( 'ABSPATH' ) || exit;

require_once __DIR__ . '/bootstrap.php';

register_activation_hook( __FILE__, array( \Checkvalve\Installer::class, 'activate' ) );
register_deactivation_hook( __FILE__, array( \Checkvalve\Installer::class, 'deactivate' ) );

\Checkvalve\Plugin::instance()->boot();
