<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Closed;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\Request;

final class FreezeExports extends Hand {

	const EFFECT = 'nobody can export';
	const COST   = 'bookkeeping and privacy requests (GDPR Art. 15, 20) wait';
	const CAPS   = array( 'export', 'export_others_personal_data' );

	public function rule( array $args ): array {
		return array( 'target' => 'WordPress, WooCommerce and plugins by their names' );
	}

	public function enforce( array $rules ): void {
		add_filter( 'map_meta_cap', array( $this, 'forbid' ), PHP_INT_MAX, 2 );
		add_filter( 'rest_pre_dispatch', array( $this, 'forbid_route' ), PHP_INT_MAX, 3 );
		$asked = array_merge( Request::values( 'action' ), Request::values( 'page' ), Request::values( 'export' ), Request::values( 'download_report_csv' ) );
		if ( is_admin() && ( preg_grep( '/export/i', $asked ) || Request::values( 'download_report_csv' ) ) && ! array_intersect( $asked, BlockAjax::OWN ) ) {
			Closed::answer();
		}
	}

	/**
	 * @param string[] $caps
	 * @param string   $cap
	 * @return string[]
	 */
	public function forbid( $caps, $cap ) {
		return in_array( $cap, self::CAPS, true ) ? array( 'do_not_allow' ) : $caps;
	}

	/**
	 * @param mixed            $result
	 * @param \WP_REST_Server  $server
	 * @param \WP_REST_Request $request
	 * @return mixed
	 */
	public function forbid_route( $result, $server, $request ) {
		return preg_match( '#/exports?(/|$)#i', (string) $request->get_route() ) ? Closed::rest() : $result;
	}
}
