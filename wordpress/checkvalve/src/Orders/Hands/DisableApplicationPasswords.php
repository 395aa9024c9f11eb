<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;
use Checkvalve\Orders\People;

final class DisableApplicationPasswords extends Hand {

	const ARGS   = array( 'user', 'role', 'everybody', 'spare' );
	const EFFECT = 'application passwords are not taken';
	const COST   = 'apps and programs that log in with one stop';

	/** @var array */
	private $rules = array();

	public function rule( array $args ): array {
		return People::rule( $args );
	}

	public function enforce( array $rules ): void {
		$this->rules = $rules;
		add_filter( 'wp_is_application_passwords_available_for_user', array( $this, 'none' ), PHP_INT_MAX, 2 );
	}

	/**
	 * @param mixed    $available
	 * @param \WP_User $user
	 * @return mixed
	 */
	public function none( $available, $user ) {
		foreach ( $this->rules as $rule ) {
			if ( People::meant( $rule, $user ) ) {
				return false;
			}
		}
		return $available;
	}
}
