<?php
namespace Checkvalve\Orders;

/**
 * Lets code of a plugin run without seeing what the visitor has sent: it may register what the shop needs, but has nothing to
 * answer to. Cookies stay, or nobody would be logged in.
 */
final class Blindfold {

	/** @var array<int, array> What was there before, innermost last. */
	private static $before = array();

	public static function put_on(): void {
		self::$before[] = array( $_GET, $_POST, $_REQUEST, $_FILES, $_SERVER, isset( $GLOBALS['wp'] ) ? $GLOBALS['wp']->public_query_vars : null ); // phpcs:ignore
		$_GET           = array();
		$_POST          = array();
		$_REQUEST       = array();
		$_FILES         = array();
		unset( $_SERVER['PATH_INFO'], $_SERVER['REDIRECT_URL'], $_SERVER['REDIRECT_QUERY_STRING'] );
		$_SERVER['REQUEST_URI']    = '/';
		$_SERVER['QUERY_STRING']   = '';
		$_SERVER['REQUEST_METHOD'] = 'GET';
	}

	public static function take_off(): void {
		if ( self::$before ) {
			list( $_GET, $_POST, $_REQUEST, $_FILES, $_SERVER, $names ) = array_pop( self::$before );
			if ( null !== $names && isset( $GLOBALS['wp'] ) ) {
				$GLOBALS['wp']->public_query_vars = $names; // a name for its own addresses is a way to be reached
			}
		}
	}

	/** @param callable $callback */
	public static function around( $callback ): \Closure {
		return static function ( ...$arguments ) use ( $callback ) {
			self::put_on();
			try {
				return call_user_func_array( $callback, $arguments );
			} finally {
				self::take_off();
			}
		};
	}
}
