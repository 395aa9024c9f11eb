<?php
namespace Checkvalve\Sensors;

/**
 * Personal data read by staff and programs (OCSF 6005): who read how many orders, customers or users, through REST or in wp-admin. One
 * event for each kind and request; nothing announces a read, so what is shown or answered is counted.
 */
final class Reads extends Sensor {

	/** Routes that answer personal data of others, and what one entry of the answer is. */
	const ROUTES = array(
		'orders'    => '#^/wc(-analytics|/v[1-4])/(reports/)?orders(/(?!batch$)|$)#',
		'customers' => '#^/wc(-analytics|/v[1-4])/(reports/)?customers(/|$)#',
		'users'     => '#^/wp/v2/users(/|$)#',
	);

	/** @var array<string, array<string, true>> What was shown in wp-admin, by kind. */
	private $shown = array();

	/**
	 * @param \WP_HTTP_Response $response
	 * @param \WP_REST_Server   $server
	 * @param \WP_REST_Request  $request
	 */
	public function answered( $response, $server = null, $request = null ): void {
		if ( 200 !== (int) $response->get_status() || 'GET' !== $request->get_method() ) {
			return;
		}
		foreach ( self::ROUTES as $what => $pattern ) {
			if ( preg_match( $pattern, (string) $request->get_route() ) && ! ( 'users' === $what && 'edit' !== $request->get_param( 'context' ) ) ) {
				$data  = $response->get_data();
				$count = is_array( $data ) && ( ! $data || isset( $data[0] ) ) ? count( $data ) : 1;
				$count > 0 && $this->read( $what, $count, 'rest' );
			}
		}
	}

	/** @param \WC_Order $order */
	public function row( $passed, $order = null ): void {
		if ( is_object( $order ) ) {
			$this->shown['orders'][ (string) $order->get_id() ] = true;
		}
	}

	/** @param \WC_Order $order */
	public function page( $order ): void {
		$this->row( null, $order );
	}

	/** The search; the page of an order shows its customer by the same filter. */
	public function found( $customers ): void {
		if ( ! wp_doing_ajax() ) {
			return;
		}
		$this->shown['customers'] = ( $this->shown['customers'] ?? array() ) + array_fill_keys( array_keys( (array) $customers ), true );
	}

	/** @param \WP_User $user */
	public function user( $actions, $user = null ): void {
		if ( is_object( $user ) ) {
			$this->shown['users'][ (string) $user->ID ] = true;
		}
	}

	/** @param \WP_User $user */
	public function profile( $user ): void {
		$this->user( null, $user );
	}

	public function ended(): void {
		foreach ( array_filter( $this->shown ) as $what => $ids ) {
			$this->read( $what, count( $ids ), 'admin' );
		}
		$this->shown = array();
	}

	private function read( string $what, int $count, string $via ): void {
		$this->data( $count > 1 ? 8 : 1, $what, array( 'count' => $count, 'via' => $via ) );
	}
}
