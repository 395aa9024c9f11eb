<?php
namespace Checkvalve\Orders;

/**
 * The orders in force as the must-use loader and the gate read them: wp-content/checkvalve/state.json. JSON and not PHP,
 * because a PHP file would come out of the opcode cache for seconds after a change.
 *
 * The option `checkvalve_state` holds the digest of what the file must be (empty: no order is in force, the file is
 * not even looked at). A file that is missing, damaged or changed by somebody else is not believed: the orders then
 * come from the database.
 */
final class StateFile {

	const OPTION = 'checkvalve_state';

	public static function directory(): string {
		return WP_CONTENT_DIR . '/checkvalve';
	}

	public static function path(): string {
		return self::directory() . '/state.json';
	}

	public static function expected(): string {
		return (string) get_option( self::OPTION, '' );
	}

	/**
	 * @return array<int, array{jti: string, action: string, target: string, exp: int}>|null Null when it cannot be believed.
	 */
	public static function read( string $expected ): ?array {
		$raw = @file_get_contents( self::path() ); // phpcs:ignore
		if ( ! is_string( $raw ) || ! hash_equals( $expected, hash( 'sha256', $raw ) ) ) {
			return null;
		}
		$state = json_decode( $raw, true, 8 );
		return is_array( $state['orders'] ?? null ) ? $state['orders'] : null;
	}

	/**
	 * @param array<int, array{jti: string, action: string, target: string, exp: int, jws: string}> $orders
	 * @return bool Whether the file is as wanted; the database's copy holds in any case.
	 */
	public static function write( array $orders, string $site ): bool {
		$raw     = (string) wp_json_encode( array( 'version' => 1, 'site' => $site, 'orders' => $orders ), JSON_UNESCAPED_SLASHES );
		$written = self::put( 'state.json', $raw );
		update_option( self::OPTION, $orders ? hash( 'sha256', $raw ) : '', true );
		return $written;
	}

	/** The directory with nothing in force, closed to the web server. */
	public static function prepare(): bool {
		return wp_mkdir_p( self::directory() )
			&& self::put( 'index.php', "<?php // Silence.\n" )
			&& self::put( '.htaccess', "<IfModule mod_authz_core.c>\nRequire all denied\n</IfModule>\n<IfModule !mod_authz_core.c>\nDeny from all\n</IfModule>\n" );
	}

	public static function remove(): void {
		foreach ( array( 'state.json', 'index.php', '.htaccess' ) as $name ) {
			if ( is_file( self::directory() . '/' . $name ) ) {
				wp_delete_file( self::directory() . '/' . $name );
			}
		}
		foreach ( (array) glob( self::directory() . '/*.tmp' ) as $left ) {
			wp_delete_file( (string) $left );
		}
		@rmdir( self::directory() ); // phpcs:ignore
		delete_option( self::OPTION );
	}

	/** A reader sees the old file or the new one, never half of it. */
	private static function put( string $name, string $content ): bool {
		$target    = self::directory() . '/' . $name;
		$temporary = $target . '.' . bin2hex( random_bytes( 4 ) ) . '.tmp';
		if ( strlen( $content ) !== @file_put_contents( $temporary, $content ) ) { // phpcs:ignore
			return false;
		}
		return @rename( $temporary, $target ); // phpcs:ignore
	}
}
