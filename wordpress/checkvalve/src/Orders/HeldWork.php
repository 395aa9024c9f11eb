<?php
namespace Checkvalve\Orders;

/**
 * Work of a plugin that must outlive its isolation: its WP-Cron events and its pending Action Scheduler actions. Without
 * this, both are consumed while nobody handles them.
 */
final class HeldWork {

	const HELD = 'cv-held'; // an action status that the scheduler does not pick up; its column holds 20 characters

	/** @return string What release() needs, as JSON. The plugin must be loaded in this request. */
	public static function hold( string $plugin, int $now ): string {
		$place = Code::place( $plugin );
		$held  = array( 'at' => $now, 'cron' => array(), 'actions' => array() );
		foreach ( (array) _get_cron_array() as $time => $hooks ) {
			foreach ( is_array( $hooks ) ? $hooks : array() as $hook => $events ) {
				if ( Code::hooks( $hook, $place ) ) {
					foreach ( $events as $event ) {
						$held['cron'][] = array( (int) $time, $hook, $event['schedule'] ?: '', $event['args'] );
					}
				}
			}
		}
		$held['actions'] = self::hold_actions( $place );
		return (string) wp_json_encode( $held );
	}

	/** Put back what is missing. Runs while the plugin is not loaded yet. */
	public static function release( string $json ): void {
		$held = json_decode( $json, true );
		if ( ! is_array( $held ) ) {
			return;
		}
		foreach ( (array) $held['cron'] as list( $time, $hook, $schedule, $args ) ) {
			if ( false !== wp_next_scheduled( $hook, $args ) ) {
				continue;
			}
			if ( '' === $schedule ) {
				wp_schedule_single_event( $time, $hook, $args );
			} else {
				wp_schedule_event( $time, $schedule, $hook, $args );
			}
		}
		self::release_actions( array_map( 'intval', (array) $held['actions'] ), (int) $held['at'] );
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

	/** @return int[] */
	private static function hold_actions( string $place ): array {
		global $wpdb;
		$table = $wpdb->prefix . 'actionscheduler_actions';
		if ( ! self::exists( $table ) ) {
			return array();
		}
		$ids = array();
		foreach ( (array) $wpdb->get_col( "SELECT DISTINCT hook FROM $table WHERE status = 'pending'" ) as $hook ) {
			if ( Code::hooks( $hook, $place ) ) {
				$ids = array_merge( $ids, $wpdb->get_col( $wpdb->prepare( "SELECT action_id FROM $table WHERE status = 'pending' AND hook = %s", $hook ) ) );
			}
		}
		$ids = array_map( 'intval', $ids );
		foreach ( array_chunk( $ids, 200 ) as $some ) {
			$wpdb->query( "UPDATE $table SET status = '" . self::HELD . "' WHERE action_id IN (" . implode( ',', $some ) . ')' );
		}
		return $ids;
	}

	private static function release_actions( array $ids, int $since ): void {
		global $wpdb;
		$table = $wpdb->prefix . 'actionscheduler_actions';
		if ( ! self::exists( $table ) ) {
			return;
		}
		foreach ( array_chunk( $ids, 200 ) as $some ) {
			$wpdb->query( "UPDATE $table SET status = 'pending' WHERE status = '" . self::HELD . "' AND action_id IN (" . implode( ',', $some ) . ')' );
		}
		// Actions scheduled during the isolation failed because their callbacks were not there.
		$failed = (array) $wpdb->get_results( $wpdb->prepare( "SELECT action_id, hook FROM $table WHERE status = 'failed' AND last_attempt_gmt >= %s", gmdate( 'Y-m-d H:i:s', $since ) ) );
		foreach ( $failed as $action ) {
			if ( ! has_action( $action->hook ) ) {
				$wpdb->query( $wpdb->prepare( "UPDATE $table SET status = 'pending', claim_id = 0 WHERE action_id = %d", $action->action_id ) );
			}
		}
	}

	private static function exists( string $table ): bool {
		global $wpdb;
		return $table === $wpdb->get_var( $wpdb->prepare( 'SHOW TABLES LIKE %s', $wpdb->esc_like( $table ) ) );
	}
}
