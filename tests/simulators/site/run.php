<?php
/**
 * Runs the PHP code on standard input inside the loaded WordPress of the site named by the first argument.
 */

$checkvalve_site = $argv[1];
if ( '1' === ( $argv[2] ?? '' ) ) {
	define( 'WP_INSTALLING', true );
}
$checkvalve_host            = parse_url( (string) @file_get_contents( $checkvalve_site . '/site-url' ) );
$_SERVER['HTTP_HOST']       = ( $checkvalve_host['host'] ?? '127.0.0.1' ) . ( isset( $checkvalve_host['port'] ) ? ':' . $checkvalve_host['port'] : '' );
$_SERVER['SERVER_NAME']     = $checkvalve_host['host'] ?? '127.0.0.1';
$_SERVER['REQUEST_URI']     = '/';
$_SERVER['REQUEST_METHOD']  = 'GET';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REMOTE_ADDR']     = '127.0.0.1';
require $checkvalve_site . '/wordpress/wp-load.php';
eval( stream_get_contents( STDIN ) );
