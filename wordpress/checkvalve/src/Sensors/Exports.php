<?php
namespace Checkvalve\Sensors;

/**
 * Exports and the privacy tools (OCSF 6005): what was taken out or erased, and how it was asked for, never whose.
 */
final class Exports extends Sensor {

	public function set_up(): void {
		$this->listen( 'export_wp', 'content', 10, 1 );
		$this->listen( 'wp_privacy_personal_data_export_file_created', 'person', 10, 4 );
		$this->listen( 'wp_privacy_personal_data_erased', 'erased', 10, 1 );
		$this->listen( 'woocommerce_privacy_remove_order_personal_data', 'order', 10, 1 );
		$this->listen( 'woocommerce_product_export_product_query_args', 'products', 10, 1 );
		$this->listen( 'woocommerce_admin_export_id', 'report', PHP_INT_MAX, 1 );
	}

	protected function content( $args = array() ): void {
		$kind = is_array( $args ) && is_string( $args['content'] ?? null ) ? $args['content'] : 'all';
		$this->data( 1, 'content export: ' . sanitize_key( $kind ) );
	}

	protected function person( $archive, $url, $report, $request_id = 0 ): void {
		$this->data( 1, 'personal data export', array( 'request' => (int) $request_id ) );
	}

	protected function erased( $request_id ): void {
		$this->data( 7, 'personal data erasure', array( 'request' => (int) $request_id ) );
	}

	/** @param \WC_Order $order */
	protected function order( $order ): void {
		$this->data( 7, 'personal data of an order', array( 'order' => (string) $order->get_id() ) );
	}

	protected function products(): void {
		$this->data( 1, 'product export' );
	}

	protected function report(): void {
		$this->data( 1, 'report export' );
	}
}
