<?php
/**
 * Orders for shop managers: wc/v3/orders and wc/v3/orders/{id}, read only.
 */

defined( 'ABSPATH' ) || exit;

function wc_double_register_rest_orders() {
	$may = function ( $request ) {
		$allowed = apply_filters( 'woocommerce_rest_check_permissions', current_user_can( 'read_private_shop_orders' ), 'read', (int) ( $request['id'] ?? 0 ), 'shop_order' );
		return $allowed ? true : new WP_Error( 'woocommerce_rest_cannot_view', isset( $request['id'] ) ? 'Sorry, you cannot view this resource.' : 'Sorry, you cannot list resources.', array( 'status' => rest_authorization_required_code() ) );
	};
	register_rest_route( 'wc/v3', '/orders', array( 'methods' => 'GET', 'callback' => 'wc_double_rest_list', 'permission_callback' => $may ) );
	register_rest_route( 'wc/v3', '/orders/(?P<id>[\d]+)', array( 'methods' => 'GET', 'callback' => 'wc_double_rest_get', 'permission_callback' => $may ) );
}

function wc_double_rest_order( WC_Order $order ) {
	$lines = array();
	foreach ( $order->get_items() as $item ) {
		$lines[] = array( 'name' => $item->get_name(), 'product_id' => $item->get_product_id(), 'quantity' => $item->get_quantity(), 'total' => $item->get_total() );
	}
	return array(
		'id'             => $order->get_id(),
		'number'         => $order->get_order_number(),
		'status'         => $order->get_status(),
		'currency'       => $order->get_currency(),
		'total'          => $order->get_total(),
		'customer_id'    => $order->get_customer_id(),
		'payment_method' => $order->get_payment_method(),
		'created_via'    => $order->get_created_via(),
		'billing'        => $order->get_address( 'billing' ),
		'shipping'       => $order->get_address( 'shipping' ),
		'line_items'     => $lines,
	);
}

function wc_double_rest_list( WP_REST_Request $request ) {
	$limit = min( 100, max( 1, (int) ( $request['per_page'] ?? 10 ) ) );
	return array_map( 'wc_double_rest_order', wc_get_orders( array( 'limit' => $limit, 'paged' => max( 1, (int) ( $request['page'] ?? 1 ) ), 'status' => $request['status'] ?? 'any' ) ) );
}

function wc_double_rest_get( WP_REST_Request $request ) {
	$order = wc_get_order( $request['id'] );
	return $order ? wc_double_rest_order( $order ) : new WP_Error( 'woocommerce_rest_shop_order_invalid_id', 'Invalid ID.', array( 'status' => 404 ) );
}
