<?php
namespace Checkvalve\Sensors;

/**
 * REST requests served (OCSF 6003): method, route pattern and status, never a parameter or a body.
 */
final class RestRequests extends Sensor {

	const ACTIVITY = array( 'POST' => 1, 'GET' => 2, 'HEAD' => 2, 'OPTIONS' => 2, 'PUT' => 3, 'PATCH' => 3, 'DELETE' => 4 );

	/**
	 * @param \WP_HTTP_Response $response
	 * @param \WP_REST_Server   $server
	 * @param \WP_REST_Request  $request
	 */
	public function served( $response, $server, $request ): void {
		$method = (string) $request->get_method();
		$method = isset( self::ACTIVITY[ $method ] ) ? $method : 'OTHER'; // a visitor can name any by X-HTTP-Method-Override
		$route  = method_exists( $response, 'get_matched_route' ) ? (string) $response->get_matched_route() : '';
		$route  = '' !== $route ? $route : self::outline( (string) $request->get_route() );
		if ( 0 === strpos( $route, '/checkvalve/v1' ) ) {
			return;
		}
		$route = substr( $route, 0, 200 );
		$this->recorder->record(
			6003,
			self::ACTIVITY[ $method ] ?? 2,
			array(
				'api'           => array( 'operation' => "$method $route" ),
				'http_request'  => array( 'http_method' => $method ),
				'http_response' => array( 'code' => (int) $response->get_status() ),
			),
			array( 'route' => $route )
		);
	}

	/** A route that matched nothing may hold anything; only what looks like a namespace is kept. */
	private static function outline( string $route ): string {
		return preg_match( '#^/[a-z0-9_-]{1,40}(/v[0-9]{1,2})?(?=/|$)#i', $route, $found ) ? $found[0] . ( $found[0] === $route ? '' : '/…' ) : '/…';
	}
}
