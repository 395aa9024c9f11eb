<?php
namespace Checkvalve\Sensors;

use Checkvalve\Caller;
use Checkvalve\People\Pseudonym;
use Checkvalve\Seen;
use Checkvalve\Settings;

/**
 * Application passwords made, changed, deleted (OCSF 3004) and used (3002); passwords changed and reset, the e-mail address of
 * an account changed (3001). A password is never looked at.
 */
final class Credentials extends Sensor {

	const ONCE = 3600; // seconds in which the same use is told once

	/** @var array<int, true> Users whose new password is recorded already. */
	private $recorded = array();

	public function made( $user_id, $item ): void {
		$this->application_password( 1, (int) $user_id, $item );
	}

	public function altered( $user_id, $item ): void {
		$this->application_password( 3, (int) $user_id, $item );
	}

	public function deleted( $user_id, $item ): void {
		$this->application_password( 4, (int) $user_id, $item );
	}

	/** @param \WP_User $user */
	public function used( $user, $item ): void {
		$uid = 'customer:' . (int) $user->ID;
		if ( Seen::first_time( 'app ' . ( $item['uuid'] ?? '' ) . ' ' . Caller::address(), time() + self::ONCE ) ) {
			$this->recorder->record( 3002, 1, array( 'status_id' => 1, 'user' => array( 'uid' => $uid ), 'auth_protocol' => 'application password' ), array( 'requester' => array( 'ref' => $uid ) ) );
		}
	}

	/** A web server's own password reaches WordPress as one of these: a name nobody has is told once an hour. @param \WP_Error $error */
	public function refused( $error ): void {
		$name = is_string( $_SERVER['PHP_AUTH_USER'] ?? null ) ? $_SERVER['PHP_AUTH_USER'] : ''; // phpcs:ignore
		$user = get_user_by( 'login', $name ) ?: get_user_by( 'email', $name );
		$uid  = $user ? 'customer:' . (int) $user->ID : Pseudonym::of( Settings::pseudonym_key(), 'login', $name );
		if ( $user || Seen::first_time( "app refused $uid", time() + self::ONCE ) ) {
			$this->recorder->record( 3002, 1, array( 'status_id' => 2, 'user' => array( 'uid' => $uid ), 'auth_protocol' => 'application password', 'status_code' => (string) $error->get_error_code() ) );
		}
	}

	/** WordPress fires this for the first password of a new user too. @param \WP_User|null $old Before; older versions do not tell. */
	public function set( $password, $user_id, $old = null ): void {
		$now = get_userdata( (int) $user_id );
		if ( ! is_object( $old ) || ! $now || $old->user_pass !== $now->user_pass ) {
			$this->password( (int) $user_id, 3 );
		}
	}

	/** WordPress before 6.2 has no other word of a password changed in a profile. @param \WP_User $old */
	public function updated( $user_id, $old = null ): void {
		$now = get_userdata( (int) $user_id );
		if ( ! $now || ! is_object( $old ) ) {
			return;
		}
		if ( $now->user_pass !== $old->user_pass ) {
			$this->password( (int) $user_id, 3 );
		}
		if ( $now->user_email !== $old->user_email ) {
			$this->account( (int) $user_id, 99, 'e-mail address changed' );
		}
	}

	/** @param \WP_User $user */
	public function reset( $user ): void {
		$this->password( (int) $user->ID, 4 );
	}

	public function asked( $login ): void {
		$user = get_user_by( 'login', (string) $login );
		$this->account( $user ? (int) $user->ID : 0, 99, 'password reset asked for' );
	}

	private function password( int $user_id, int $activity_id ): void {
		if ( ! isset( $this->recorded[ $user_id ] ) ) {
			$this->recorded[ $user_id ] = true;
			$this->account( $user_id, $activity_id, 4 === $activity_id ? 'password reset' : 'password changed' );
		}
	}

	private function account( int $user_id, int $activity_id, string $what ): void {
		$this->recorder->record( 3001, $activity_id, array( 'activity_name' => $what, 'user' => array( 'uid' => "customer:$user_id" ) ) );
	}

	private function application_password( int $activity_id, int $user_id, $item ): void {
		$this->entity( $activity_id, 'application password', (string) ( $item['uuid'] ?? '' ), array( 'user' => array( 'uid' => "customer:$user_id" ) ) );
	}
}
