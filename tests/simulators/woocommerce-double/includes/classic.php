<?php
/**
 * The classic checkout: a page with a form, ?wc-ajax=add_to_cart and ?wc-ajax=checkout.
 *
 * A refusal is HTTP 200 with {"result":"failure"}: whoever probes it has to read the body.
 */

defined( 'ABSPATH' ) || exit;

function wc_double_ajax() {
	$action = sanitize_key( $_GET['wc-ajax'] ?? '' );
	if ( '' === $action ) {
		return;
	}
	nocache_headers();
	status_header( 200 );
	if ( 'checkout' === $action ) {
		wp_send_json( wc_double_classic_checkout() );
	}
	if ( 'add_to_cart' === $action ) {
		wp_send_json( wc_double_classic_add() );
	}
	do_action( 'wc_ajax_' . $action );
	wp_die( '', '', array( 'response' => 200 ) );
}

function wc_double_classic_add() {
	$product = wc_get_product( absint( $_POST['product_id'] ?? 0 ) );
	$amount  = max( 1, absint( $_POST['quantity'] ?? 1 ) );
	if ( ! $product || ! $product->is_purchasable() || ! $product->has_enough_stock( WC()->cart->quantity_of( $product->get_id() ) + $amount ) ) {
		return array( 'error' => true, 'product_url' => $product ? $product->get_permalink() : '' );
	}
	WC()->cart->add_to_cart( $product->get_id(), $amount );
	do_action( 'woocommerce_ajax_added_to_cart', $product->get_id() );
	return array( 'fragments' => array(), 'cart_hash' => md5( wp_json_encode( array_keys( WC()->cart->get_cart() ) ) ) );
}

function wc_double_failure( array $messages, $refresh = false ) {
	$lines = array_map( fn( $message ) => '<li>' . $message . '</li>', $messages );
	return array( 'result' => 'failure', 'messages' => '<ul class="woocommerce-error" role="alert">' . implode( '', $lines ) . '</ul>', 'refresh' => $refresh, 'reload' => false );
}

/** @return array<string,mixed> The fields of the form, by WooCommerce's names. */
function wc_double_posted() {
	$data = array( 'terms' => (int) isset( $_POST['terms'] ), 'createaccount' => 0, 'payment_method' => '', 'shipping_method' => array(), 'ship_to_different_address' => false );
	foreach ( array_merge( WC_DOUBLE_ADDRESS, array( 'email' ) ) as $name ) {
		$data[ 'billing_' . $name ] = wc_clean( wp_unslash( $_POST[ 'billing_' . $name ] ?? '' ) );
	}
	foreach ( WC_DOUBLE_ADDRESS as $name ) {
		$data[ 'shipping_' . $name ] = $data[ 'billing_' . $name ];
	}
	$data['payment_method']  = sanitize_key( $_POST['payment_method'] ?? '' );
	$data['shipping_method'] = wc_clean( wp_unslash( $_POST['shipping_method'] ?? array() ) );
	return $data;
}

function wc_double_classic_checkout() {
	if ( ! wp_verify_nonce( $_POST['woocommerce-process-checkout-nonce'] ?? '', 'woocommerce-process_checkout' ) || WC()->cart->is_empty() ) {
		return wc_double_failure( array( 'We were unable to process your order, please try again.' ), true );
	}
	do_action( 'woocommerce_before_checkout_process' );
	do_action( 'woocommerce_checkout_process' );
	$data = wc_double_posted();
	$cart = WC()->cart;
	foreach ( array( 'billing', 'shipping' ) as $kind ) {
		$address = array();
		foreach ( array_keys( $cart->address( $kind ) ) as $name ) {
			$address[ $name ] = $data[ $kind . '_' . $name ];
		}
		$cart->set_address( $kind, $address );
	}
	if ( $data['shipping_method'] ) {
		$cart->choose_rate( (string) reset( $data['shipping_method'] ) );
	}
	$errors = wc_double_classic_errors( $data );
	do_action( 'woocommerce_after_checkout_validation', $data, $errors );
	if ( $errors->has_errors() ) {
		return wc_double_failure( $errors->get_error_messages() );
	}
	do_action( 'woocommerce_checkout_update_user_meta', get_current_user_id(), $data );
	return wc_double_classic_place( $data );
}

/** @return WP_Error */
function wc_double_classic_errors( array $data ) {
	$errors = new WP_Error();
	foreach ( WC_DOUBLE_REQUIRED as $name => $label ) {
		if ( '' === $data[ 'billing_' . $name ] ) {
			$errors->add( 'billing_' . $name . '_required', '<strong>Billing ' . $label . '</strong> is a required field.', array( 'id' => 'billing_' . $name ) );
		}
	}
	if ( ! is_email( $data['billing_email'] ) ) {
		$errors->add( 'billing_email_validation', '<strong>Billing Email address</strong> is not a valid email address.', array( 'id' => 'billing_email' ) );
	}
	if ( ! isset( WC()->payment_gateways()->get_available_payment_gateways()[ $data['payment_method'] ] ) ) {
		$errors->add( 'payment', 'Invalid payment method.' );
	}
	if ( WC()->cart->needs_shipping() && ! WC()->cart->rate() ) {
		$errors->add( 'shipping', 'No shipping method has been selected. Please double check your address, or contact us if you need any help.' );
	}
	$short = wc_double_short_of( WC()->cart );
	if ( null !== $short ) {
		$errors->add( 'out-of-stock', sprintf( 'Sorry, we do not have enough "%s" in stock to fulfill your order.', $short ) );
	}
	return $errors;
}

function wc_double_classic_place( array $data ) {
	$gateway = WC()->payment_gateways()->get_available_payment_gateways()[ $data['payment_method'] ];
	$order   = new WC_Order();
	$order->set_created_via( 'checkout' );
	$order->set_payment_method( $gateway->id );
	$order->set_payment_method_title( $gateway->get_title() );
	wc_double_fill_order( $order, WC()->cart );
	do_action( 'woocommerce_checkout_create_order', $order, $data );
	$id = $order->save();
	do_action( 'woocommerce_checkout_update_order_meta', $id, $data );
	do_action( 'woocommerce_checkout_order_created', $order );
	$order->save();
	do_action( 'woocommerce_checkout_order_processed', $id, $data, $order );
	$result             = $gateway->process_payment( $id );
	$result['order_id'] = $id;
	return apply_filters( 'woocommerce_payment_successful_result', $result, $id );
}

/** The page: only what a browser without blocks has to send back. */
function wc_double_checkout_page() {
	if ( ! WC()->cart || WC()->cart->is_empty() ) {
		return '<p>Your cart is empty.</p>';
	}
	$fields = '';
	foreach ( array_merge( WC_DOUBLE_ADDRESS, array( 'email' ) ) as $name ) {
		$fields .= sprintf( '<p><label>%1$s <input name="billing_%1$s" value="%2$s"></label></p>', $name, esc_attr( WC()->cart->address( 'billing' )[ $name ] ?? '' ) );
	}
	foreach ( WC()->cart->rates() as $rate ) {
		$fields .= sprintf( '<p><label><input type="radio" name="shipping_method[0]" data-index="0" value="%s" checked> %s %s</label></p>', esc_attr( $rate['id'] ), esc_html( $rate['label'] ), wc_price( $rate['cost'] ) );
	}
	foreach ( WC()->payment_gateways()->get_available_payment_gateways() as $gateway ) {
		$fields .= sprintf( '<p><label><input type="radio" name="payment_method" value="%s"> %s</label></p>', esc_attr( $gateway->id ), esc_html( $gateway->get_title() ) );
	}
	$nonce = sprintf( '<input type="hidden" id="woocommerce-process-checkout-nonce" name="woocommerce-process-checkout-nonce" value="%s" />', wp_create_nonce( 'woocommerce-process_checkout' ) );
	return '<form name="checkout" method="post" class="checkout woocommerce-checkout">' . $fields . $nonce . '<p>Total: ' . wc_price( WC()->cart->total() ) . '</p><button type="submit">Place order</button></form>';
}
