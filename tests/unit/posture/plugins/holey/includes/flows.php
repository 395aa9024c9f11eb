<?php
defined( 'ABSPATH' ) || exit;

function holey_sql() {
	global $wpdb;
	$id = $_GET['id'];
	return $wpdb->get_results( "SELECT * FROM {$wpdb->prefix}orders WHERE id = $id" );
}
function holey_sql_tamed() {
	global $wpdb;
	$id = absint( $_GET['id'] );
	return $wpdb->get_results( "SELECT * FROM {$wpdb->prefix}orders WHERE id = $id" ) + $wpdb->get_results( $wpdb->prepare( 'SELECT %d', $_GET['id'] ) );
}
function holey_file( $request ) { return file_get_contents( $request->get_param( 'path' ) ); }
function holey_body() { return file_get_contents( 'php://input' ); }
function holey_object() { return unserialize( $_COOKIE['cart'] ); }
function holey_code() { eval( $_POST['code'] ); call_user_func( 'holey_hello', $_GET['x'] ); }
function holey_url() { return wp_remote_get( $_GET['url'] ); }
function holey_llm() { return wp_remote_post( 'https://api.openai.com/v1/chat/completions' ) . 'http://localhost:11434/api/chat'; }
