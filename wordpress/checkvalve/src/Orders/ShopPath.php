<?php
namespace Checkvalve\Orders;

use Checkvalve\Refused;

/**
 * A path that an order names, below WordPress' folder, as it is written in an address of the shop.
 */
final class ShopPath {

	/**
	 * The real path below ABSPATH. It must exist, lie in wp-content, and be none of the folders that hold everything.
	 *
	 * @throws Refused
	 */
	public static function below_content( string $path ): string {
		$root    = self::real( ABSPATH );
		$real    = self::real( ABSPATH . ltrim( $path, '/' ) );
		$content = self::real( WP_CONTENT_DIR );
		if ( 0 !== validate_file( ltrim( $path, '/' ) ) || '' === $real ) {
			throw new Refused( 'refused', 'there is no such file or folder below WordPress' );
		}
		if ( ! Code::lies_in( $real, $content ) || ! Code::lies_in( $real, $root ) ) {
			throw new Refused( 'refused', 'only what lies in wp-content can be closed this way' );
		}
		$uploads = wp_get_upload_dir();
		$whole   = array( WP_CONTENT_DIR, WP_PLUGIN_DIR, WPMU_PLUGIN_DIR, get_theme_root(), (string) $uploads['basedir'] );
		if ( in_array( $real, array_map( array( self::class, 'real' ), $whole ), true ) ) {
			throw new Refused( 'refused', 'this folder holds more than an order may close; name what lies in it' );
		}
		foreach ( array( CHECKVALVE_DIR, StateFile::directory() ) as $own ) {
			if ( Code::lies_in( $real, self::real( $own ) ) ) {
				throw new Refused( 'refused', 'Checkvalve does not close its own files' );
			}
		}
		return substr( $real, strlen( $root ) + 1 );
	}

	private static function real( string $path ): string {
		return rtrim( wp_normalize_path( (string) realpath( $path ) ), '/' );
	}
}
