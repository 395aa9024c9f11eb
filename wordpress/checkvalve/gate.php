<?php
/**
 * Second gate, for PHP files of an isolated plugin or a blocked path that are called directly and never load WordPress. To be included by a
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
		$content = dirname( __DIR__, 2 );
		foreach ( $orders as $order ) {
			if ( (int) ( $order['exp'] ?? 0 ) <= time() ) {
				continue;
			}
			$place = false;
			if ( 'isolate_plugin' === ( $order['action'] ?? '' ) && is_string( $order['rule']['plugin'] ?? null ) && '' !== $order['rule']['plugin'] ) {
				$plugin = $order['rule']['plugin'];
				$place  = realpath( dirname( __DIR__ ) . '/' . ( false === strpos( $plugin, '/' ) ? $plugin : strtok( $plugin, '/' ) ) );
			} elseif ( 'block_path' === ( $order['action'] ?? '' ) && is_string( $order['rule']['target'] ?? null ) ) {
				$place = realpath( dirname( $content ) . '/' . $order['rule']['target'] );
			}
			if ( false !== $place && ( $script === $place || 0 === strpos( $script, $place . DIRECTORY_SEPARATOR ) ) ) {
				http_response_code( 403 );
				header( 'Content-Type: application/json' );
				header( 'Cache-Control: no-store' );
				echo '{"code":"checkvalve_blocked","message":"This part of the shop is closed for now.","data":{"status":403}}';
				exit;
			}
		}
	} )();
}
