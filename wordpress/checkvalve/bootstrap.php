<?php
/**
 * Names and class loading, shared by the plugin, its must-use loader and its uninstaller.
 */

defined( 'ABSPATH' ) || exit;

if ( ! defined( 'CHECKVALVE_VERSION' ) ) {
	define( 'CHECKVALVE_VERSION', '0.1.0' );
	define( 'CHECKVALVE_DIR', __DIR__ );
	define( 'CHECKVALVE_FOLDER', basename( __DIR__ ) );

	spl_autoload_register(
		static function ( $name ) {
			if ( 0 === strncmp( $name, 'Checkvalve\\', 11 ) ) {
				$file = CHECKVALVE_DIR . '/src/' . str_replace( '\\', '/', substr( $name, 11 ) ) . '.php';
				if ( is_file( $file ) ) {
					require_once $file;
				}
			}
		}
	);
}
