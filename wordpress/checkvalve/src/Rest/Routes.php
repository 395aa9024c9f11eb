<?php
namespace Checkvalve\Rest;

/**
 * The plugin's routes. Who may call them is decided by signatures, so a plugin that closes the REST API to visitors must
 * not close these.
 */
final class Routes {

	/** At `rest_api_init`. */
	public static function register( callable $sync, callable $probe ): void {
		register_rest_route( 'checkvalve/v1', '/sync', array( 'methods' => 'POST', 'callback' => $sync, 'permission_callback' => '__return_true' ) );
		register_rest_route( 'checkvalve/v1', '/probe', array( 'methods' => 'GET', 'callback' => $probe, 'permission_callback' => '__return_true' ) );
		add_filter( 'rest_authentication_errors', array( self::class, 'let_in' ), PHP_INT_MAX );
		add_filter( 'rest_pre_dispatch', array( self::class, 'leave_body' ), 10, 3 );
	}

	/**
	 * WordPress would answer a body that is no JSON by itself, in another form and before the signature was checked.
	 *
	 * @param mixed            $result
	 * @param \WP_REST_Server  $server
	 * @param \WP_REST_Request $request
	 * @return mixed
	 */
	public static function leave_body( $result, $server, $request ) {
		if ( '/checkvalve/v1/sync' === $request->get_route() ) {
			$request->set_header( 'content-type', 'application/octet-stream' );
		}
		return $result;
	}

	/**
	 * @param mixed $result
	 * @return mixed
	 */
	public static function let_in( $result ) {
		$route = untrailingslashit( (string) ( $GLOBALS['wp']->query_vars['rest_route'] ?? '' ) );
		return in_array( $route, array( '/checkvalve/v1/sync', '/checkvalve/v1/probe' ), true ) ? null : $result;
	}
}
