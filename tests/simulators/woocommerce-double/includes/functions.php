<?php
/**
 * Money, options and small questions.
 */

defined( 'ABSPATH' ) || exit;

function get_woocommerce_currency() {
	return apply_filters( 'woocommerce_currency', get_option( 'woocommerce_currency', 'EUR' ) );
}

function get_woocommerce_currency_symbol( $currency = '' ) {
	$symbols = array( 'EUR' => '€', 'GBP' => '£', 'USD' => '$' );
	return $symbols[ $currency ? $currency : get_woocommerce_currency() ] ?? $currency;
}

function wc_get_price_decimals() {
	return (int) apply_filters( 'wc_get_price_decimals', get_option( 'woocommerce_price_num_decimals', 2 ) );
}

function wc_format_decimal( $number, $decimals = false ) {
	$number = is_numeric( $number ) ? (float) $number : 0.0;
	return false === $decimals ? (string) $number : number_format( $number, (int) $decimals, '.', '' );
}

function wc_price( $price ) {
	return '<span class="woocommerce-Price-amount amount">' . get_woocommerce_currency_symbol() . number_format( (float) $price, wc_get_price_decimals() ) . '</span>';
}

/** Amount in minor units, as the Store API writes it. */
function wc_double_minor( $amount ) {
	return (string) (int) round( (float) $amount * pow( 10, wc_get_price_decimals() ) );
}

function wc_get_page_id( $page ) {
	return (int) get_option( 'woocommerce_' . $page . '_page_id', -1 );
}

function wc_get_checkout_url() {
	$id = wc_get_page_id( 'checkout' );
	return apply_filters( 'woocommerce_get_checkout_url', $id > 0 ? get_permalink( $id ) : home_url( '/checkout/' ) );
}

function wc_get_base_location() {
	list( $country, $state ) = array_pad( explode( ':', get_option( 'woocommerce_default_country', 'DE' ), 2 ), 2, '' );
	return compact( 'country', 'state' );
}

function wc_clean( $value ) {
	return is_array( $value ) ? array_map( 'wc_clean', $value ) : ( is_scalar( $value ) ? sanitize_text_field( $value ) : $value );
}

function wc_get_order_statuses() {
	return array(
		'wc-pending'        => 'Pending payment',
		'wc-processing'     => 'Processing',
		'wc-on-hold'        => 'On hold',
		'wc-completed'      => 'Completed',
		'wc-cancelled'      => 'Cancelled',
		'wc-refunded'       => 'Refunded',
		'wc-failed'         => 'Failed',
		'wc-checkout-draft' => 'Draft',
	);
}

function wc_get_order_status_name( $status ) {
	return wc_get_order_statuses()[ 'wc-' . $status ] ?? $status;
}

/** Versions of cached data; the double caches nothing. */
class WC_Cache_Helper {
	public static function get_transient_version( $group, $refresh = false ) {
		return (string) time();
	}
}
