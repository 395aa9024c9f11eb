<?php
/**
 * Finding and making orders.
 */

defined( 'ABSPATH' ) || exit;

function wc_double_item( array $data ) {
	return 'shipping' === $data['type'] ? new WC_Order_Item_Shipping( $data ) : new WC_Order_Item_Product( $data );
}

/** @return WC_Order|false */
function wc_get_order( $id = false ) {
	if ( $id instanceof WC_Order ) {
		return $id;
	}
	if ( WC_Order_Refund::TYPE === get_post_type( (int) $id ) ) {
		return new WC_Order_Refund( (int) $id );
	}
	try {
		return (int) $id > 0 ? new WC_Order( (int) $id ) : false;
	} catch ( Exception $error ) {
		return false;
	}
}

/** @return WC_Order */
function wc_create_order( array $arguments = array() ) {
	$order = new WC_Order();
	$order->set_status( $arguments['status'] ?? 'pending' );
	$order->set_customer_id( $arguments['customer_id'] ?? 0 );
	$order->set_created_via( $arguments['created_via'] ?? '' );
	$order->save();
	return $order;
}

/** @return WC_Order[]|int[] Statuses may be written with or without wc-. Drafts are left out unless they are asked for. */
function wc_get_orders( array $arguments = array() ) {
	global $wpdb;
	$arguments += array( 'limit' => 10, 'paged' => 1, 'orderby' => 'date', 'order' => 'DESC', 'status' => null, 'type' => 'shop_order', 'return' => 'objects' );
	if ( ! in_array( 'shop_order', (array) $arguments['type'], true ) ) {
		return array();
	}
	$where    = array( '1 = 1' );
	$statuses = null === $arguments['status'] || 'any' === $arguments['status'] ? array_diff( array_keys( wc_get_order_statuses() ), array( 'wc-checkout-draft' ) ) : (array) $arguments['status'];
	$statuses = array_map( fn( $status ) => 'wc-' . preg_replace( '/^wc-/', '', $status ), $statuses );
	$where[]  = $wpdb->prepare( 'status IN (' . implode( ',', array_fill( 0, count( $statuses ), '%s' ) ) . ')', $statuses );
	if ( isset( $arguments['customer_id'] ) ) {
		$where[] = $wpdb->prepare( 'customer_id = %d', $arguments['customer_id'] );
	}
	$email = $arguments['billing_email'] ?? ( is_email( $arguments['customer'] ?? '' ) ? $arguments['customer'] : null );
	if ( null !== $email ) {
		$where[] = $wpdb->prepare( 'billing_email = %s', $email );
	}
	$by    = 'date' === $arguments['orderby'] ? 'date_created_gmt %1$s, id %1$s' : 'id %1$s';
	$by    = sprintf( $by, 'ASC' === strtoupper( $arguments['order'] ) ? 'ASC' : 'DESC' );
	$limit = (int) $arguments['limit'];
	$page  = $limit > 0 ? $wpdb->prepare( ' LIMIT %d OFFSET %d', $limit, $limit * ( max( 1, (int) $arguments['paged'] ) - 1 ) ) : '';
	$ids   = array_map( 'intval', $wpdb->get_col( "SELECT id FROM {$wpdb->prefix}wc_orders WHERE " . implode( ' AND ', $where ) . " ORDER BY $by$page" ) );
	return 'ids' === $arguments['return'] ? $ids : array_map( 'wc_get_order', $ids );
}

/** @return object[] Notes of one order, the newest first. */
function wc_get_order_notes( array $arguments ) {
	$notes = get_comments( array( 'post_id' => (int) $arguments['order_id'], 'type' => 'order_note', 'orderby' => 'comment_ID', 'order' => 'DESC' ) );
	return array_map( fn( $note ) => (object) array( 'id' => (int) $note->comment_ID, 'content' => $note->comment_content ), $notes );
}

/** @return int|WP_Error */
function wc_create_new_customer( $email, $login = '', $password = '' ) {
	$data = array( 'user_login' => $login ? $login : strtok( $email, '@' ), 'user_pass' => $password ? $password : wp_generate_password(), 'user_email' => $email, 'role' => 'customer' );
	$id   = wp_insert_user( $data );
	if ( ! is_wp_error( $id ) ) {
		do_action( 'woocommerce_created_customer', $id, $data, '' === $password );
	}
	return $id;
}
