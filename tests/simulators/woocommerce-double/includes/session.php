<?php
/**
 * Whose cart it is: a logged-in user, a Cart-Token (a JWT), or a cookie.
 */

defined( 'ABSPATH' ) || exit;

class WC_Session_Handler {

	/** @var string */
	private $customer;

	/** @var array<string,mixed> */
	private $data = array();

	/** @var bool */
	private $by_token = false;

	public function __construct() {
		$token = wc_double_read_token( $_SERVER['HTTP_CART_TOKEN'] ?? '' );
		if ( null !== $token ) {
			$this->by_token = true;
			$this->customer = $token;
		} else {
			$this->customer = $this->from_cookie() ?? ( is_user_logged_in() ? (string) get_current_user_id() : 't_' . substr( bin2hex( random_bytes( 16 ) ), 2 ) );
		}
		$this->read();
	}

	public function get_customer_id() {
		return $this->customer;
	}

	public function has_token() {
		return $this->by_token;
	}

	public function get( $key, $default = null ) {
		return $this->data[ $key ] ?? $default;
	}

	public function set( $key, $value ) {
		$this->data[ $key ] = $value;
		$this->save();
	}

	/** Tells the browser who it is; only a visit with something in the cart needs it. */
	public function set_customer_session_cookie( $set ) {
		if ( ! $set || $this->by_token || headers_sent() ) {
			return;
		}
		$expires = time() + 2 * DAY_IN_SECONDS;
		$signed  = $this->customer . '|' . $expires;
		setcookie( $this->cookie(), $signed . '|' . ( $expires - HOUR_IN_SECONDS ) . '|' . hash_hmac( 'md5', $signed, wp_hash( $signed ) ), $expires, COOKIEPATH ? COOKIEPATH : '/', (string) COOKIE_DOMAIN, false, true );
	}

	private function cookie() {
		return 'wp_woocommerce_session_' . COOKIEHASH;
	}

	private function from_cookie() {
		$parts = explode( '|', (string) wp_unslash( $_COOKIE[ $this->cookie() ] ?? '' ) );
		if ( 4 !== count( $parts ) ) {
			return null;
		}
		list( $customer, $expires, , $hash ) = $parts;
		$signed                              = $customer . '|' . $expires;
		return $expires > time() && hash_equals( hash_hmac( 'md5', $signed, wp_hash( $signed ) ), $hash ) ? $customer : null;
	}

	private function read() {
		global $wpdb;
		$value      = $wpdb->get_var( $wpdb->prepare( "SELECT session_value FROM {$wpdb->prefix}woocommerce_sessions WHERE session_key = %s", $this->customer ) );
		$this->data = $value ? (array) json_decode( $value, true ) : array();
	}

	private function save() {
		global $wpdb;
		$wpdb->replace(
			$wpdb->prefix . 'woocommerce_sessions',
			array(
				'session_key'    => $this->customer,
				'session_value'  => wp_json_encode( $this->data ),
				'session_expiry' => time() + 2 * DAY_IN_SECONDS,
			)
		);
	}
}

function wc_double_base64url( $bytes ) {
	return rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' );
}

/** A Cart-Token: JWT, HS256. */
function wc_double_make_token( $customer ) {
	$claims = array( 'user_id' => $customer, 'exp' => time() + 2 * DAY_IN_SECONDS, 'iss' => 'store-api', 'iat' => time() );
	$signed = wc_double_base64url( '{"alg":"HS256","typ":"JWT"}' ) . '.' . wc_double_base64url( wp_json_encode( $claims ) );
	return $signed . '.' . wc_double_base64url( hash_hmac( 'sha256', $signed, '@' . wp_salt(), true ) );
}

/** @return string|null Whose token it is, if it is one of this shop's and not expired. */
function wc_double_read_token( $token ) {
	$parts = explode( '.', (string) $token );
	if ( 3 !== count( $parts ) ) {
		return null;
	}
	$expected = wc_double_base64url( hash_hmac( 'sha256', $parts[0] . '.' . $parts[1], '@' . wp_salt(), true ) );
	$claims   = json_decode( (string) base64_decode( strtr( $parts[1], '-_', '+/' ) ), true );
	return hash_equals( $expected, $parts[2] ) && is_array( $claims ) && $claims['exp'] > time() ? (string) $claims['user_id'] : null;
}
