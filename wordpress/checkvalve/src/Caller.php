<?php
namespace Checkvalve;

use Checkvalve\People\Pseudonym;

/**
 * Who asks in this request, by which route, and in which session (docs/spec/wire.md, section 5).
 */
final class Caller {

	/** @var array<string, string> */
	private static $pseudonyms = array();

	/** @var string Pattern of the REST route being served. */
	private static $rest_route = '';

	/**
	 * Filter `rest_dispatch_request`.
	 *
	 * @param mixed            $result  Passed on.
	 * @param \WP_REST_Request $request Not used.
	 * @param string           $route   Pattern of the route.
	 * @return mixed
	 */
	public static function note_route( $result, $request, $route ) {
		self::$rest_route = (string) $route;
		return $result;
	}

	/** REST route pattern, AJAX action or URL path. */
	public static function route(): string {
		if ( '' !== self::$rest_route ) {
			return substr( self::$rest_route, 0, 200 );
		}
		if ( wp_doing_ajax() || isset( $_REQUEST['wc-ajax'] ) ) { // phpcs:ignore
			$action = $_REQUEST['wc-ajax'] ?? ( $_REQUEST['action'] ?? '' ); // phpcs:ignore
			return is_string( $action ) ? substr( sanitize_key( $action ), 0, 200 ) : '';
		}
		if ( wp_doing_cron() || ( defined( 'WP_CLI' ) && WP_CLI ) || ! isset( $_SERVER['REQUEST_URI'] ) ) {
			return '';
		}
		return self::outline( (string) wp_parse_url( (string) $_SERVER['REQUEST_URI'], PHP_URL_PATH ) );
	}

	/** A visitor writes the path; parts that are no plain names (an e-mail address, say) stay in the shop. */
	private static function outline( string $path ): string {
		return substr( (string) preg_replace( '#[^/]*[^/A-Za-z0-9._-][^/]*|[^/]{61,}#', '…', substr( $path, 0, 400 ) ), 0, 200 );
	}

	/** @return array{ref: string}|array{anonymous: true} */
	public static function requester(): array {
		$id = self::is_known() ? get_current_user_id() : 0;
		return $id > 0 ? array( 'ref' => "customer:$id" ) : array( 'anonymous' => true );
	}

	/**
	 * Roles of who asks in this shop: what staff may be shown is decided by them.
	 *
	 * @return list<string>
	 */
	public static function roles(): array {
		return self::is_known() ? array_values( array_map( 'strval', wp_get_current_user()->roles ) ) : array();
	}

	/** Pseudonym of the session; empty when there is none. */
	public static function session(): string {
		$session = self::is_known() && is_user_logged_in() ? wp_get_session_token() : '';
		$session = $session ?: self::shop_session();
		return self::pseudonym( 'session', $session );
	}

	/** Pseudonym of the address; empty outside a web request. */
	public static function address(): string {
		return self::pseudonym( 'ip', (string) ( $_SERVER['REMOTE_ADDR'] ?? '' ) );
	}

	/** Each once a request: without the sodium extension one takes a millisecond. */
	private static function pseudonym( string $category, string $value ): string {
		$place = get_current_blog_id() . " $category $value";
		if ( '' !== $value && ! isset( self::$pseudonyms[ $place ] ) ) {
			self::$pseudonyms[ $place ] = Pseudonym::of( Settings::pseudonym_key(), $category, $value );
		}
		return self::$pseudonyms[ $place ] ?? '';
	}

	/** Not yet while plugins load; and who asks while WordPress finds it out would make it begin again, without end. */
	private static function is_known(): bool {
		return function_exists( 'wp_get_current_user' ) && ! doing_filter( 'determine_current_user' );
	}

	private static function shop_session(): string {
		if ( function_exists( 'WC' ) && isset( WC()->session ) && is_object( WC()->session ) ) {
			return (string) WC()->session->get_customer_id();
		}
		// REST routes of other plugins run without WooCommerce's session, but the visitor's cookie comes along.
		if ( ! defined( 'COOKIEHASH' ) ) {
			return '';
		}
		$cookie = $_COOKIE[ 'wp_woocommerce_session_' . COOKIEHASH ] ?? '';
		return is_string( $cookie ) ? (string) strtok( $cookie, '|' ) : '';
	}
}
