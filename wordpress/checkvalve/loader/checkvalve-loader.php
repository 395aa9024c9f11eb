<?php
/**
 * Plugin Name: Checkvalve loader
 * Description: Loads Checkvalve's containment before all other plugins. Written by Checkvalve, removed when it is deactivated.
 * Version: 0.1.0
 */

defined( 'ABSPATH' ) || exit;

// A plugin folder that was deleted by hand must not take the shop with it.
if ( is_file( WP_PLUGIN_DIR . '/{FOLDER}/early.php' ) ) {
	require_once WP_PLUGIN_DIR . '/{FOLDER}/early.php';
}
