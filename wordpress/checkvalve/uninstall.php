<?php
/**
 * WordPress runs this when the plugin is deleted.
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

require_once __DIR__ . '/bootstrap.php';

\Checkvalve\Installer::uninstall();
