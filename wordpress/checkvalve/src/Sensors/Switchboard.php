<?php
namespace Checkvalve\Sensors;

use Checkvalve\People\Register;
use Checkvalve\Recorder;

/**
 * Connects the hooks with the sensors. The file of a sensor is loaded when one of its hooks fires for the first time: most
 * requests meet few of them. `docs/plugin.md` gives the reason for each hook and priority.
 */
final class Switchboard {

	/** Sensor => hook => method, priority, number of arguments. */
	const HOOKS = array(
		LogIns::class => array(
			'wp_login'        => array( 'logged_in', 10, 2 ),
			'wp_login_failed' => array( 'failed', 10, 1 ),
			'wp_logout'       => array( 'logged_out', 10, 1 ),
		),
		Credentials::class => array(
			'wp_create_application_password'             => array( 'made', 10, 2 ),
			'wp_update_application_password'             => array( 'altered', 10, 2 ),
			'wp_delete_application_password'             => array( 'deleted', 10, 2 ),
			'application_password_did_authenticate'      => array( 'used', 10, 2 ),
			'application_password_failed_authentication' => array( 'refused', 10, 1 ),
			'wp_set_password'                            => array( 'set', 10, 3 ),
			'profile_update'                             => array( 'updated', 10, 2 ),
			'password_reset'                             => array( 'reset', 10, 1 ),
			'retrieve_password'                          => array( 'asked', 10, 1 ),
		),
		Users::class => array(
			'user_register'    => array( 'created', 10, 1 ),
			'deleted_user'     => array( 'deleted', 10, 1 ),
			'add_user_role'    => array( 'given', 10, 2 ),
			'remove_user_role' => array( 'taken', 10, 2 ),
			'set_user_role'    => array( 'set', 10, 3 ),
		),
		Options::class => array(
			'added_option'   => array( 'added', 10, 2 ),
			'updated_option' => array( 'changed', 10, 3 ),
			'deleted_option' => array( 'deleted', 10, 1 ),
		),
		Plugins::class => array(
			'activated_plugin'          => array( 'enabled', 10, 1 ),
			'deactivated_plugin'        => array( 'disabled', 10, 1 ),
			'delete_plugin'             => array( 'leaving', 10, 1 ),
			'deleted_plugin'            => array( 'removed', 10, 2 ),
			'upgrader_process_complete' => array( 'upgraded', 10, 2 ),
		),
		Themes::class => array(
			'switch_theme'               => array( 'switched', 10, 3 ),
			'deleted_theme'              => array( 'removed', 10, 2 ),
			'upgrader_process_complete'  => array( 'upgraded', 10, 2 ),
			'_core_updated_successfully' => array( 'core', 10, 1 ),
		),
		FileEdits::class => array(
			'wp_ajax_edit-theme-plugin-file' => array( 'begins', PHP_INT_MIN, 0 ),
			'load-theme-editor.php'          => array( 'begins', PHP_INT_MIN, 0 ),
			'load-plugin-editor.php'         => array( 'begins', PHP_INT_MIN, 0 ),
		),
		Exports::class => array(
			'export_wp'                                      => array( 'content', 10, 1 ),
			'wp_privacy_personal_data_export_file_created'   => array( 'person', 10, 4 ),
			'wp_privacy_personal_data_erased'                => array( 'erased', 10, 1 ),
			'woocommerce_privacy_remove_order_personal_data' => array( 'order', 10, 1 ),
			'woocommerce_product_export_product_query_args'  => array( 'products', 10, 1 ),
			'woocommerce_admin_export_id'                    => array( 'report', PHP_INT_MAX, 1 ),
		),
		CronJobs::class => array(
			'schedule_event' => array( 'scheduled', PHP_INT_MAX, 1 ),
		),
		AjaxRequests::class => array(
			'admin_init'        => array( 'admin', PHP_INT_MAX, 0 ),
		),
		XmlRpc::class => array(
			'xmlrpc_call' => array( 'called', 10, 1 ),
		),
		Mails::class => array(
			'wp_mail_failed' => array( 'failed', 10, 1 ),
		),
		ShopOrders::class => array(
			'woocommerce_new_order'            => array( 'created', 10, 2 ),
			'woocommerce_order_status_changed' => array( 'changed', 10, 4 ),
			'woocommerce_payment_complete'     => array( 'paid', 10, 1 ),
		),
		Refunds::class => array(
			'woocommerce_order_refunded'      => array( 'refunded', 10, 2 ),
			'woocommerce_refund_deleted'      => array( 'taken_back', 10, 2 ),
			'woocommerce_before_trash_order'  => array( 'trashed', 10, 2 ),
			'woocommerce_before_delete_order' => array( 'deleted', 10, 2 ),
		),
		Goods::class => array(
			'woocommerce_new_coupon'          => array( 'coupon_made', 10, 2 ),
			'woocommerce_update_coupon'       => array( 'coupon_changed', 10, 2 ),
			'woocommerce_delete_coupon'       => array( 'coupon_deleted', 10, 1 ),
			'woocommerce_trash_coupon'        => array( 'coupon_deleted', 10, 1 ),
			'woocommerce_product_set_stock'   => array( 'stock', 10, 1 ),
			'woocommerce_variation_set_stock' => array( 'stock', 10, 1 ),
			'woocommerce_download_product'    => array( 'downloaded', 10, 6 ),
		),
		Webhooks::class => array(
			'woocommerce_new_webhook'      => array( 'made', 10, 1 ),
			'woocommerce_webhook_updated'  => array( 'changed', 10, 1 ),
			'woocommerce_webhook_deleted'  => array( 'deleted', 10, 1 ),
			'woocommerce_webhook_delivery' => array( 'delivered', 10, 5 ),
		),
		ApiKeys::class => array(
			'woocommerce_disable_rest_api_access_log' => array( 'used', PHP_INT_MAX, 3 ),
		),
		Reads::class => array(
			'rest_post_dispatch'                                 => array( 'answered', PHP_INT_MAX, 3 ),
			'woocommerce_admin_order_buyer_name'                 => array( 'row', 10, 2 ),
			'woocommerce_admin_order_data_after_billing_address' => array( 'page', 10, 1 ),
			'woocommerce_admin_order_preview_get_order_details'  => array( 'row', 10, 2 ),
			'woocommerce_json_search_found_customers'            => array( 'found', PHP_INT_MAX, 1 ),
			'user_row_actions'                                   => array( 'user', 10, 2 ),
			'edit_user_profile'                                  => array( 'profile', 10, 1 ),
		),
		RestRequests::class => array(
			'rest_post_dispatch' => array( 'served', PHP_INT_MAX, 3 ),
		),
		LlmCalls::class => array(
			'http_api_debug' => array( 'answered', 10, 5 ),
		),
		AiCalls::class => array(
			'wp_ai_client_before_generate_result' => array( 'asked', 10, 1 ),
			'wp_ai_client_after_generate_result'  => array( 'answered', 10, 1 ),
			'wp_before_execute_ability'           => array( 'ability_begins', 10, 1 ),
			'wp_after_execute_ability'            => array( 'ability', 10, 3 ),
			'mcp_adapter_pre_tool_call'           => array( 'tool', PHP_INT_MAX, 2 ),
			'mwai_ai_query'                       => array( 'engine_asked', PHP_INT_MAX, 1 ),
			'mwai_ai_reply'                       => array( 'engine_answered', PHP_INT_MAX, 2 ),
		),
		OtherLogs::class => array(
			'wordfence_security_event'           => array( 'wordfence', 10, 2 ),
			'wordfence_created_ip_pattern_block' => array( 'wordfence_block', 10, 3 ),
			'wordfence_deleted_block'            => array( 'wordfence_unblock', 10, 3 ),
			'itsec_log_add'                      => array( 'solid', 10, 2 ),
			'aiowps_record_event'                => array( 'aios', 10, 4 ),
			'aiowps_bulk_record_events'          => array( 'aios_many', 10, 1 ),
			'aiowps_lockdown_event'              => array( 'aios_lockout', 10, 2 ),
			'wsal_logged_alert'                  => array( 'activity_log', 10, 3 ),
			'simple_history/log/inserted'        => array( 'simple_history', 10, 2 ),
		),
		People::class => array(
			'user_register'               => array( 'customer', 20, 1 ),
			'profile_update'              => array( 'customer', 20, 1 ),
			'deleted_user'                => array( 'customer', 20, 1 ),
			'woocommerce_update_customer' => array( 'customer', 20, 1 ),
			'woocommerce_new_customer'    => array( 'customer', 20, 1 ),
			'updated_user_meta'           => array( 'meta', 20, 3 ),
			'added_user_meta'             => array( 'meta', 20, 3 ),
			'woocommerce_new_order'       => array( 'order', 20, 2 ),
			'woocommerce_update_order'    => array( 'order', 20, 2 ),
		),
	);

	/** @var Recorder */
	private $recorder;

	/** @var callable(): Register */
	private $register;

	/** @var array<string, Sensor> Those that have been needed in this request. */
	private $sensors = array();

	/** @param callable(): Register $register */
	public function __construct( Recorder $recorder, callable $register ) {
		$this->recorder = $recorder;
		$this->register = $register;
	}

	public function set_up(): void {
		foreach ( self::HOOKS as $class => $hooks ) {
			foreach ( $hooks as $hook => list( $method, $priority, $arguments ) ) {
				$this->connect( $hook, $class, $method, $priority, $arguments );
			}
		}
		if ( wp_doing_cron() ) {
			$this->connect( 'wp_loaded', CronJobs::class, 'due', PHP_INT_MAX, 0 );
		}
		if ( ! empty( $_GET['wc-ajax'] ) ) { // phpcs:ignore
			$this->connect( 'template_redirect', AjaxRequests::class, 'shop', PHP_INT_MIN, 0 );
		}
		add_filter( 'query', array( $this, 'query' ) );
		add_action( 'shutdown', array( $this, 'end' ), PHP_INT_MAX - 2 );
	}

	/**
	 * Runs for every query of the shop, so it looks at one word.
	 *
	 * @param mixed $sql
	 * @return mixed
	 */
	public function query( $sql ) {
		if ( is_string( $sql ) && false !== strpos( $sql, 'woocommerce_api_keys' ) ) {
			$this->call( ApiKeys::class, 'query', array( $sql ) );
		}
		return $sql;
	}

	/** The request ends: what was counted is told. */
	public function end(): void {
		foreach ( array_keys( $this->sensors ) as $class ) {
			$this->call( $class, 'ended', array() );
		}
	}

	/** Listen on an action or filter. The first argument always passes on unchanged. */
	private function connect( string $hook, string $class, string $method, int $priority, int $arguments ): void {
		$callback = function ( ...$given ) use ( $class, $method ) {
			$this->call( $class, $method, $given );
			return $given[0] ?? null;
		};
		add_filter( $hook, $callback, $priority, $arguments );
	}

	private function call( string $class, string $method, array $given ): void {
		$this->recorder->guarded(
			$class,
			function () use ( $class, $method, $given ) {
				$this->sensor( $class )->$method( ...$given );
			}
		);
	}

	private function sensor( string $class ): Sensor {
		if ( ! isset( $this->sensors[ $class ] ) ) {
			$this->sensors[ $class ] = People::class === $class ? new People( $this->recorder, ( $this->register )() ) : new $class( $this->recorder );
		}
		return $this->sensors[ $class ];
	}
}
