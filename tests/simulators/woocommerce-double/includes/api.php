<?php
/**
 * What other programs call: the wc-api endpoint of payment services, and REST with a consumer key.
 */

defined( 'ABSPATH' ) || exit;

add_action(
	'init',
	function () {
		add_rewrite_endpoint( 'wc-api', EP_ALL );
	},
	0
);

add_action(
	'parse_request',
	function ( $wp ) {
		if ( ! empty( $_GET['wc-api'] ) ) {
			$wp->query_vars['wc-api'] = sanitize_key( wp_unslash( $_GET['wc-api'] ) );
		}
		if ( empty( $wp->query_vars['wc-api'] ) ) {
			return;
		}
		$name = strtolower( wc_clean( $wp->query_vars['wc-api'] ) );
		nocache_headers();
		WC()->payment_gateways()->payment_gateways();
		status_header( has_action( 'woocommerce_api_' . $name ) ? 200 : 400 );
		do_action( 'woocommerce_api_' . $name );
		die( '-1' );
	},
	0
);

function wc_api_hash( $data ) {
	return hash_hmac( 'sha256', $data, 'wc-api' );
}

add_filter(
	'determine_current_user',
	function ( $user ) {
		global $wpdb;
		$rest = apply_filters( 'woocommerce_rest_is_request_to_rest_api', false !== strpos( $_SERVER['REQUEST_URI'] ?? '', rest_get_url_prefix() . '/wc/' ) );
		$key  = $_GET['consumer_key'] ?? ( $_SERVER['PHP_AUTH_USER'] ?? '' );
		if ( ! empty( $user ) || ! $rest || '' === $key ) {
			return $user;
		}
		$row = $wpdb->get_row( $wpdb->prepare( "SELECT user_id, consumer_secret FROM {$wpdb->prefix}woocommerce_api_keys WHERE consumer_key = %s", wc_api_hash( sanitize_text_field( $key ) ) ) );
		return $row && hash_equals( $row->consumer_secret, $_GET['consumer_secret'] ?? ( $_SERVER['PHP_AUTH_PW'] ?? '' ) ) ? (int) $row->user_id : $user;
	},
	15
);
