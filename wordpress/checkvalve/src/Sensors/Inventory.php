<?php
namespace Checkvalve\Sensors;

use Checkvalve\Recorder;

/**
 * Which plugins are installed, in which version, and which of them are active (OCSF 5020): so that core knows whom an order
 * about one plugin concerns before it must be given. Told when it changed, and once a day. Looked at each hour, and at once
 * after a plugin was switched, updated or removed in WordPress.
 */
final class Inventory {

	const TOLD  = 'checkvalve_inventory'; // what was last told and looked at: digest, told, looked
	const LOOK  = 3600;
	const TELL  = 86400;
	const COUNT = 2000;

	/** The next chore looks at once. */
	public static function stale(): void {
		$told = get_option( self::TOLD );
		if ( is_array( $told ) ) {
			update_option( self::TOLD, array( 'looked' => 0 ) + $told, false );
		}
	}

	public static function tell( Recorder $recorder, int $now ): void {
		$told = (array) get_option( self::TOLD, array() ) + array( 'digest' => '', 'told' => 0, 'looked' => 0 );
		if ( $told['looked'] > $now - self::LOOK && $told['looked'] <= $now ) {
			return;
		}
		$found  = self::plugins();
		$digest = md5( (string) wp_json_encode( $found ) );
		$due    = $digest !== $told['digest'] || $told['told'] <= $now - self::TELL;
		if ( $due ) {
			$recorder->record( 5020, 2, array(), array( 'plugins' => (object) $found ) );
		}
		update_option( self::TOLD, array( 'digest' => $digest, 'told' => $due ? $now : $told['told'], 'looked' => $now ), false );
	}

	/** @return array<string, array{version: string, active: bool}> By main file. */
	private static function plugins(): array {
		require_once ABSPATH . 'wp-admin/includes/plugin.php';
		wp_cache_delete( 'plugins', 'plugins' ); // files that came by another way than WordPress
		$found = array();
		foreach ( array_slice( get_plugins(), 0, self::COUNT, true ) as $file => $headers ) {
			$found[ $file ] = array( 'version' => (string) $headers['Version'], 'active' => is_plugin_active( $file ) );
		}
		ksort( $found );
		return $found;
	}
}
