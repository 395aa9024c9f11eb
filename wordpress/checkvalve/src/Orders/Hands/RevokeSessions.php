<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;
use Checkvalve\Orders\People;

final class RevokeSessions extends Hand {

	const ARGS   = array( 'user', 'role', 'everybody', 'spare' );
	const EFFECT = 'all log-in sessions are over';
	const UNDO   = 'none: whoever was logged in logs in again; a stolen session never comes back';
	const COST   = 'people log in again; a customer in the middle of a checkout keeps the cart';

	public function rule( array $args ): array {
		return People::rule( $args );
	}

	public function enact( array $rule, int $now ): string {
		if ( 0 === $rule['user'] + $rule['spare'] && '' === $rule['role'] ) {
			\WP_Session_Tokens::destroy_all_for_all_users(); // one statement, however many customers
			return '';
		}
		foreach ( People::with_sessions( $rule ) as $user ) {
			\WP_Session_Tokens::get_instance( $user )->destroy_all();
		}
		return '';
	}
}
