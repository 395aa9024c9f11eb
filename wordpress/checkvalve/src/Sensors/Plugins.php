<?php
namespace Checkvalve\Sensors;

/**
 * Plugins enabled, disabled, installed, updated, removed (OCSF 6002).
 */
final class Plugins extends Sensor {

	const INSTALLED = 1;
	const REMOVED   = 2;
	const ENABLED   = 6;
	const DISABLED  = 7;
	const UPDATED   = 8;

	/** @var array<string, array{Name?: string, Version?: string}> Headers read before the files went. */
	private $leaving = array();

	public function enabled( $plugin ): void {
		$this->changed( self::ENABLED, (string) $plugin );
	}

	public function disabled( $plugin ): void {
		$this->changed( self::DISABLED, (string) $plugin );
	}

	public function leaving( $plugin ): void {
		$this->leaving[ $plugin ] = $this->headers( (string) $plugin );
	}

	public function removed( $plugin, $deleted ): void {
		if ( $deleted ) {
			$this->changed( self::REMOVED, (string) $plugin );
		}
	}

	/** @param \WP_Upgrader $upgrader */
	public function upgraded( $upgrader, $what = array() ): void {
		if ( 'plugin' !== ( $what['type'] ?? '' ) ) {
			return;
		}
		if ( 'install' === ( $what['action'] ?? '' ) ) {
			$installed = method_exists( $upgrader, 'plugin_info' ) ? $upgrader->plugin_info() : false;
			$this->changed( self::INSTALLED, is_string( $installed ) ? $installed : 'unknown' );
			return;
		}
		foreach ( (array) ( $what['plugins'] ?? array( $what['plugin'] ?? 'unknown' ) ) as $plugin ) {
			$this->changed( self::UPDATED, (string) $plugin );
		}
	}

	private function changed( int $activity_id, string $plugin ): void {
		$headers = $this->leaving[ $plugin ] ?? $this->headers( $plugin );
		$app     = array( 'name' => $headers['Name'] ?? '', 'uid' => $plugin, 'version' => $headers['Version'] ?? '' );
		$this->recorder->record( 6002, $activity_id, array( 'app' => $app ) );
		Inventory::stale();
	}

	private function headers( string $plugin ): array {
		$file = WP_PLUGIN_DIR . '/' . $plugin;
		return 0 === validate_file( $plugin ) && is_file( $file ) ? get_file_data( $file, array( 'Name' => 'Plugin Name', 'Version' => 'Version' ) ) : array();
	}
}
