<?php
/**
 * Router of the PHP server that serves a test site: files as they are, everything else to WordPress.
 */

$checkvalve_root = rtrim( (string) realpath( $_SERVER['DOCUMENT_ROOT'] ), '/' );
$checkvalve_path = rawurldecode( (string) parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH ) );
$checkvalve_file = realpath( $checkvalve_root . $checkvalve_path );

if ( preg_match( '#/\.#', $checkvalve_path ) ) {
	http_response_code( 403 );
	return true;
}
if ( $checkvalve_file && 0 === strpos( $checkvalve_file, $checkvalve_root . '/' ) ) {
	if ( is_dir( $checkvalve_file ) && is_file( $checkvalve_file . '/index.php' ) && '/' !== substr( $checkvalve_path, -1 ) ) {
		header( 'Location: ' . $checkvalve_path . '/', true, 301 );
		return true;
	}
	if ( is_file( $checkvalve_file ) || is_file( $checkvalve_file . '/index.php' ) ) {
		return false;
	}
}

$_SERVER['SCRIPT_NAME']     = '/index.php';
$_SERVER['PHP_SELF']        = '/index.php';
$_SERVER['SCRIPT_FILENAME'] = $checkvalve_root . '/index.php';
unset( $_SERVER['PATH_INFO'] );
chdir( $checkvalve_root );
if ( '' !== (string) ini_get( 'auto_prepend_file' ) ) { // PHP's own server leaves it out for a router
	require_once ini_get( 'auto_prepend_file' );
}
require $checkvalve_root . '/index.php';
