<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Closed;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\Route;
use Checkvalve\Refused;

final class BlockRoute extends Hand {

	const ARGS   = array( 'route' );
	const EFFECT = 'answers 403, here and below, from the next request on';
	const COST   = 'what is built on this route stops';

	/** @var string[] */
	private $routes = array();

	public function rule( array $args ): array {
		$route = self::text( $args, 'route', 250 );
		if ( '/' !== substr( $route, 0, 1 ) || '/' === Route::normal( $route ) ) {
			throw new Refused( 'refused', 'block_route needs {"route": "/namespace/v1/path"}' );
		}
		if ( ! Route::usable( $route ) ) {
			throw new Refused( 'refused', 'this route is no pattern WordPress could match' );
		}
		if ( Route::covers( $route, '/checkvalve/v1/sync' ) ) {
			throw new Refused( 'refused', 'Checkvalve does not block its own route' );
		}
		return array( 'target' => $route );
	}

	public function enforce( array $rules ): void {
		$this->routes = self::each( $rules, 'target' );
		// First, so that no plugin answers before; last, so that none takes the answer back.
		add_filter( 'rest_pre_dispatch', array( $this, 'block' ), PHP_INT_MIN, 3 );
		add_filter( 'rest_pre_dispatch', array( $this, 'block' ), PHP_INT_MAX, 3 );
	}

	/**
	 * @param mixed            $result
	 * @param \WP_REST_Server  $server
	 * @param \WP_REST_Request $request
	 * @return mixed
	 */
	public function block( $result, $server, $request ) {
		foreach ( $this->routes as $route ) {
			if ( Route::covers( $route, (string) $request->get_route() ) ) {
				$answer = Closed::rest();
				$answer->set_matched_route( $route );
				return $answer;
			}
		}
		return $result;
	}
}
