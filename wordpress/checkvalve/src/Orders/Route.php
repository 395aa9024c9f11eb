<?php
namespace Checkvalve\Orders;

/**
 * Whether a REST route lies at or below a blocked one. WordPress matches routes without regard to case and lets a line
 * break stand at the end, so this does too.
 */
final class Route {

	public static function normal( string $route ): string {
		return '/' . strtolower( trim( preg_replace( '#/+#', '/', trim( $route ) ), "/ \t\r\n\0\x0b" ) );
	}

	/** False for a pattern that matches nothing because it is broken. */
	public static function usable( string $blocked ): bool {
		return ! self::is_pattern( $blocked ) || false !== @preg_match( self::expression( $blocked ), '/' ); // phpcs:ignore
	}

	public static function covers( string $blocked, string $route ): bool {
		if ( self::is_pattern( $blocked ) ) {
			return 1 === @preg_match( self::expression( $blocked ), self::normal( $route ) ); // phpcs:ignore
		}
		$blocked = self::normal( $blocked );
		$route   = self::normal( $route );
		return '/' !== $blocked && ( $route === $blocked || 0 === strpos( $route, $blocked . '/' ) );
	}

	/** As a plugin registered it, with parameters. */
	private static function is_pattern( string $blocked ): bool {
		return false !== strpos( $blocked, '(' );
	}

	private static function expression( string $blocked ): string {
		return '@^' . $blocked . '(?:/|$)@i';
	}
}
