<?php
/**
 * What both checkouts share: a cart becomes an order.
 */

defined( 'ABSPATH' ) || exit;

/** The cart's lines and shipping, written into the order. */
function wc_double_fill_order( WC_Order $order, WC_Cart $cart ) {
	$order->remove_order_items();
	foreach ( $cart->get_cart() as $key => $values ) {
		$product = $values['data'];
		$data    = array( 'name' => $product->get_name(), 'product_id' => $product->get_id(), 'quantity' => $values['quantity'], 'total' => wc_format_decimal( $values['line_total'], wc_get_price_decimals() ) );
		$item    = apply_filters( 'woocommerce_checkout_create_order_line_item_object', new WC_Order_Item_Product( $data ), $key, $values, $order );
		do_action( 'woocommerce_checkout_create_order_line_item', $item, $key, $values, $order );
		$order->add_item( $item );
	}
	$rate = $cart->rate();
	if ( $rate ) {
		$item = new WC_Order_Item_Shipping( array( 'type' => 'shipping', 'name' => $rate['label'], 'method_id' => $rate['method_id'], 'total' => wc_format_decimal( $rate['cost'], wc_get_price_decimals() ) ) );
		do_action( 'woocommerce_checkout_create_order_shipping_item', $item, 0, array( 'rates' => $cart->rates() ), $order );
		$order->add_item( $item );
	}
	foreach ( array( 'billing', 'shipping' ) as $kind ) {
		$order->set_address( $cart->address( $kind ), $kind );
	}
	$order->set_customer_id( get_current_user_id() );
	$order->set_customer_ip_address( $_SERVER['REMOTE_ADDR'] ?? '' );
	$order->set_customer_user_agent( $_SERVER['HTTP_USER_AGENT'] ?? '' );
	$order->calculate_totals();
}

/** @return string|null What stands against selling the cart: the name of a product there is too little of. */
function wc_double_short_of( WC_Cart $cart ) {
	foreach ( $cart->get_cart() as $values ) {
		if ( ! $values['data']->has_enough_stock( $values['quantity'] ) ) {
			return $values['data']->get_name();
		}
	}
	return null;
}
