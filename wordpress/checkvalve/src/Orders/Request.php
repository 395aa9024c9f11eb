<?php
namespace Checkvalve\Orders;

/**
 * What is being asked, read from the raw request, because it is needed before WordPress has looked at it. Everything in here
 * was written by the visitor.
 */
final class Request {

	const BODY = 1048576; // bytes of a body that are looked at

	public static function method(): string {
		$method = $_SERVER['HTTP_X_HTTP_METHOD_OVERRIDE'] ?? ( $_GET['_method'] ?? ( $_SERVER['REQUEST_METHOD'] ?? 'GET' ) ); // phpcs:ignore
		return is_string( $method ) ? strtoupper( $method ) : '';
	}

	/** Decoded path below the site's root, lower case, single slashes, no slash at the end but the first. */
	public static function path(): string {
		$path = rawurldecode( (string) strtok( (string) ( $_SERVER['REQUEST_URI'] ?? '/' ), '?#' ) );
		$home = (string) wp_parse_url( (string) get_option( 'home' ), PHP_URL_PATH );
		$path = Route::normal( $path );
		$home = Route::normal( $home );
		if ( '/' !== $home && 0 === strpos( $path . '/', $home . '/' ) ) {
			$path = Route::normal( substr( $path, strlen( $home ) ) );
		}
		return 0 === strpos( $path, '/index.php' ) ? Route::normal( substr( $path, 10 ) ) : $path;
	}

	/** The REST route, however it is asked for; empty when it is none. */
	public static function route(): string {
		foreach ( array( $_POST, $_GET ) as $given ) { // phpcs:ignore
			if ( isset( $given['rest_route'] ) && is_string( $given['rest_route'] ) ) {
				return Route::normal( $given['rest_route'] );
			}
		}
		$path = self::path();
		return 0 === strpos( $path . '/', '/wp-json/' ) ? Route::normal( substr( $path, 8 ) ) : '';
	}

	/** The PHP file that the web server has called; empty when it is not known. */
	public static function script(): string {
		return wp_normalize_path( (string) realpath( (string) ( $_SERVER['SCRIPT_FILENAME'] ?? '' ) ) );
	}

	/**
	 * Values of a parameter of query and form, whichever of the two counts in the end.
	 *
	 * @return string[]
	 */
	public static function values( string $name ): array {
		$found = array( $_GET[ $name ] ?? null, $_POST[ $name ] ?? null ); // phpcs:ignore
		return array_values( array_filter( $found, 'is_string' ) );
	}

	public static function is_ajax(): bool {
		return ( defined( 'DOING_AJAX' ) && DOING_AJAX ) || self::is_admin_script( 'admin-post.php' );
	}

	public static function is_admin_script( string $name ): bool {
		return defined( 'WP_ADMIN' ) && WP_ADMIN && basename( (string) ( $_SERVER['SCRIPT_NAME'] ?? '' ) ) === $name;
	}

	/** Name of WooCommerce's `wc-api` endpoint that is called; empty when it is none. */
	public static function wc_api(): string {
		$given = self::values( 'wc-api' );
		if ( $given ) {
			return strtolower( sanitize_key( $given[0] ) );
		}
		return preg_match( '#(?:^|/)wc-api/([^/]+)#', self::path(), $found ) ? sanitize_key( $found[1] ) : '';
	}

	public static function body(): string {
		return (string) file_get_contents( 'php://input', false, null, 0, self::BODY ); // phpcs:ignore
	}

	/** Whether it is a step of WooCommerce's cart or checkout, or a payment provider's call. */
	public static function is_checkout(): bool {
		$route = self::route();
		if ( '' !== $route ) {
			return 1 === preg_match( '#^/wc/store(/v\d+)?/(cart|checkout|batch|order)(/|$)#', $route ) || Webhooks::looks_like_one( $route );
		}
		foreach ( self::values( 'wc-ajax' ) as $action ) {
			return in_array( $action, Checkout::AJAX, true );
		}
		return '' !== self::wc_api() || Checkout::has_page( self::path() );
	}
}
