<?php
/**
 * Stock goes down when an order is taken and up again when it is cancelled, once each.
 */

defined( 'ABSPATH' ) || exit;

function wc_maybe_reduce_stock_levels( $id, $order = null ) {
	$order = $order instanceof WC_Order ? $order : wc_get_order( $id );
	if ( ! $order || $order->get_stock_reduced( 'edit' ) || ! apply_filters( 'woocommerce_payment_complete_reduce_order_stock', true, $order->get_id() ) ) {
		return;
	}
	$order->set_stock_reduced( true );
	$order->save_meta_data();
	wc_double_move_stock( $order, -1 );
	do_action( 'woocommerce_reduce_order_stock', $order );
}

function wc_maybe_increase_stock_levels( $id, $order = null ) {
	$order = $order instanceof WC_Order ? $order : wc_get_order( $id );
	if ( ! $order || ! $order->get_stock_reduced( 'edit' ) || ! apply_filters( 'woocommerce_can_restore_order_stock', true, $order ) ) {
		return;
	}
	$order->set_stock_reduced( false );
	$order->save_meta_data();
	wc_double_move_stock( $order, 1 );
	do_action( 'woocommerce_restore_order_stock', $order );
}

function wc_double_move_stock( WC_Order $order, $direction ) {
	$notes = array();
	foreach ( $order->get_items() as $item ) {
		$product = $item->get_product();
		if ( ! $product || ! $product->managing_stock() ) {
			continue;
		}
		$from    = (int) $product->get_stock_quantity();
		$to      = $from + $direction * $item->get_quantity();
		$product = wc_update_product_stock( $product, $to );
		$notes[] = $product->get_name() . ' (' . $product->get_sku() . ") $from&rarr;$to";
		if ( $direction < 0 ) {
			do_action( 'woocommerce_reduce_order_item_stock', $item, compact( 'product', 'from', 'to' ), $order );
		}
	}
	if ( $notes ) {
		$order->add_order_note( ( $direction < 0 ? 'Stock levels reduced: ' : 'Stock levels increased: ' ) . implode( ', ', $notes ) );
	}
}

/** Sets the stock in the database itself, so that no other value of the product is written back. */
function wc_update_product_stock( WC_Product $product, $quantity ) {
	update_post_meta( $product->get_id(), '_stock', (int) $quantity );
	$product->set_stock_quantity( (int) $quantity );
	do_action( 'woocommerce_product_set_stock', $product );
	return $product;
}
