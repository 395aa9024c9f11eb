<?php
/**
 * The main object, and what is installed on activation.
 */

defined( 'ABSPATH' ) || exit;

/**
 * One instance, had by WC().
 */
final class WooCommerce {

	/** @var string */
	public $version = WC_VERSION;

	/** @var WC_Session_Handler|null */
	public $session = null;

	/** @var WC_Cart|null */
	public $cart = null;

	/** @var WC_Payment_Gateways|null */
	private $gateways = null;

	/** @var WooCommerce|null */
	private static $instance = null;

	public static function instance() {
		if ( null === self::$instance ) {
			self::$instance = new self();
		}
		return self::$instance;
	}

	private function __construct() {
		add_action( 'init', array( $this, 'init' ), 0 );
		add_action( 'rest_api_init', 'wc_double_register_store_api' );
		add_action( 'rest_api_init', 'wc_double_register_rest_orders' );
		add_action( 'template_redirect', 'wc_double_ajax', 0 );
		add_shortcode( 'woocommerce_checkout', 'wc_double_checkout_page' );
		add_shortcode( 'woocommerce_cart', '__return_empty_string' );
		foreach ( array( 'processing', 'on-hold', 'completed' ) as $status ) {
			add_action( 'woocommerce_order_status_' . $status, 'wc_maybe_reduce_stock_levels', 10, 2 );
		}
		foreach ( array( 'cancelled', 'pending' ) as $status ) {
			add_action( 'woocommerce_order_status_' . $status, 'wc_maybe_increase_stock_levels', 10, 2 );
		}
		foreach ( array( 'processing', 'on-hold', 'cancelled' ) as $status ) {
			add_action( 'woocommerce_order_status_pending_to_' . $status, 'wc_double_mail', 10, 2 );
		}
		foreach ( array( 'processing', 'on-hold' ) as $status ) {
			add_action( 'woocommerce_order_status_' . $status . '_to_cancelled', 'wc_double_mail', 10, 2 );
		}
	}

	public function init() {
		do_action( 'before_woocommerce_init' );
		register_post_type(
			'product',
			array(
				'public'      => true,
				'has_archive' => 'shop',
				'rewrite'     => array( 'slug' => 'product' ),
				'label'       => 'Products',
			)
		);
		register_post_type( 'shop_order_placehold', array( 'public' => false ) );
		if ( ! is_admin() || wp_doing_ajax() ) {
			$this->session = new WC_Session_Handler();
			$this->cart    = new WC_Cart( $this->session );
		}
		do_action( 'woocommerce_init' );
	}

	public function payment_gateways() {
		if ( null === $this->gateways ) {
			$this->gateways = new WC_Payment_Gateways();
		}
		return $this->gateways;
	}

	public function is_rest_api_request() {
		return false !== strpos( $_SERVER['REQUEST_URI'] ?? '', '/' . rest_get_url_prefix() . '/' ) || isset( $_GET['rest_route'] );
	}

	public static function install() {
		global $wpdb;
		require_once ABSPATH . 'wp-admin/includes/upgrade.php';
		dbDelta( "CREATE TABLE {$wpdb->prefix}wc_orders (id bigint(20) unsigned NOT NULL, status varchar(20) NOT NULL, customer_id bigint(20) unsigned NOT NULL, billing_email varchar(320) NOT NULL, date_created_gmt datetime NOT NULL, data longtext NOT NULL, PRIMARY KEY  (id), KEY customer_id (customer_id), KEY billing_email (billing_email))" );
		dbDelta( "CREATE TABLE {$wpdb->prefix}woocommerce_sessions (session_key char(64) NOT NULL, session_value longtext NOT NULL, session_expiry bigint(20) unsigned NOT NULL, PRIMARY KEY  (session_key))" );
		dbDelta( "CREATE TABLE {$wpdb->prefix}woocommerce_api_keys (key_id bigint(20) unsigned NOT NULL auto_increment, user_id bigint(20) unsigned NOT NULL, description varchar(200) NULL, permissions varchar(10) NOT NULL, consumer_key char(64) NOT NULL, consumer_secret char(43) NOT NULL, nonces longtext NULL, truncated_key char(7) NOT NULL, last_access datetime NULL default null, PRIMARY KEY  (key_id), KEY consumer_key (consumer_key), KEY consumer_secret (consumer_secret))" );
		$role = get_role( 'administrator' );
		$role->add_cap( 'manage_woocommerce' );
		$role->add_cap( 'edit_shop_orders' );
		$role->add_cap( 'read_private_shop_orders' );
		add_role( 'shop_manager', 'Shop manager', array( 'read' => true, 'manage_woocommerce' => true, 'edit_shop_orders' => true, 'read_private_shop_orders' => true ) );
		add_role( 'customer', 'Customer', array( 'read' => true ) );
		add_option( 'woocommerce_version', WC_VERSION );
		WC()->init();
	}
}

/**
 * @return WooCommerce
 */
function WC() {
	return WooCommerce::instance();
}
