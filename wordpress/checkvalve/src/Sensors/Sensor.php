<?php
namespace Checkvalve\Sensors;

use Checkvalve\Recorder;

/**
 * A sensor is called by hooks (see Switchboard) and records; it decides nothing and never waits.
 */
abstract class Sensor {

	/** @var Recorder */
	protected $recorder;

	public function __construct( Recorder $recorder ) {
		$this->recorder = $recorder;
	}

	/** The request ends: tell what was counted in it. */
	public function ended(): void {}

	/** Something that is kept in the shop was made 1, read 2, changed 3, deleted 4 (OCSF 3004 Entity Management). */
	protected function entity( int $activity_id, string $type, string $uid, array $more = array(), array $own = array() ): void {
		$this->recorder->record( 3004, $activity_id, array( 'entity' => array( 'type' => $type, 'uid' => $uid ) + $more ), $own );
	}

	/** Data was read 1 or deleted 7 (OCSF 6005 Datastore Activity). */
	protected function data( int $activity_id, string $what, array $more = array() ): void {
		$this->recorder->record( 6005, $activity_id, array(), array( 'data' => array( 'what' => $what ) + $more ) );
	}
}
