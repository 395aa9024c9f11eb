<?php
namespace Checkvalve\Sensors;

use Checkvalve\People\Pseudonym;
use Checkvalve\Settings;

/**
 * Log-in, failed log-in, log-out (OCSF 3002).
 */
final class LogIns extends Sensor {

	/** @param \WP_User|null $user Left out by plugins that fire the hook themselves. */
	public function logged_in( $login, $user = null ): void {
		$user = is_object( $user ) ? $user : get_user_by( 'login', (string) $login );
		$uid  = 'customer:' . (int) ( $user->ID ?? 0 );
		$this->recorder->record( 3002, 1, array( 'status_id' => 1, 'user' => array( 'uid' => $uid ) ), array( 'requester' => array( 'ref' => $uid ) ) );
	}

	public function failed( $login ): void {
		$login = is_scalar( $login ) ? (string) $login : '';
		$user  = get_user_by( 'login', $login ) ?: get_user_by( 'email', $login );
		$uid   = $user ? 'customer:' . (int) $user->ID : Pseudonym::of( Settings::pseudonym_key(), 'login', $login );
		$this->recorder->record( 3002, 1, array( 'status_id' => 2, 'user' => array( 'uid' => $uid ) ) );
	}

	public function logged_out( $user_id = 0 ): void {
		$this->recorder->record( 3002, 2, array( 'status_id' => 1, 'user' => array( 'uid' => 'customer:' . (int) $user_id ) ) );
	}
}
