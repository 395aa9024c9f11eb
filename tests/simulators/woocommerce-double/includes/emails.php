<?php
/**
 * Mail about orders: which ones there are, the gate each passes, the note each leaves.
 */

defined( 'ABSPATH' ) || exit;

/**
 * One kind of mail.
 */
class WC_Email {

	/** @var string */
	public $id;

	/** @var string */
	public $title;

	/** @var bool */
	public $customer_email;

	public function __construct( $id, $title, $customer_email ) {
		$this->id             = $id;
		$this->title          = $title;
		$this->customer_email = $customer_email;
	}

	public function is_enabled( $order ) {
		return apply_filters( 'woocommerce_email_enabled_' . $this->id, true, $order, $this );
	}

	public function trigger( $id, $order = null ) {
		$order = $order instanceof WC_Order ? $order : wc_get_order( $id );
		$to    = $this->customer_email ? $order->get_billing_email() : get_option( 'admin_email' );
		$to    = apply_filters( 'woocommerce_email_recipient_' . $this->id, $to, $order, $this );
		if ( ! $this->is_enabled( $order ) || ! $to ) {
			return;
		}
		$body = sprintf( "Order #%s\n%s\nTotal: %s %s\n", $order->get_order_number(), $order->get_formatted_billing_full_name(), $order->get_total(), $order->get_currency() );
		if ( wp_mail( $to, '[' . get_bloginfo( 'name' ) . '] ' . $this->title . ' #' . $order->get_order_number(), $body ) ) {
			$order->add_order_note( sprintf( 'Email "%s" sent.', $this->title ) );
		}
	}
}

function wc_double_mail( $id, $order ) {
	$new_order = new WC_Email( 'new_order', 'New order', false );
	$mails     = array(
		'processing' => array( $new_order, new WC_Email( 'customer_processing_order', 'Processing order', true ) ),
		'on-hold'    => array( $new_order, new WC_Email( 'customer_on_hold_order', 'Order on-hold', true ) ),
		'cancelled'  => array( new WC_Email( 'cancelled_order', 'Cancelled order', false ), new WC_Email( 'customer_cancelled_order', 'Order cancelled', true ) ),
	);
	do_action( current_action() . '_notification', $id, $order );
	foreach ( $mails[ $order->get_status() ] ?? array() as $mail ) {
		$mail->trigger( $id, $order );
	}
}
