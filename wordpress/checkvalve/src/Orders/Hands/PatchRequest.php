<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Closed;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\Request;
use Checkvalve\Orders\Route;
use Checkvalve\Refused;

/**
 * A virtual patch: requests of one method and path with a parameter that fits a pattern. `*` stands for every method, path or
 * parameter. Looked for in query, form and JSON body, as it came and decoded.
 */
final class PatchRequest extends Hand {

	const ARGS   = array( 'method', 'path', 'parameter', 'pattern' );
	const EFFECT = 'requests that fit answer 403';
	const COST   = 'a visitor whose words fit the pattern is turned away';

	public function rule( array $args ): array {
		$rule   = array();
		$most   = array( 'method' => 10, 'path' => 250, 'parameter' => 100, 'pattern' => 500 );
		foreach ( $most as $name => $bytes ) {
			$rule[ $name ] = self::text( $args, $name, $bytes );
		}
		$rule['method'] = strtoupper( $rule['method'] );
		if ( '*' !== $rule['path'] && ( '/' !== $rule['path'][0] || '/' === Route::normal( $rule['path'] ) ) ) {
			throw new Refused( 'refused', 'patch_request needs a path such as /wp-json/shop/v1/ask, or *' );
		}
		if ( '*' === $rule['path'] && '*' === $rule['parameter'] ) {
			throw new Refused( 'refused', 'a patch for every path and every parameter would close the shop; name one of the two' );
		}
		if ( false === @preg_match( self::expression( $rule['pattern'] ), '' ) ) { // phpcs:ignore
			throw new Refused( 'refused', 'the pattern is no regular expression' );
		}
		return $rule + array( 'target' => "{$rule['method']} {$rule['path']} {$rule['parameter']}" );
	}

	public function enforce( array $rules ): void {
		$own = 0 === strpos( Request::route(), '/checkvalve/' );
		foreach ( $own ? array() : $rules as $rule ) {
			if ( self::fits_place( $rule, array( Request::method(), (string) ( $_SERVER['REQUEST_METHOD'] ?? '' ) ), array( Request::path(), Request::route(), '/wp-json' . Request::route() ) )
				&& self::found( $rule, array( $_GET, $_POST, self::json() ) ) ) { // phpcs:ignore
				Closed::answer();
			}
		}
		// What comes inside a batch is seen here alone.
		$inner = static function ( $result, $server, $request ) use ( $rules ) {
			$route = (string) $request->get_route();
			foreach ( 0 === strpos( Route::normal( $route ), '/checkvalve/' ) ? array() : $rules as $rule ) {
				if ( self::fits_place( $rule, array( $request->get_method() ), array( Route::normal( $route ), Route::normal( "/wp-json$route" ) ) ) && self::found( $rule, array( $request->get_params() ) ) ) {
					return Closed::rest();
				}
			}
			return $result;
		};
		add_filter( 'rest_pre_dispatch', $inner, PHP_INT_MAX, 3 );
	}

	private static function fits_place( array $rule, array $methods, array $paths ): bool {
		$method = '*' === $rule['method'] || in_array( $rule['method'], $methods, true );
		return $method && ( '*' === $rule['path'] || in_array( Route::normal( $rule['path'] ), $paths, true ) );
	}

	private static function found( array $rule, array $sources ): bool {
		foreach ( $sources as $name => $value ) {
			$inside = '*' === $rule['parameter'] || (string) $name === $rule['parameter'];
			if ( is_array( $value ) ) {
				$everything = $inside && ! is_int( $name ) ? array( 'parameter' => '*' ) + $rule : $rule;
				if ( self::found( $everything, $value ) ) {
					return true;
				}
			} elseif ( $inside && is_scalar( $value ) && self::fits( $rule['pattern'], (string) $value ) ) {
				return true;
			}
		}
		return false;
	}

	/** What cannot be decided (the pattern gives up) counts as found. */
	private static function fits( string $pattern, string $value ): bool {
		foreach ( array_unique( array( $value, rawurldecode( $value ), html_entity_decode( rawurldecode( rawurldecode( $value ) ) ) ) ) as $form ) {
			if ( 0 !== preg_match( self::expression( $pattern ), $form ) ) {
				return true;
			}
		}
		return false;
	}

	private static function json(): array {
		$said = json_decode( Request::body(), true, 32 );
		return is_array( $said ) ? $said : array();
	}

	private static function expression( string $pattern ): string {
		return "\x01" . $pattern . "\x01is";
	}
}
