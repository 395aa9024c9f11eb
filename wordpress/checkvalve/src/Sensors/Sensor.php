<?php
namespace Checkvalve\Sensors;

use Checkvalve\Recorder;

/**
 * A sensor listens on hooks and records; it decides nothing and never waits. `docs/plugin.md` lists every hook with its
 * priority and the reason for it.
 */
abstract class Sensor {

	/** @var Recorder */
	protected $recorder;

	public function __construct( Recorder $recorder ) {
		$this->recorder = $recorder;
	}

	abstract public function set_up(): void;

	/** Something that is kept in the shop was made 1, read 2, changed 3, deleted 4 (OCSF 3004 Entity Management). */
	protected function entity( int $activity_id, string $type, string $uid, array $more = array(), array $own = array() ): void {
		$this->recorder->record( 3004, $activity_id, array( 'entity' => array( 'type' => $type, 'uid' => $uid ) + $more ), $own );
	}

	/** Data was read 1 or deleted 7 (OCSF 6005 Datastore Activity). */
	protected function data( int $activity_id, string $what, array $more = array() ): void {
		$this->recorder->record( 6005, $activity_id, array(), array( 'data' => array( 'what' => $what ) + $more ) );
	}

	/** Listen on an action or filter. The first argument always passes on unchanged. */
	protected function listen( string $hook, string $method, int $priority = 10, int $arguments = 1 ): void {
		$callback = function ( ...$given ) use ( $method ) {
			$this->recorder->guarded(
				static::class,
				function () use ( $method, $given ) {
					$this->$method( ...$given );
				}
			);
			return $given[0] ?? null;
		};
		add_filter( $hook, $callback, $priority, $arguments );
	}
}
