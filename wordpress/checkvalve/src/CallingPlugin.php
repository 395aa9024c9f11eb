<?php
namespace Checkvalve;

/**
 * Which plugin made the call that is running: the nearest file under the plugins folder that is not ours.
 */
final class CallingPlugin {

	const FRAMES = 60;

	/** Folder of the plugin (file name without .php for a single-file plugin); empty when none is on the stack. */
	public static function folder(): string {
		$root = wp_normalize_path( WP_PLUGIN_DIR ) . '/';
		$real = wp_normalize_path( (string) realpath( WP_PLUGIN_DIR ) ) . '/';
		foreach ( debug_backtrace( DEBUG_BACKTRACE_IGNORE_ARGS, self::FRAMES ) as $frame ) { // phpcs:ignore
			$file = wp_normalize_path( $frame['file'] ?? '' );
			$base = 0 === strpos( $file, $root ) ? $root : ( 0 === strpos( $file, $real ) ? $real : '' );
			if ( '' === $base ) {
				continue;
			}
			$folder = self::first_part( substr( $file, strlen( $base ) ) );
			if ( CHECKVALVE_FOLDER !== $folder ) {
				return $folder;
			}
		}
		return '';
	}

	/** `dir/file.php` -> `dir`, `file.php` -> `file`. */
	public static function first_part( string $path ): string {
		$parts = explode( '/', $path, 2 );
		return count( $parts ) > 1 ? $parts[0] : basename( $path, '.php' );
	}
}
