<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;
use Checkvalve\Orders\People;
use Checkvalve\Seen;

/**
 * The old password is not taken until a new one was set, by mail or in the profile. Sessions go on (revoke_sessions ends them).
 */
final class ForcePasswordReset extends Hand {

	const ARGS   = array( 'user', 'role', 'everybody', 'spare' );
	const EFFECT = 'the old password is not taken until a new one is set';
	const COST   = 'needs working mail or an open session; who has neither logs in when core releases the order';
	const MARK   = 2592000; // seconds a new password is remembered

	/** @var array */
	private $rules = array();

	public function rule( array $args ): array {
		return People::rule( $args ) + array( 'since' => (string) time() );
	}

	public function enforce( array $rules ): void {
		$this->rules = $rules;
		add_filter( 'authenticate', array( $this, 'ask' ), PHP_INT_MAX, 3 );
		add_action( 'after_password_reset', array( $this, 'was_reset' ) );
		add_action( 'profile_update', array( $this, 'was_updated' ), 10, 2 );
	}

	/**
	 * @param mixed $user
	 * @return mixed
	 */
	public function ask( $user ) {
		foreach ( $user instanceof \WP_User ? $this->rules : array() as $rule ) {
			if ( People::meant( $rule, $user ) && ! self::is_new( (int) $user->ID, (string) $rule['since'] ) ) {
				$link = esc_url( wp_lostpassword_url() );
				return new \WP_Error( 'checkvalve_new_password', "This password is no longer taken. <a href=\"$link\">Set a new one</a>." );
			}
		}
		return $user;
	}

	/** @param \WP_User $user */
	public function was_reset( $user ): void {
		$this->remember( (int) $user->ID );
	}

	/**
	 * @param int      $id
	 * @param \WP_User $before
	 */
	public function was_updated( $id, $before ): void {
		$now = get_userdata( $id );
		if ( $now && $now->user_pass !== $before->user_pass ) {
			$this->remember( (int) $id );
		}
	}

	private function remember( int $user ): void {
		foreach ( $this->rules as $rule ) {
			Seen::first_time( self::mark( $user, (string) $rule['since'] ), time() + self::MARK );
		}
	}

	private static function is_new( int $user, string $since ): bool {
		return Seen::has( self::mark( $user, $since ) );
	}

	private static function mark( int $user, string $since ): string {
		return "password $user $since";
	}
}
