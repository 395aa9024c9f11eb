<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Closed;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\Request;

/**
 * Those who run the shop can look and change nothing, in wp-admin, by REST and by XML-RPC. Customers are not touched, logging in
 * and out and Checkvalve's own lever stay.
 */
final class ReadOnlyAdmin extends Hand {

	const EFFECT = 'nothing can be changed in wp-admin or by REST';
	const COST   = 'orders cannot be worked on; the emergency lever stays';
	const STAFF  = array( 'edit_posts', 'manage_woocommerce', 'list_users', 'manage_options' );
	const OPEN   = array( 'heartbeat', 'wp-compression-test', 'checkvalve_pair', 'checkvalve_lift' );

	public function rule( array $args ): array {
		return array( 'target' => 'wp-admin' );
	}

	public function enforce( array $rules ): void {
		add_action( 'init', array( $this, 'forbid' ), PHP_INT_MIN );
		add_filter( 'rest_pre_dispatch', array( $this, 'forbid_route' ), PHP_INT_MAX, 3 );
		add_filter( 'xmlrpc_enabled', '__return_false', PHP_INT_MAX );
	}

	public function forbid(): void {
		$reads = in_array( Request::method(), array( 'GET', 'HEAD' ), true ) && ! Request::values( '_wpnonce' );
		if ( is_admin() && ! $reads && ! array_intersect( Request::values( 'action' ), self::OPEN ) && self::is_staff() ) {
			Closed::answer();
		}
	}

	/**
	 * @param mixed            $result
	 * @param \WP_REST_Server  $server
	 * @param \WP_REST_Request $request
	 * @return mixed
	 */
	public function forbid_route( $result, $server, $request ) {
		$reads = in_array( $request->get_method(), array( 'GET', 'HEAD', 'OPTIONS' ), true );
		$open  = preg_match( '#^/(wc/store|checkvalve|batch)/#i', (string) $request->get_route() );
		return ! $reads && ! $open && self::is_staff() ? Closed::rest() : $result;
	}

	private static function is_staff(): bool {
		return (bool) array_filter( self::STAFF, 'current_user_can' );
	}
}
