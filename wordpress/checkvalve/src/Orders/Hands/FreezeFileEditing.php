<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;

final class FreezeFileEditing extends Hand {

	const EFFECT = 'files of plugins and themes cannot be edited in wp-admin';
	const COST   = 'none for the shop';

	public function rule( array $args ): array {
		return array( 'target' => 'the editors of WordPress' );
	}

	public function enforce( array $rules ): void {
		add_filter( 'map_meta_cap', array( $this, 'forbid' ), PHP_INT_MAX, 2 );
	}

	/**
	 * @param string[] $caps
	 * @param string   $cap
	 * @return string[]
	 */
	public function forbid( $caps, $cap ) {
		return in_array( $cap, array( 'edit_files', 'edit_plugins', 'edit_themes' ), true ) ? array( 'do_not_allow' ) : $caps;
	}
}
