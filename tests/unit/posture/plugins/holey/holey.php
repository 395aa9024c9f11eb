<?php
/**
 * Plugin Name: Holey
 * Version: 2.3.1
 * Requires Plugins: woocommerce
 * Description: Every kind of hole that the assessment knows, and its harmless twin. Never loaded by anything.
 */

defined( 'ABSPATH' ) || exit;

class Holey {
	public function register() {
		register_rest_route( 'holey/v1', '/orders', array( 'methods' => 'GET', 'permission_callback' => '__return_true', 'callback' => array( $this, 'orders' ) ) );
		register_rest_route( 'holey/v1', '/none', array( 'callback' => array( $this, 'hello' ) ) );
		register_rest_route( 'holey/v1', '/closure', array( 'permission_callback' => fn() => true, 'callback' => array( $this, 'hello' ) ) );
		register_rest_route( 'holey/v1', '/inside', array( 'permission_callback' => '__return_true', 'callback' => array( $this, 'asks' ) ) );
		register_rest_route( 'holey/v1', '/closed', array( 'permission_callback' => array( $this, 'may' ), 'callback' => array( $this, 'orders' ) ) );
		register_rest_route( 'holey/v1', '/two', array( array( 'methods' => 'GET', 'permission_callback' => '__return_true', 'callback' => 'holey_hello' ), array( 'methods' => 'POST', 'permission_callback' => array( $this, 'may' ), 'callback' => 'holey_hello' ) ) );
		register_rest_route( 'holey/v1', '/webhook', array( 'permission_callback' => '__return_true', 'callback' => array( $this, 'hello' ) ) );
		add_action( 'wp_ajax_nopriv_holey_export', array( $this, 'export' ) );
		add_action( 'wp_ajax_nopriv_holey_safe', array( $this, 'safe' ) );
		add_action( 'wp_ajax_nopriv_holey_wrapped', array( $this, 'wrapped' ) );
		add_action( 'wp_ajax_nopriv_' . $this->name, array( $this, 'hello' ) );
		add_action( 'woocommerce_api_holey', array( $this, 'hello' ) );
		wp_schedule_event( time(), 'hourly', 'holey_digest' );
		as_enqueue_async_action( 'holey_work', array() );
		add_shortcode( 'holey', 'holey_hello' );
	}
	public function may() { return current_user_can( 'manage_woocommerce' ); }
	public function orders() { return holey_all(); }
	public function hello() { return 'hello'; }
	public function asks() { if ( ! is_user_logged_in() ) { return null; } return wc_get_orders( array() ); }
	public function export() { echo wp_json_encode( get_users() ); }
	public function safe() { check_ajax_referer( 'holey' ); echo wp_json_encode( get_users() ); }
	public function wrapped() { $this->verify_nonce_of_ours(); echo 1; }
	private function verify_nonce_of_ours() { wp_verify_nonce( $_POST['n'] ?? '', 'holey' ); }
}

function holey_hello() { return 'hello'; }

// Two calls away from the route.
function holey_all() { return wc_get_orders( array( 'limit' => -1 ) ); }
