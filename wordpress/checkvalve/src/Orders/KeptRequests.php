<?php
namespace Checkvalve\Orders;

use Checkvalve\Crypto\Jws;
use Checkvalve\Refused;
use Checkvalve\Settings;
use Checkvalve\Tables;

/**
 * Requests that came for an isolated plugin and must not be lost. They stay in the shop's own database, and are played when the
 * plugin is back: core calls with a pass that names one, and the loader puts it in the place of core's call before WordPress
 * looks. So the plugin meets it as it came, and no request of ours calls ourselves (docs/adr/0005).
 */
final class KeptRequests {

	const MOST  = 2000;
	const BYTES = 262144;
	const WHOLE = 67108864; // bytes of all together: anybody can send such calls
	const TYP   = 'checkvalve-replay+jws';

	/** @var string[] What is kept of $_SERVER besides headers. */
	const SERVER = array( 'REQUEST_URI', 'QUERY_STRING', 'REQUEST_METHOD', 'CONTENT_TYPE', 'CONTENT_LENGTH', 'REMOTE_ADDR', 'PATH_INFO' );

	/** Keeps this request and answers it. Where there is no room the sender is told to come again. */
	public static function keep( string $plugin, int $now ): void {
		$kept = self::room() && self::add( $plugin, $now );
		if ( ! headers_sent() ) {
			http_response_code( $kept ? 200 : 503 );
			header( 'Content-Type: text/plain' );
			header( 'Cache-Control: no-store' );
			$kept || header( 'Retry-After: 600' );
		}
		exit;
	}

	/** @return int[] Those whose plugin is back, oldest first. */
	public static function due( array $isolated ): array {
		global $wpdb;
		$due = array();
		foreach ( (array) $wpdb->get_results( 'SELECT id, plugin FROM ' . Tables::name( 'kept' ) . " WHERE plugin NOT LIKE 'webhook %' ORDER BY id LIMIT 500" ) as $row ) {
			if ( ! in_array( $row->plugin, $isolated, true ) ) {
				$due[] = (int) $row->id;
			}
		}
		return array_slice( $due, 0, 50 );
	}

	/** In the loader: puts the kept request that core's pass names in the place of this one. */
	public static function play( int $now ): void {
		$token = $_SERVER['HTTP_CHECKVALVE_REPLAY'] ?? '';
		if ( ! is_string( $token ) || '' === $token || ! Settings::paired() ) {
			return;
		}
		try {
			$pass = Jws::verify( $token, self::TYP, Settings::core_key() );
		} catch ( Refused $refused ) {
			return;
		}
		if ( Settings::site() !== ( $pass['aud'] ?? null ) || ! is_int( $pass['exp'] ?? null ) || $pass['exp'] <= $now || ! is_int( $pass['kept'] ?? null ) ) {
			return;
		}
		global $wpdb;
		$table = Tables::name( 'kept' );
		$row   = $wpdb->get_row( $wpdb->prepare( "SELECT * FROM $table WHERE id = %d", $pass['kept'] ) );
		$said  = $row ? json_decode( $row->body, true ) : null;
		if ( ! is_array( $said ) || 1 !== $wpdb->query( $wpdb->prepare( "UPDATE $table SET tries = tries + 1 WHERE id = %d AND tries = %d", $row->id, $row->tries ) ) ) {
			return;
		}
		self::become( $said );
		add_action(
			'shutdown',
			static function () use ( $table, $row ) {
				// What ends in an error is tried again, five times in all; a refusal is an answer.
				if ( (int) http_response_code() < 500 || (int) $row->tries >= 4 ) {
					$GLOBALS['wpdb']->query( $GLOBALS['wpdb']->prepare( "DELETE FROM $table WHERE id = %d", $row->id ) );
				}
			},
			PHP_INT_MIN
		);
	}

	private static function become( array $said ): void {
		foreach ( array_keys( $_SERVER ) as $name ) {
			if ( 0 === strpos( $name, 'HTTP_' ) && 'HTTP_HOST' !== $name ) {
				unset( $_SERVER[ $name ] );
			}
		}
		$_SERVER  = array_merge( array_diff_key( $_SERVER, array_flip( self::SERVER ) ), $said['server'] );
		$_GET     = $said['get'];
		$_POST    = $said['post'];
		$_REQUEST = array_merge( $_GET, $_POST );
		$_COOKIE  = array();
		$_FILES   = array();
		unset( $_SERVER['PHP_AUTH_USER'], $_SERVER['PHP_AUTH_PW'] );
		$body = (string) base64_decode( $said['body'], true );
		$GLOBALS['HTTP_RAW_POST_DATA'] = $body; // phpcs:ignore
		Input::put( $body );
	}

	private static function room(): bool {
		global $wpdb;
		$kept = $wpdb->get_row( 'SELECT COUNT(*) AS calls, SUM(LENGTH(body)) AS bytes FROM ' . Tables::name( 'kept' ) );
		return $kept && (int) $kept->calls < self::MOST && (int) $kept->bytes < self::WHOLE;
	}

	private static function add( string $plugin, int $now ): bool {
		global $wpdb;
		$body = (string) file_get_contents( 'php://input', false, null, 0, self::BYTES + 1 ); // phpcs:ignore
		$said = array( 'server' => self::server(), 'get' => $_GET, 'post' => $_POST, 'body' => base64_encode( $body ) ); // phpcs:ignore
		$text = (string) wp_json_encode( $said );
		if ( strlen( $body ) > self::BYTES || '' === $text || strlen( $text ) > 4 * self::BYTES ) {
			return false;
		}
		return 1 === $wpdb->query( $wpdb->prepare( 'INSERT INTO ' . Tables::name( 'kept' ) . ' (plugin, body, made, tries) VALUES (%s, %s, %d, 0)', $plugin, $text, $now ) );
	}

	/** Cookies and passwords of the web server are no part of a call between services. */
	private static function server(): array {
		$kept = array_intersect_key( $_SERVER, array_flip( self::SERVER ) );
		foreach ( $_SERVER as $name => $value ) {
			if ( 0 === strpos( $name, 'HTTP_' ) && ! in_array( $name, array( 'HTTP_HOST', 'HTTP_COOKIE', 'HTTP_CHECKVALVE_REPLAY' ), true ) ) {
				$kept[ $name ] = $value;
			}
		}
		return array_filter( $kept, 'is_string' );
	}
}
