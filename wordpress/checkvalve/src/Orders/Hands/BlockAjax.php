<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Closed;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\Request;
use Checkvalve\Refused;

/**
 * An action of admin-ajax.php and admin-post.php, for visitors and for those who are logged in.
 */
final class BlockAjax extends Hand {

	const ARGS   = array( 'action' );
	const EFFECT = 'the admin-ajax and admin-post action answers 403';
	const COST   = 'the part of the page that uses it stops';
	const OWN    = array( 'checkvalve_pair', 'checkvalve_lift' );

	public function rule( array $args ): array {
		$action = self::text( $args, 'action' );
		if ( in_array( $action, self::OWN, true ) ) {
			throw new Refused( 'refused', 'Checkvalve does not close its own emergency lever' );
		}
		return array( 'target' => $action );
	}

	/** At once, because plugins may act on the name long before WordPress does. */
	public function enforce( array $rules ): void {
		if ( Request::is_ajax() && array_intersect( Request::values( 'action' ), self::each( $rules, 'target' ) ) ) {
			Closed::answer();
		}
	}
}
