<?php
defined( 'ABSPATH' ) || exit;

function holey_answer_for_all( $prompt ) {
	$key = 'holey_ai_' . md5( $prompt );
	$answer = holey_chat_completion( $prompt );
	set_transient( $key, $answer, HOUR_IN_SECONDS );
	return $answer;
}

function holey_answer_for_one( $prompt ) {
	$key = 'holey_ai_' . md5( get_current_user_id() . $prompt );
	$answer = holey_chat_completion( $prompt );
	set_transient( $key, $answer, HOUR_IN_SECONDS );
	return $answer;
}

function holey_settings_of_the_model( $settings ) {
	wp_cache_set( 'holey_llm_settings', $settings );
	set_transient( 'holey_catalogue_' . md5( $settings['locale'] ), $settings );
}
