<?php
namespace Checkvalve\Sensors;

use Checkvalve\Probe\ProbeProduct;

/**
 * WooCommerce orders created, paid, and changed in status (OCSF 6001).
 */
final class ShopOrders extends Sensor {

	public function created( $id, $order = null ): void {
		$this->report( 1, $order ?: wc_get_order( $id ), array() );
	}

	public function changed( $id, $from, $to, $order = null ): void {
		$this->report( 3, $order ?: wc_get_order( $id ), array( 'from' => (string) $from, 'to' => (string) $to ) );
	}

	/** A payment was confirmed; the transaction's number stays in the shop. */
	public function paid( $id ): void {
		$this->report( 3, wc_get_order( $id ), array( 'paid' => true ) );
	}

	/** @param \WC_Order|false $order */
	private function report( int $activity_id, $order, array $change ): void {
		if ( ! $order || ! method_exists( $order, 'get_order_number' ) ) {
			return; // a refund
		}
		$details = array( 'number' => (string) $order->get_order_number() ) + $change + array(
			'total'    => (string) $order->get_total(),
			'currency' => (string) $order->get_currency(),
			'probe'    => ProbeProduct::is_in( $order ),
		);
		$this->recorder->record(
			6001,
			$activity_id,
			array( 'web_resources' => array( array( 'type' => 'wc_order', 'uid' => (string) $order->get_id() ) ) ),
			array( 'order' => $details )
		);
	}
}
