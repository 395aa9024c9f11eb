<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;
use Checkvalve\Orders\OrderTable;
use Checkvalve\Orders\People;
use Checkvalve\Refused;

/**
 * One user can neither log in nor go on: password, session, application password, API key. One administrator always can.
 */
final class DisableUser extends Hand {

	const ARGS   = array( 'user' );
	const EFFECT = 'cannot log in, and is logged in nowhere';
	const COST   = 'what runs under this user (programs, keys) stops too; refused for the last administrator';

	/** @var int[] */
	private $users = array();

	public function rule( array $args ): array {
		$rule = People::rule( $args );
		$off  = array( $rule['user'] );
		foreach ( OrderTable::in_force() as $order ) {
			$other = 'disable_user' === $order->action ? (array) json_decode( $order->rule, true ) : array();
			$off[] = (int) ( $other['user'] ?? 0 );
		}
		$left = get_users( array( 'role' => 'administrator', 'exclude' => array_filter( $off ), 'number' => 1, 'fields' => 'ID' ) ); // phpcs:ignore
		if ( ! $left ) {
			throw new Refused( 'refused', 'no administrator would be left who can log in; revoke sessions and force a new password instead' );
		}
		return $rule;
	}

	public function enforce( array $rules ): void {
		$this->users = array_map( 'intval', self::each( $rules, 'user' ) );
		add_filter( 'determine_current_user', array( $this, 'nobody' ), PHP_INT_MAX );
		add_filter( 'authenticate', array( $this, 'refuse' ), PHP_INT_MAX );
		add_filter( 'allow_password_reset', array( $this, 'no_reset' ), PHP_INT_MAX, 2 );
	}

	/**
	 * @param mixed $user
	 * @return mixed
	 */
	public function nobody( $user ) {
		return in_array( (int) $user, $this->users, true ) ? false : $user;
	}

	/**
	 * @param mixed $user
	 * @return mixed
	 */
	public function refuse( $user ) {
		return $user instanceof \WP_User && in_array( (int) $user->ID, $this->users, true )
			? new \WP_Error( 'checkvalve_disabled', 'This account is closed for now. Ask the shop\'s owner.' )
			: $user;
	}

	/**
	 * @param mixed $allow
	 * @param int   $user
	 * @return mixed
	 */
	public function no_reset( $allow, $user ) {
		return in_array( (int) $user, $this->users, true ) ? false : $allow;
	}
}
