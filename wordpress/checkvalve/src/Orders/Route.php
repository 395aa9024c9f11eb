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

	public static function covers( string $blocked, string $route ): bool {
		if ( false !== strpos( $blocked, '(' ) ) { // the pattern a plugin registered
			return 1 === @preg_match( '@^' . $blocked . '(?:/|$)@i', self::normal( $route ) ); // phpcs:ignore
		}
		$blocked = self::normal( $blocked );
		$route   = self::normal( $route );
		return '/' !== $blocked && ( $route === $blocked || 0 === strpos( $route, $blocked . '/' ) );
	}
}
