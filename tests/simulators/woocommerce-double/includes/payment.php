<?php
/**
 * Three ways to pay that need no payment service: on delivery, by bank transfer, by cheque.
 */

defined( 'ABSPATH' ) || exit;

class WC_Payment_Gateway {

	/** @var string */
	public $id;

	/** @var string */
	public $title;

	/** @var string */
	public $enabled;

	/** @var string Status of an order that was placed with it. */
	private $status;

	/** @var string */
	private $note;

	public function __construct( $id, $title, $status, $note ) {
		$settings      = (array) get_option( 'woocommerce_' . $id . '_settings', array() );
		$this->id      = $id;
		$this->title   = $title;
		$this->enabled = $settings['enabled'] ?? 'no';
		$this->status  = $status;
		$this->note    = $note;
	}

	public function get_title() {
		return $this->title;
	}

	public function is_available() {
		return 'yes' === $this->enabled;
	}

	public function process_payment( $id ) {
		$order = wc_get_order( $id );
		$order->update_status( apply_filters( 'woocommerce_' . $this->id . '_process_payment_order_status', $this->status, $order ), $this->note );
		WC()->cart->empty_cart();
		return array(
			'result'   => 'success',
			'redirect' => $order->get_checkout_order_received_url(),
		);
	}
}

class WC_Payment_Gateways {

	/** @return WC_Payment_Gateway[] by id */
	public function payment_gateways() {
		$all = apply_filters(
			'woocommerce_payment_gateways',
			array(
				new WC_Payment_Gateway( 'bacs', 'Direct bank transfer', 'on-hold', 'Awaiting BACS payment.' ),
				new WC_Payment_Gateway( 'cheque', 'Check payments', 'on-hold', 'Awaiting check payment.' ),
				new WC_Payment_Gateway( 'cod', 'Cash on delivery', 'processing', 'Payment to be made upon delivery.' ),
			)
		);
		$all = array_map( fn( $gateway ) => is_string( $gateway ) ? new $gateway() : $gateway, $all );
		return array_combine( array_map( fn( $gateway ) => $gateway->id, $all ), $all );
	}

	/** @return WC_Payment_Gateway[] by id */
	public function get_available_payment_gateways() {
		$available = array_filter( $this->payment_gateways(), fn( $gateway ) => $gateway->is_available() );
		return (array) apply_filters( 'woocommerce_available_payment_gateways', $available );
	}
}
