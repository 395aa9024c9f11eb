<?php
/**
 * The assistant for shops with "plain" pages: a file of its own that loads WordPress itself. WordPress's switches for
 * plugins do not reach it, which is why it is here.
 */

require dirname( __DIR__, 3 ) . '/wp-load.php';
require_once __DIR__ . '/includes/orders.php';
require_once __DIR__ . '/includes/model.php';

$shop_assistant_said = shop_assistant_answer( sanitize_text_field( wp_unslash( $_REQUEST['question'] ?? '' ) ), '' );
is_wp_error( $shop_assistant_said ) ? wp_send_json( array( 'error' => $shop_assistant_said->get_error_message() ), 502 ) : wp_send_json( array( 'answer' => $shop_assistant_said ) );
