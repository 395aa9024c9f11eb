<?php
namespace Checkvalve\Sensors;

/**
 * Themes installed, switched to, updated, removed, and WordPress itself updated (OCSF 6002).
 */
final class Themes extends Sensor {

	/** @param \WP_Theme $new */
	public function switched( $name, $new = null, $old = null ): void {
		if ( is_object( $old ) ) {
			$this->report( 7, $old->get_stylesheet() );
		}
		$this->report( 6, is_object( $new ) ? $new->get_stylesheet() : '' );
	}

	public function removed( $stylesheet, $deleted = true ): void {
		if ( $deleted ) {
			$this->report( 2, (string) $stylesheet );
		}
	}

	/** @param \WP_Upgrader $upgrader */
	public function upgraded( $upgrader, $what = array() ): void {
		if ( 'theme' !== ( $what['type'] ?? '' ) ) {
			return;
		}
		if ( 'install' === ( $what['action'] ?? '' ) ) {
			$this->report( 1, is_array( $upgrader->result ?? null ) ? (string) ( $upgrader->result['destination_name'] ?? '' ) : '' );
			return;
		}
		foreach ( (array) ( $what['themes'] ?? array( $what['theme'] ?? '' ) ) as $theme ) {
			$this->report( 8, (string) $theme );
		}
	}

	public function core( $version ): void {
		$this->recorder->record( 6002, 8, array( 'app' => array( 'name' => 'WordPress', 'uid' => 'wordpress', 'version' => (string) $version ) ) );
	}

	private function report( int $activity_id, string $stylesheet ): void {
		$theme = wp_get_theme( $stylesheet );
		$known = $theme->exists();
		$app   = array( 'name' => $known ? (string) $theme->get( 'Name' ) : '', 'uid' => 'theme:' . ( $stylesheet ?: 'unknown' ), 'version' => $known ? (string) $theme->get( 'Version' ) : '' );
		$this->recorder->record( 6002, $activity_id, array( 'app' => $app ) );
	}
}
