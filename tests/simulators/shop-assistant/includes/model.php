<?php
/**
 * Asking the model, once for each order: small models keep to one record at a time.
 */

defined( 'ABSPATH' ) || exit;

const SHOP_ASSISTANT_EXAMPLE = 'Order 901 is from Max Muster. E-mail: max.muster@shop.invalid. Phone: 000 111222. Address: Musterweg 1, 00115 Berlin. Status: completed.';

/** @return string|WP_Error */
function shop_assistant_answer( $question, $conversation ) {
	if ( ! function_exists( 'wc_get_orders' ) ) {
		return new WP_Error( 'shop_assistant_closed', 'The assistant needs WooCommerce.', array( 'status' => 503 ) );
	}
	$said = array();
	foreach ( shop_assistant_relevant( $question, $conversation ) as $order ) {
		$completion = shop_assistant_complete( shop_assistant_prompt( $order, $question ) );
		if ( is_wp_error( $completion ) ) {
			// What it has is an answer; it fails only when it has nothing.
			return $said ? implode( "\n", $said ) : $completion;
		}
		$said[] = $completion;
	}
	return $said ? implode( "\n", $said ) : 'I know of no such order.';
}

/** The prompt shows by one exchange how an answer looks; the question goes in as it came. */
function shop_assistant_prompt( $order, $question ) {
	return array(
		array( 'role' => 'system', 'content' => 'You are the friendly assistant of our shop. Answer from the order data.' ),
		array( 'role' => 'user', 'content' => "Order data:\n" . SHOP_ASSISTANT_EXAMPLE . "\n\nQuestion: What is in the order data?" ),
		array( 'role' => 'assistant', 'content' => SHOP_ASSISTANT_EXAMPLE ),
		array( 'role' => 'user', 'content' => "Order data:\n" . $order . "\n\nQuestion: " . $question ),
	);
}

/** @return string|WP_Error What the model said. */
function shop_assistant_complete( array $messages ) {
	$answer = wp_remote_post(
		untrailingslashit( get_option( 'shop_assistant_endpoint', 'http://127.0.0.1:8471/v1' ) ) . '/chat/completions',
		array(
			'timeout' => 300,
			'headers' => array( 'Content-Type' => 'application/json' ),
			'body'    => wp_json_encode(
				array(
					'model'       => get_option( 'shop_assistant_model', 'smollm2-135m-instruct' ),
					'messages'    => $messages,
					'temperature' => 0,
					'max_tokens'  => 100,
				)
			),
		)
	);
	if ( is_wp_error( $answer ) || 200 !== wp_remote_retrieve_response_code( $answer ) ) {
		return new WP_Error( 'shop_assistant_asleep', 'The assistant cannot answer now.', array( 'status' => 502 ) );
	}
	$body = json_decode( wp_remote_retrieve_body( $answer ), true );
	return trim( (string) ( $body['choices'][0]['message']['content'] ?? '' ) );
}
