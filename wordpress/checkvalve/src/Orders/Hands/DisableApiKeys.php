<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;
use Checkvalve\Refused;

/**
 * WooCommerce's REST keys: one, by its number or its last seven characters as the settings show them, or `*` for all.
 */
final class DisableApiKeys extends Hand {

	const ARGS   = array( 'key' );
	const EFFECT = 'the WooCommerce API key is not taken';
	const COST   = 'the partner or program with this key gets 401; the checkout needs none';

	/** @var string[] Hashes as WooCommerce keeps them; `*` for all. */
	private $hashes = array();

	public function rule( array $args ): array {
		global $wpdb;
		$key = self::text( $args, 'key', 80 );
		if ( '*' === $key ) {
			return array( 'target' => 'all keys', 'hash' => '*' );
		}
		$found = (array) $wpdb->get_results( $wpdb->prepare( "SELECT key_id, consumer_key FROM {$wpdb->prefix}woocommerce_api_keys WHERE key_id = %d OR truncated_key = %s", ctype_digit( $key ) ? (int) $key : 0, ltrim( $key, '.…' ) ) );
		if ( 1 !== count( $found ) ) {
			throw new Refused( 'failed', $found ? 'several keys are meant; give the number' : 'there is no such WooCommerce API key' );
		}
		return array( 'target' => 'key ' . $found[0]->key_id, 'hash' => $found[0]->consumer_key );
	}

	public function enforce( array $rules ): void {
		$this->hashes = self::each( $rules, 'hash' );
		add_filter( 'woocommerce_rest_is_request_to_rest_api', array( $this, 'takes_key' ), PHP_INT_MAX );
	}

	/**
	 * @param mixed $takes
	 * @return mixed
	 */
	public function takes_key( $takes ) {
		if ( in_array( '*', $this->hashes, true ) ) {
			return false;
		}
		foreach ( self::presented() as $key ) {
			if ( in_array( hash_hmac( 'sha256', $key, 'wc-api' ), $this->hashes, true ) ) {
				return false;
			}
		}
		return $takes;
	}

	/** @return string[] Keys of this request, in every way WooCommerce takes them. */
	private static function presented(): array {
		$header = (string) ( $_SERVER['HTTP_AUTHORIZATION'] ?? ( $_SERVER['REDIRECT_HTTP_AUTHORIZATION'] ?? '' ) );
		if ( '' === $header && function_exists( 'getallheaders' ) ) {
			$header = (string) ( array_change_key_case( (array) getallheaders() )['authorization'] ?? '' );
		}
		$found = array( $_SERVER['PHP_AUTH_USER'] ?? '', $_GET['consumer_key'] ?? '', $_GET['oauth_consumer_key'] ?? '', $_POST['oauth_consumer_key'] ?? '' ); // phpcs:ignore
		if ( preg_match( '/oauth_consumer_key="?([^",\s]+)/i', $header, $match ) ) {
			$found[] = rawurldecode( $match[1] );
		}
		if ( preg_match( '/^basic\s+(\S+)/i', $header, $match ) ) {
			$found[] = (string) strtok( (string) base64_decode( $match[1] ), ':' );
		}
		return array_filter( $found, static function ( $key ) {
			return is_string( $key ) && '' !== $key;
		} );
	}
}
