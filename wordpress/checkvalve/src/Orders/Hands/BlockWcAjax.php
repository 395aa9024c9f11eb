<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Closed;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\Request;

final class BlockWcAjax extends Hand {

	const ARGS   = array( 'action' );
	const EFFECT = 'WooCommerce\'s ?wc-ajax= action answers 403';
	const COST   = 'the part of the shop that uses it stops; of WooCommerce\'s own actions it may be the checkout';

	public function rule( array $args ): array {
		return array( 'target' => self::text( $args, 'action' ) );
	}

	public function enforce( array $rules ): void {
		$asked = array_map( 'sanitize_text_field', Request::values( 'wc-ajax' ) );
		if ( array_intersect( $asked, self::each( $rules, 'target' ) ) ) {
			Closed::answer();
		}
	}
}
