<?php
namespace Checkvalve\Sensors;

/**
 * Exports and the privacy tools (OCSF 6005): what was taken out or erased, and how it was asked for, never whose.
 */
final class Exports extends Sensor {

	public function content( $args = array() ): void {
		$kind = is_array( $args ) && is_string( $args['content'] ?? null ) ? $args['content'] : 'all';
		$this->data( 1, 'content export: ' . sanitize_key( $kind ) );
	}

	public function person( $archive, $url, $report, $request_id = 0 ): void {
		$this->data( 1, 'personal data export', array( 'request' => (int) $request_id ) );
	}

	public function erased( $request_id ): void {
		$this->data( 7, 'personal data erasure', array( 'request' => (int) $request_id ) );
	}

	/** @param \WC_Order $order */
	public function order( $order ): void {
		$this->data( 7, 'personal data of an order', array( 'order' => (string) $order->get_id() ) );
	}

	public function products(): void {
		$this->data( 1, 'product export' );
	}

	public function report(): void {
		$this->data( 1, 'report export' );
	}
}
