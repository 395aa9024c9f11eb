<?php
namespace Checkvalve\Sensors;

/**
 * Users created and deleted (OCSF 3001), roles given and taken (3005).
 */
final class Users extends Sensor {

	/** @var array<string, bool> Changes of a role already recorded in this request. */
	private $recorded = array();

	public function created( $user_id ): void {
		$this->recorder->record( 3001, 1, array( 'user' => array( 'uid' => "customer:$user_id" ) ) );
	}

	public function deleted( $user_id ): void {
		$this->recorder->record( 3001, 6, array( 'user' => array( 'uid' => "customer:$user_id" ) ) );
	}

	public function given( $user_id, $role ): void {
		$this->changed( 3, (int) $user_id, (string) $role );
	}

	public function taken( $user_id, $role ): void {
		$this->changed( 4, (int) $user_id, (string) $role );
	}

	/** WordPress announces a changed role in two ways, older versions only in this one. */
	public function set( $user_id, $role, $old_roles = array() ): void {
		foreach ( array_diff( (array) $old_roles, array( $role ) ) as $old ) {
			$this->changed( 4, (int) $user_id, (string) $old );
		}
		if ( '' !== $role && ! in_array( $role, (array) $old_roles, true ) ) {
			$this->changed( 3, (int) $user_id, (string) $role );
		}
		$this->recorded = array();
	}

	private function changed( int $activity_id, int $user_id, string $role ): void {
		$change = "$activity_id $user_id $role";
		if ( '' === $role || isset( $this->recorded[ $change ] ) ) {
			return;
		}
		unset( $this->recorded[ ( 3 === $activity_id ? 4 : 3 ) . " $user_id $role" ] ); // given, taken, given again
		$this->recorded[ $change ] = true;
		$this->recorder->record( 3005, $activity_id, array( 'user' => array( 'uid' => "customer:$user_id" ), 'privileges' => array( $role ) ) );
	}
}
