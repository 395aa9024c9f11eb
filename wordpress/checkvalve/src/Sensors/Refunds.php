<?php
namespace Checkvalve\Sensors;

use Checkvalve\Probe\ProbeProduct;

/**
 * Refunds made and taken back, orders deleted (OCSF 6001).
 */
final class Refunds extends Sensor {

	public function refunded( $order_id, $refund_id = 0 ): void {
		$refund = wc_get_order( $refund_id );
		$this->report( 3, wc_get_order( $order_id ), array( 'refund' => is_object( $refund ) && is_callable( array( $refund, 'get_amount' ) ) ? (string) $refund->get_amount() : '' ) );
	}

	public function taken_back( $refund_id, $order_id = 0 ): void {
		$this->report( 3, wc_get_order( $order_id ), array( 'refund' => 'taken back' ) );
	}

	public function trashed( $id, $order = null ): void {
		$this->report( 4, $order ?: wc_get_order( $id ), array( 'deleted' => 'trash' ) );
	}

	public function deleted( $id, $order = null ): void {
		$this->report( 4, $order ?: wc_get_order( $id ), array( 'deleted' => 'for good' ) );
	}

	/** @param \WC_Order|false $order */
	private function report( int $activity_id, $order, array $what ): void {
		if ( ! is_object( $order ) || ! method_exists( $order, 'get_order_number' ) ) {
			return; // the refund of a deleted order
		}
		$this->recorder->record(
			6001,
			$activity_id,
			array( 'web_resources' => array( array( 'type' => 'wc_order', 'uid' => (string) $order->get_id() ) ) ),
			array( 'order' => array( 'number' => (string) $order->get_order_number(), 'total' => (string) $order->get_total(), 'currency' => (string) $order->get_currency(), 'probe' => ProbeProduct::is_in( $order ) ) + $what )
		);
	}
}
