<?php
namespace Checkvalve\Orders;

/**
 * Calls of payment providers and other services to a plugin that is isolated: answered, kept, and played to the plugin when it
 * is back (KeptRequests). They are known by what the plugin had registered when it was isolated.
 */
final class Webhooks {

	const LOOKS = '#(webhook|web-hook|ipn|notif|callback|postback)#i';

	/** Whether a route is named like something another service calls. */
	public static function looks_like_one( string $route ): bool {
		return 1 === preg_match( self::LOOKS, $route ) && 0 !== strpos( $route, '/checkvalve/' );
	}

	/**
	 * What the plugin answers to now. It must be loaded in this request.
	 *
	 * @return array{api: string[], routes: string[]} Names of `wc-api` endpoints, patterns of REST routes.
	 */
	public static function of( string $plugin ): array {
		global $wp_filter;
		if ( function_exists( 'WC' ) ) {
			WC()->payment_gateways(); // they hook their endpoints when they are made
		}
		$place = Code::place( $plugin );
		$found = array( 'api' => array(), 'routes' => array() );
		foreach ( array_keys( $wp_filter ) as $hook ) {
			if ( 0 === strpos( $hook, 'woocommerce_api_' ) && Code::hooks( $hook, $place ) ) {
				$found['api'][] = substr( $hook, 16 );
			}
		}
		foreach ( rest_get_server()->get_routes() as $route => $handlers ) {
			$own = array_filter(
				$handlers,
				static function ( $handler ) use ( $place ) {
					return isset( $handler['methods']['POST'], $handler['callback'] ) && Code::is_in( $handler['callback'], $place );
				}
			);
			if ( $own && self::looks_like_one( $route ) ) {
				$found['routes'][] = $route;
			}
		}
		return $found;
	}

	/** Whether this request is one of these. */
	public static function called( array $webhooks ): bool {
		$api = Request::wc_api();
		if ( '' !== $api ) {
			return in_array( $api, (array) ( $webhooks['api'] ?? array() ), true );
		}
		$route = Request::route();
		foreach ( '' !== $route && 'POST' === Request::method() ? (array) ( $webhooks['routes'] ?? array() ) : array() as $pattern ) {
			if ( preg_match( '@^' . $pattern . '$@i', $route ) ) {
				return true;
			}
		}
		return false;
	}
}
