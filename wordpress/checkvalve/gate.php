<?php
/**
 * Second gate, for PHP files of an isolated plugin that are called directly and never load WordPress. To be included by a
 * file named in auto_prepend_file (docs/plugin.md says how). Reads the same state as the must-use loader; runs before
 * WordPress, so it believes the file as it is. It fails open: an unreadable state must not close the shop.
 */

if ( ! defined( 'CHECKVALVE_GATE' ) ) {
	define( 'CHECKVALVE_GATE', 1 );

	( static function () {
		$orders = array();
		foreach ( (array) glob( dirname( __DIR__, 2 ) . '/checkvalve/state*.json' ) as $file ) { // in a network one for each site
			$state  = json_decode( (string) @file_get_contents( $file ), true, 8 ); // phpcs:ignore
			$orders = array_merge( $orders, is_array( $state['orders'] ?? null ) ? $state['orders'] : array() );
		}
		$script = (string) realpath( $_SERVER['SCRIPT_FILENAME'] ?? '' );
		foreach ( $orders as $order ) {
			$plugin = is_string( $order['target'] ?? null ) ? $order['target'] : '';
			if ( 'isolate_plugin' !== ( $order['action'] ?? '' ) || '' === $plugin || (int) ( $order['exp'] ?? 0 ) <= time() ) {
				continue;
			}
			$single = false === strpos( $plugin, '/' );
			$place  = realpath( dirname( __DIR__ ) . '/' . ( $single ? $plugin : strtok( $plugin, '/' ) ) );
			if ( false !== $place && ( $script === $place || ( ! $single && 0 === strpos( $script, $place . DIRECTORY_SEPARATOR ) ) ) ) {
				http_response_code( 403 );
				header( 'Content-Type: application/json' );
				header( 'Cache-Control: no-store' );
				echo '{"code":"checkvalve_blocked","message":"This part of the shop is closed for now.","data":{"status":403}}';
				exit;
			}
		}
	} )();
}
