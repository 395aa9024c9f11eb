<?php
/**
 * Configuration of a test site. What differs between sites lies beside the document root: the database and the URL.
 */

define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', '' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', '' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'DB_DIR', dirname( __DIR__ ) . '/database' );
define( 'DB_FILE', 'shop.sqlite' );

$checkvalve_url = @file_get_contents( dirname( __DIR__ ) . '/site-url' );
define( 'WP_HOME', $checkvalve_url ? $checkvalve_url : 'http://127.0.0.1' );
define( 'WP_SITEURL', WP_HOME );

// Keys of this site alone, made when it was built.
foreach ( json_decode( file_get_contents( dirname( __DIR__ ) . '/keys.json' ), true ) as $checkvalve_name => $checkvalve_key ) {
	define( $checkvalve_name, $checkvalve_key );
}

define( 'WP_ENVIRONMENT_TYPE', 'local' ); // application passwords without TLS
define( 'WP_DEBUG', true );
define( 'WP_DEBUG_DISPLAY', false );
define( 'WP_DEBUG_LOG', dirname( __DIR__ ) . '/debug.log' );
define( 'DISABLE_WP_CRON', true ); // tests call wp-cron.php when they want it
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'WP_ACCESSIBLE_HOSTS', '127.0.0.1,localhost' );

$table_prefix = 'wp_';

if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
