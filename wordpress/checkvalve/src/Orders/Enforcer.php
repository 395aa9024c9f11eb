<?php
namespace Checkvalve\Orders;

/**
 * Puts the orders in force into effect for this request. Runs in the must-use loader, before any plugin is loaded; decides
 * by the shop's clock, so an order ends at its expiry whether or not anybody says so.
 */
final class Enforcer {

	/** @var string[] Basenames of isolated plugins. */
	private static $plugins = array();

	/** @var string[] Blocked routes. */
	private static $routes = array();

	/** @var bool Something about the state needs work when this request has ended. */
	private static $untidy = false;

	public static function start( int $now ): void {
		if ( StateFile::nothing_in_force() ) {
			return;
		}
		$expected = StateFile::expected();
		$orders   = StateFile::read( $expected );
		if ( null === $orders ) {
			$orders       = self::from_database();
			self::$untidy = StateFile::IN_DATABASE !== $expected;
		}
		foreach ( $orders as $order ) {
			if ( (int) $order['exp'] <= $now ) {
				self::$untidy = true;
			} elseif ( 'isolate_plugin' === $order['action'] ) {
				self::$plugins[] = (string) $order['target'];
			} elseif ( 'block_route' === $order['action'] ) {
				self::$routes[] = (string) $order['target'];
			}
		}
		self::hook();
	}

	/** Whether an order has expired or the state file is not what it should be. */
	public static function untidy(): bool {
		return self::$untidy;
	}

	/**
	 * @param mixed $active
	 * @return mixed
	 */
	public static function without_isolated( $active ) {
		return is_array( $active ) ? array_values( array_diff( $active, self::$plugins ) ) : $active;
	}

	/** Whoever reads the list after the plugins are loaded may write it back, and must see all of it. */
	public static function stop_filtering(): void {
		remove_filter( 'option_active_plugins', array( self::class, 'without_isolated' ), PHP_INT_MAX );
	}

	/**
	 * @param mixed            $result
	 * @param \WP_REST_Server  $server
	 * @param \WP_REST_Request $request
	 * @return mixed
	 */
	public static function block_route( $result, $server, $request ) {
		foreach ( self::$routes as $route ) {
			if ( Route::covers( $route, (string) $request->get_route() ) ) {
				$body   = array(
					'code'    => 'checkvalve_blocked',
					'message' => 'This part of the shop is closed for now.',
					'data'    => array( 'status' => 403 ),
				);
				$answer = new \WP_REST_Response( $body, 403, array( 'Cache-Control' => 'no-store' ) );
				$answer->set_matched_route( $route );
				return $answer;
			}
		}
		return $result;
	}

	/**
	 * WP-Cron takes a due event off its list and only then looks for callbacks. Events that nobody here can
	 * handle stay on the list until the plugin is back.
	 *
	 * @param mixed $ready
	 * @return mixed
	 */
	public static function hold_cron( $ready ) {
		if ( null !== $ready ) {
			return $ready;
		}
		$ready = array();
		$now   = microtime( true );
		foreach ( (array) _get_cron_array() as $time => $hooks ) {
			if ( ! is_array( $hooks ) || $time > $now ) {
				continue;
			}
			$handled = array_filter( $hooks, 'has_action', ARRAY_FILTER_USE_KEY );
			if ( $handled ) {
				$ready[ $time ] = $handled;
			}
		}
		return $ready;
	}

	private static function hook(): void {
		if ( self::$plugins ) {
			add_filter( 'option_active_plugins', array( self::class, 'without_isolated' ), PHP_INT_MAX );
			add_action( 'plugins_loaded', array( self::class, 'stop_filtering' ), PHP_INT_MIN );
			add_filter( 'pre_get_ready_cron_jobs', array( self::class, 'hold_cron' ), PHP_INT_MAX );
		}
		if ( self::$routes ) {
			// First, so that no plugin answers before; last, so that none takes the answer back.
			add_filter( 'rest_pre_dispatch', array( self::class, 'block_route' ), PHP_INT_MIN, 3 );
			add_filter( 'rest_pre_dispatch', array( self::class, 'block_route' ), PHP_INT_MAX, 3 );
		}
	}

	private static function from_database(): array {
		$orders = array();
		foreach ( OrderTable::in_force() as $row ) {
			$orders[] = array( 'action' => $row->action, 'target' => $row->target, 'exp' => (int) $row->expires );
		}
		return $orders;
	}
}
