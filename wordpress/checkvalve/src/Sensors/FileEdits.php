<?php
namespace Checkvalve\Sensors;

/**
 * Files edited in wp-admin (OCSF 1001). WordPress fires nothing when such an edit succeeds; so the file is hashed before and,
 * when the request ends, after.
 */
final class FileEdits extends Sensor {

	/** @var array<string, string> Path below wp-content and its digest before. */
	private $before = array();

	public function begins(): void {
		$asked = array_map( 'strval', array_filter( wp_unslash( array_intersect_key( $_POST, array( 'file' => 0, 'plugin' => 0, 'theme' => 0 ) ) ), 'is_string' ) ); // phpcs:ignore
		$file  = $asked['file'] ?? '';
		$path  = isset( $asked['plugin'] ) ? "plugins/$file" : 'themes/' . ( $asked['theme'] ?? '' ) . "/$file";
		if ( isset( $_POST['newcontent'] ) && '' !== $file && 0 === validate_file( $path ) && is_file( self::place( $path ) ) ) { // phpcs:ignore
			$this->before[ $path ] = self::digest( $path );
		}
	}

	public function ended(): void {
		foreach ( $this->before as $path => $before ) {
			clearstatcache();
			$after = self::digest( $path );
			$file  = array( 'name' => basename( $path ), 'path' => $path, 'type_id' => 1, 'hashes' => array( array( 'algorithm_id' => 3, 'value' => $after ) ) );
			$this->recorder->record( 1001, 3, array( 'file' => $file, 'status_id' => $before === $after ? 2 : 1 ), array( 'file' => array( 'before' => $before, 'after' => $after ) ) );
		}
		$this->before = array();
	}

	private static function place( string $path ): string {
		list( $kind, $rest ) = explode( '/', $path, 2 );
		return ( 'plugins' === $kind ? WP_PLUGIN_DIR : get_theme_root() ) . "/$rest";
	}

	/** SHA-256 as hex; empty when the file is gone. */
	private static function digest( string $path ): string {
		return (string) @hash_file( 'sha256', self::place( $path ) ); // phpcs:ignore
	}
}
