<?php
/**
 * Store API routes wc/store/v1: cart, cart/add-item, cart/update-customer, cart/select-shipping-rate, checkout.
 *
 * A write needs the Cart-Token of an earlier answer, or the visit's cookie with a Nonce.
 */

defined( 'ABSPATH' ) || exit;

function wc_double_register_store_api() {
	$address = array( 'type' => 'object', 'validate_callback' => 'wc_double_check_address' );
	$routes  = array(
		'/cart'                      => array( 'GET', 'wc_double_api_cart', array() ),
		'/cart/add-item'             => array( 'POST', 'wc_double_api_add', array( 'id' => array( 'type' => 'integer' ), 'quantity' => array( 'type' => 'number', 'default' => 1 ) ) ),
		'/cart/update-customer'      => array( 'POST', 'wc_double_api_customer', array( 'billing_address' => $address, 'shipping_address' => $address ) ),
		'/cart/select-shipping-rate' => array( 'POST', 'wc_double_api_rate', array( 'package_id' => array( 'type' => array( 'integer', 'string', 'null' ) ), 'rate_id' => array( 'type' => 'string', 'required' => true ) ) ),
		'/checkout'                  => array(
			'POST',
			'wc_double_api_checkout',
			array(
				'billing_address'  => array( 'required' => true ) + $address,
				'shipping_address' => $address,
				'customer_note'    => array( 'type' => 'string' ),
				'payment_method'   => array( 'type' => 'string', 'enum' => array_merge( array( '' ), array_keys( WC()->payment_gateways()->get_available_payment_gateways() ) ) ),
			),
		),
	);
	foreach ( $routes as $path => list( $method, $callback, $arguments ) ) {
		$answer = fn( $request ) => wc_double_store_answer( $request, $callback );
		register_rest_route( 'wc/store/v1', $path, array( 'methods' => $method, 'callback' => $answer, 'permission_callback' => '__return_true', 'args' => $arguments ) );
	}
}

/** @return true|WP_Error */
function wc_double_check_address( $address ) {
	if ( ! is_array( $address ) ) {
		return new WP_Error( 'rest_invalid_type', 'address is not of type object.' );
	}
	if ( ! empty( $address['country'] ) && ! in_array( $address['country'], wc_double_countries(), true ) ) {
		return new WP_Error( 'invalid_country', 'Invalid country code provided. Must be one of: ' . implode( ', ', wc_double_countries() ) );
	}
	if ( ! empty( $address['postcode'] ) && ! wc_double_postcode_ok( $address['postcode'], $address['country'] ?? '' ) ) {
		return new WP_Error( 'invalid_postcode', 'The provided postcode / ZIP is not valid' );
	}
	if ( ! empty( $address['email'] ) && ! is_email( $address['email'] ) ) {
		return new WP_Error( 'invalid_email', 'The provided email address is not valid' );
	}
	return true;
}

/** Checks token or nonce, calls the route, adds the headers every answer of the Store API has. */
function wc_double_store_answer( WP_REST_Request $request, $callback ) {
	$open   = 'GET' === $request->get_method() || WC()->session->has_token();
	$nonce  = (string) $request->get_header( 'Nonce' );
	$refuse = null;
	if ( ! $open && '' === $nonce ) {
		$refuse = wc_double_error( 'missing_nonce', 'Missing the Nonce header. This endpoint requires a valid nonce.', 401 );
	} elseif ( ! $open && ! wp_verify_nonce( $nonce, 'wc_store_api' ) ) {
		$refuse = wc_double_error( 'invalid_nonce', 'Nonce is invalid.', 403 );
	}
	$answer   = $refuse ?? $callback( $request );
	$response = is_wp_error( $answer ) ? rest_convert_error_to_response( $answer ) : rest_ensure_response( $answer );
	$response->header( 'Nonce', wp_create_nonce( 'wc_store_api' ) );
	$response->header( 'Nonce-Timestamp', (string) time() );
	$response->header( 'User-ID', (string) get_current_user_id() );
	$response->header( 'Cart-Token', wc_double_make_token( WC()->session->get_customer_id() ) );
	$response->header( 'Cache-Control', 'no-store' );
	return $response;
}

function wc_double_error( $code, $message, $status = 400, array $more = array() ) {
	return new WP_Error( 'woocommerce_rest_' . $code, $message, $more + array( 'status' => $status ) );
}

function wc_double_api_cart() {
	return wc_double_cart_json();
}

function wc_double_api_add( WP_REST_Request $request ) {
	$product  = wc_get_product( $request['id'] );
	$quantity = (int) $request['quantity'];
	if ( ! $product || 'trash' === $product->get_status() ) {
		return wc_double_error( 'cart_invalid_product', sprintf( 'Product with ID &quot;%s&quot; was not found and cannot be added to the cart.', (int) $request['id'] ) );
	}
	$name = $product->get_name();
	if ( $quantity <= 0 ) {
		return wc_double_error( 'product_invalid_quantity', "You cannot add &quot;$name&quot; with a quantity less than or equal to 0 to the cart." );
	}
	if ( ! $product->is_purchasable() ) {
		return wc_double_error( 'product_not_purchasable', "&quot;$name&quot; is not available for purchase." );
	}
	if ( ! $product->is_in_stock() ) {
		return wc_double_error( 'product_out_of_stock', "&quot;$name&quot; is out of stock and cannot be purchased." );
	}
	if ( ! $product->has_enough_stock( WC()->cart->quantity_of( $product->get_id() ) + $quantity ) ) {
		$left = $product->get_stock_quantity();
		return wc_double_error( 'product_partially_out_of_stock', "You cannot add that amount of &quot;$name&quot; to the cart because there is not enough stock ($left remaining)." );
	}
	WC()->cart->add_to_cart( $product->get_id(), $quantity );
	return new WP_REST_Response( wc_double_cart_json(), 201 );
}

function wc_double_take_addresses( WP_REST_Request $request ) {
	foreach ( array( 'billing', 'shipping' ) as $kind ) {
		if ( is_array( $request[ $kind . '_address' ] ) ) {
			WC()->cart->set_address( $kind, wc_clean( $request[ $kind . '_address' ] ) );
		}
	}
}

function wc_double_api_customer( WP_REST_Request $request ) {
	wc_double_take_addresses( $request );
	return wc_double_cart_json();
}

function wc_double_api_rate( WP_REST_Request $request ) {
	WC()->cart->choose_rate( $request['rate_id'] );
	return wc_double_cart_json();
}

function wc_double_api_checkout( WP_REST_Request $request ) {
	$cart = WC()->cart;
	if ( $cart->is_empty() ) {
		return wc_double_error( 'cart_empty', 'Cannot place an order, your cart is empty.', 409, array( 'cart' => wc_double_cart_json() ) );
	}
	wc_double_take_addresses( $request );
	do_action( 'woocommerce_store_api_checkout_update_customer_from_request', new WC_Customer(), $request );
	$draft = wc_get_order( (int) WC()->session->get( 'store_api_draft_order', 0 ) );
	$order = $draft && $draft->has_status( 'checkout-draft' ) ? $draft : new WC_Order();
	$order->set_created_via( 'store-api' );
	$order->set_status( 'checkout-draft' );
	wc_double_fill_order( $order, $cart );
	WC()->session->set( 'store_api_draft_order', $order->save() );
	$order->save();
	if ( $order !== $draft ) {
		do_action( 'woocommerce_store_api_checkout_order_created', $order );
	}
	do_action( 'woocommerce_store_api_checkout_update_order_meta', $order );
	$order->save();
	$order->set_customer_note( (string) $request['customer_note'] );
	$order->set_payment_method( (string) $request['payment_method'] );
	$gateway = WC()->payment_gateways()->get_available_payment_gateways()[ (string) $request['payment_method'] ] ?? null;
	$order->set_payment_method_title( $gateway ? $gateway->get_title() : '' );
	do_action( 'woocommerce_store_api_checkout_update_order_from_request', $order, $request );
	$order->save();
	$refused = wc_double_check_order( $cart, $gateway );
	return $refused ?? wc_double_api_pay( $order, $gateway, $request );
}

/** @return WP_Error|null */
function wc_double_check_order( WC_Cart $cart, $gateway ) {
	$billing  = $cart->address( 'billing' );
	$shipping = $cart->address( 'shipping' );
	if ( $cart->needs_shipping() && ! $cart->rate() ) {
		return wc_double_error( 'invalid_shipping_option', 'Sorry, this order requires a shipping option.' );
	}
	if ( ! is_email( $billing['email'] ) ) {
		return wc_double_error( 'missing_email', 'Billing email address is required.' );
	}
	$errors = array_filter( array( 'shipping' => $cart->needs_shipping() ? wc_double_address_errors( $shipping ) : array(), 'billing' => wc_double_address_errors( $billing ) ) );
	if ( $errors ) {
		$kind = array_key_first( $errors );
		return wc_double_error( 'invalid_address', "There was a problem with the provided $kind address: " . implode( ', ', $errors[ $kind ] ), 400, array( 'errors' => $errors ) );
	}
	$short = wc_double_short_of( $cart );
	if ( null !== $short ) {
		return new WP_Error( 'woocommerce_product_not_enough_stock', "Not enough units of $short are available in stock to fulfil this order.", array( 'status' => 403 ) );
	}
	return $gateway ? null : wc_double_error( 'checkout_missing_payment_method', 'No payment method provided.' );
}

function wc_double_api_pay( WC_Order $order, WC_Payment_Gateway $gateway, WP_REST_Request $request ) {
	do_action( 'woocommerce_checkout_validate_order_before_payment', $order, new WP_Error() );
	$order->save();
	$order->update_status( 'pending' );
	do_action( 'woocommerce_store_api_checkout_order_processed', $order );
	do_action( 'woocommerce_rest_checkout_process_payment_with_context', array( 'order' => $order, 'request' => $request ) );
	$paid  = $gateway->process_payment( $order->get_id() );
	$order = wc_get_order( $order->get_id() );
	$order->save();
	WC()->session->set( 'store_api_draft_order', 0 );
	return wc_double_order_json( $order, $paid );
}
