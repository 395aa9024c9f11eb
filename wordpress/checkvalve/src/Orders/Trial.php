<?php
namespace Checkvalve\Orders;

use Checkvalve\Probe\Pass;
use Checkvalve\Refused;

/**
 * Isolation in the probe's own requests alone: core's pass names a plugin and a width, and the checkout is walked without it. No
 * visitor notices, nothing is in force, so it can be tried before it is needed.
 */
final class Trial {

	/** @return array|null The rule for this request, as IsolatePlugin has it; null when there is no trial. */
	public static function rule( int $now ): ?array {
		if ( ! isset( $_SERVER['HTTP_CHECKVALVE_PROBE'] ) ) {
			return null;
		}
		try {
			$trial = Pass::check( $now )['trial'] ?? null;
		} catch ( Refused $refused ) {
			return null;
		}
		$plugin = $trial['plugin'] ?? null;
		$mode   = $trial['mode'] ?? null;
		if ( ! is_string( $plugin ) || ! in_array( $plugin, self::plugins(), true ) || ! in_array( $mode, Hands\IsolatePlugin::MODES, true ) ) {
			return null;
		}
		return array( 'target' => $plugin, 'plugin' => $plugin, 'mode' => $mode, 'webhooks' => array() );
	}

	/** @return string[] What can be isolated: active plugins without Checkvalve and WooCommerce. */
	public static function plugins(): array {
		$able = static function ( $plugin ) {
			return ! in_array( strtok( (string) $plugin, '/' ), array( CHECKVALVE_FOLDER, 'woocommerce' ), true );
		};
		return array_values( array_filter( (array) get_option( 'active_plugins', array() ), $able ) );
	}
}
