<?php
namespace Checkvalve\Sensors;

/**
 * Calls of admin-ajax.php, admin-post.php and ?wc-ajax= (OCSF 6003): the action if something answers to it, never what was sent; the status
 * when the request ends. The heartbeat of open windows and the cart's fragments are left out.
 */
final class AjaxRequests extends Sensor {

	const QUIET = array( 'heartbeat', 'get_refreshed_fragments', 'as_async_request_queue_runner' );

	/** @var string[] Script, prefix of the hook, action as the visitor sent it. */
	private $call = array();

	public function admin(): void {
		$script = basename( (string) ( $_SERVER['SCRIPT_NAME'] ?? '' ), '.php' );
		$script = wp_doing_ajax() ? 'admin-ajax' : $script;
		$hooks  = array( 'admin-ajax' => 'wp_ajax_', 'admin-post' => 'admin_post_' );
		if ( isset( $hooks[ $script ] ) ) {
			$this->called( $script, $hooks[ $script ], $_REQUEST['action'] ?? '' ); // phpcs:ignore
		}
	}

	public function shop(): void {
		$this->called( 'wc-ajax', 'wc_ajax_', $_GET['wc-ajax'] ?? '' ); // phpcs:ignore
	}

	/** @param mixed $action As the visitor sent it. */
	private function called( string $script, string $hook, $action ): void {
		$this->call = array( $script, $hook, is_string( $action ) ? $action : '' );
	}

	/** WordPress hooks its own actions after `admin_init`; so what answered is known only now. */
	public function ended(): void {
		if ( ! $this->call ) {
			return;
		}
		list( $script, $hook, $action ) = $this->call;
		$this->call                     = array();
		$known                          = '' !== $action && ( has_action( $hook . $action ) || has_action( $hook . 'nopriv_' . $action ) );
		if ( $known && in_array( $action, self::QUIET, true ) ) {
			return;
		}
		$method = 'POST' === ( $_SERVER['REQUEST_METHOD'] ?? '' ) ? 'POST' : 'GET';
		$this->recorder->record(
			6003,
			'POST' === $method ? 1 : 2,
			array(
				'api'           => array( 'operation' => "$method $script:" . ( $known ? substr( $action, 0, 100 ) : '…' ) ),
				'http_response' => array( 'code' => (int) http_response_code() ),
			)
		);
	}
}
