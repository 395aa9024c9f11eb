<?php
namespace Checkvalve;

/**
 * The trace id of this request (W3C Trace Context): taken from the web server in front if it gave one, else random.
 */
final class Trace {

	/** @var string */
	private static $id = '';

	public static function id(): string {
		if ( '' === self::$id ) {
			self::$id = self::given() ?: bin2hex( random_bytes( 16 ) );
		}
		return self::$id;
	}

	public static function traceparent(): string {
		return '00-' . self::id() . '-' . bin2hex( random_bytes( 8 ) ) . '-01';
	}

	private static function given(): string {
		$parent = (string) ( $_SERVER['HTTP_TRACEPARENT'] ?? '' );
		if ( preg_match( '/^00-([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/D', $parent, $found ) && trim( $found[1], '0' ) ) {
			return $found[1];
		}
		$id = strtolower( (string) ( $_SERVER['HTTP_X_REQUEST_ID'] ?? '' ) ); // nginx: proxy_set_header X-Request-Id $request_id
		return preg_match( '/^[0-9a-f]{32}$/D', $id ) && trim( $id, '0' ) ? $id : '';
	}
}
