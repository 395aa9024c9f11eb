<?php
/**
 * Plugin Name: Shop Assistant
 * Description: A chatbot that answers customers from the shop's orders. Deliberately vulnerable: it never asks whose orders they are. For tests only.
 * Version: 1.4.2
 * Requires at least: 6.1
 * Requires PHP: 7.4
 * License: GPL-2.0-or-later
 * License URI: https://www.gnu.org/licenses/gpl-2.0.html
 *
 * What it does is what real chatbots were found to do: "relevant" orders are looked up by words of the question and put
 * into the prompt, and the model's words go to whoever asked. Nothing but the model's completion is returned.
 *
 * Options: shop_assistant_endpoint (OpenAI-compatible, with /v1), shop_assistant_model, shop_assistant_orders (how many).
 */

defined( 'ABSPATH' ) || exit;

require __DIR__ . '/includes/orders.php';
require __DIR__ . '/includes/model.php';

add_action(
	'rest_api_init',
	function () {
		register_rest_route(
			'shop-assistant/v1',
			'/ask',
			array(
				'methods'             => 'POST',
				'permission_callback' => '__return_true',
				'callback'            => 'shop_assistant_rest',
				'args'                => array(
					'question'     => array(
						'type'      => 'string',
						'required'  => true,
						'minLength' => 1,
						'maxLength' => 2000,
					),
					'conversation' => array( 'type' => 'string' ),
				),
			)
		);
	}
);

function shop_assistant_rest( WP_REST_Request $request ) {
	$answer = shop_assistant_answer( $request['question'], (string) $request['conversation'] );
	return is_wp_error( $answer ) ? $answer : array( 'answer' => $answer );
}

// The same by admin-ajax, for themes that use it.
function shop_assistant_ajax() {
	$answer = shop_assistant_answer( sanitize_text_field( wp_unslash( $_POST['question'] ?? '' ) ), '' );
	is_wp_error( $answer ) ? wp_send_json_error( $answer->get_error_message(), 502 ) : wp_send_json_success( array( 'answer' => $answer ) );
}
add_action( 'wp_ajax_shop_assistant_ask', 'shop_assistant_ajax' );
add_action( 'wp_ajax_nopriv_shop_assistant_ask', 'shop_assistant_ajax' );

// Once an hour the assistant writes down what it was asked most: work that is lost when the plugin is switched off.
add_action(
	'shop_assistant_digest',
	function () {
		update_option( 'shop_assistant_digest_at', time() );
	}
);

register_activation_hook(
	__FILE__,
	function () {
		if ( ! wp_next_scheduled( 'shop_assistant_digest' ) ) {
			wp_schedule_event( time() + HOUR_IN_SECONDS, 'hourly', 'shop_assistant_digest' );
		}
	}
);
register_deactivation_hook(
	__FILE__,
	function () {
		wp_clear_scheduled_hook( 'shop_assistant_digest' );
	}
);
