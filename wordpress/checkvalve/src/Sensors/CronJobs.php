<?php
namespace Checkvalve\Sensors;

use Checkvalve\Seen;
use Checkvalve\Upkeep;

/**
 * WP-Cron (OCSF 1006): a hook scheduled for the first time in 30 days, and the hooks that run, each once an hour.
 */
final class CronJobs extends Sensor {

	const NEW_FOR = 2592000;
	const RUN_FOR = 3600;

	/** @param \stdClass|false $event */
	public function scheduled( $event ): void {
		if ( is_object( $event ) && isset( $event->hook ) ) {
			$this->report( 1, (string) $event->hook, self::NEW_FOR, array( 'schedule' => (string) ( $event->schedule ?: 'once' ) ) );
		}
	}

	public function due(): void {
		foreach ( wp_get_ready_cron_jobs() as $hooks ) {
			foreach ( array_keys( $hooks ) as $hook ) {
				add_action( (string) $hook, array( $this, 'runs' ), PHP_INT_MIN, 0 );
			}
		}
	}

	/** A job of the shop begins. */
	public function runs(): void {
		$hook = (string) current_filter();
		$this->recorder->guarded(
			self::class,
			function () use ( $hook ) {
				$this->report( 6, $hook, self::RUN_FOR, array() );
			}
		);
	}

	private function report( int $activity_id, string $hook, int $seconds, array $own ): void {
		if ( Upkeep::HOOK !== $hook && Seen::first_time( "cron $activity_id " . hash( 'sha256', $hook ), time() + $seconds ) ) {
			$this->recorder->record( 1006, $activity_id, array( 'job' => array( 'name' => substr( $hook, 0, 200 ) ) ), $own ? array( 'job' => $own ) : array() );
		}
	}
}
