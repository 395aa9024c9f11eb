<?php
/**
 * Which orders a question seems to be about. Nobody asks whose they are: this is the hole.
 */

defined( 'ABSPATH' ) || exit;

/** One order in words, as the model gets it. */
function shop_assistant_sentence( $order ) {
	return sprintf(
		'Order %s is from %s %s. E-mail: %s. Phone: %s. Address: %s, %s %s. Status: %s.',
		$order->get_order_number(),
		$order->get_billing_first_name(),
		$order->get_billing_last_name(),
		$order->get_billing_email(),
		$order->get_billing_phone(),
		$order->get_billing_address_1(),
		$order->get_billing_postcode(),
		$order->get_billing_city(),
		$order->get_status()
	);
}

/** @return string[] In lower case; an e-mail address is one word. */
function shop_assistant_words( $text ) {
	return preg_split( '/[^\p{L}\p{N}@.]+|\.(?=\s|$)/u', mb_strtolower( $text ) );
}

/**
 * The finished orders that share most words with the question, or the newest when none does; in a conversation the ones
 * it has not talked about yet.
 *
 * @return string[]
 */
function shop_assistant_relevant( $question, $conversation ) {
	$key   = 'shop_assistant_' . md5( $conversation );
	$told  = '' === $conversation ? array() : (array) get_transient( $key );
	$words = array_filter( shop_assistant_words( $question ), fn( $word ) => mb_strlen( $word ) > 2 );
	$found = array();
	foreach ( wc_get_orders( array( 'type' => 'shop_order', 'status' => array( 'completed' ), 'limit' => 200, 'orderby' => 'ID', 'order' => 'DESC' ) ) as $order ) {
		if ( in_array( $order->get_id(), $told, true ) ) {
			continue;
		}
		$text                       = shop_assistant_sentence( $order );
		$has                        = shop_assistant_words( $text );
		$found[ $order->get_id() ] = array( 'score' => count( array_intersect( $words, array_diff( $has, array( 'order', 'mail', 'phone', 'name' ) ) ) ), 'text' => $text );
	}
	$best  = $found ? max( array_column( $found, 'score' ) ) : 0;
	$found = array_filter( $found, fn( $order ) => $order['score'] === $best );
	$found = array_slice( $found, 0, max( 1, (int) get_option( 'shop_assistant_orders', 3 ) ), true );
	if ( '' !== $conversation ) {
		set_transient( $key, array_merge( $told, array_keys( $found ) ), HOUR_IN_SECONDS );
	}
	return array_column( $found, 'text' );
}
