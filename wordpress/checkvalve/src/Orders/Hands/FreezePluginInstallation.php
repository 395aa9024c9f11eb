<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;

/**
 * No code comes into the shop by hand. WordPress' own security updates go on, and a plugin can still be switched off.
 */
final class FreezePluginInstallation extends Hand {

	const EFFECT = 'no plugin, theme or WordPress can be installed, uploaded, updated or deleted by hand';
	const COST   = 'an update by hand waits; automatic updates go on';
	const CAPS   = array(
		'install_plugins', 'upload_plugins', 'update_plugins', 'delete_plugins', 'install_themes', 'upload_themes', 'update_themes', 'delete_themes', 'update_core',
	);

	public function rule( array $args ): array {
		return array( 'target' => 'plugins, themes, WordPress' );
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
		return in_array( $cap, self::CAPS, true ) ? array( 'do_not_allow' ) : $caps;
	}
}
