<?php
namespace Checkvalve\Orders;

/**
 * The orders in force as the must-use loader and the gate read them: wp-content/checkvalve/state.json. JSON and not PHP,
 * because a PHP file would come out of the opcode cache for seconds after a change.
 *
 * The option `checkvalve_state` holds the digest of what the file must be; it is empty, and there is no file, while no
 * order is in force. Where the two do not agree the orders come from the database: a file that is missing, damaged or
 * changed by somebody else is not believed, nor is an option out of a stale object cache. In a network each site has a
 * file of its own.
 */
final class StateFile {

	const OPTION      = 'checkvalve_state';
	const IN_DATABASE = 'database'; // instead of the digest, where wp-content cannot be written

	public static function directory(): string {
		return WP_CONTENT_DIR . '/checkvalve';
	}

	public static function path(): string {
		return self::directory() . '/' . self::name();
	}

	public static function expected(): string {
		return (string) get_option( self::OPTION, '' );
	}

	private static function name(): string {
		return is_multisite() ? 'state-' . get_current_blog_id() . '.json' : 'state.json';
	}

	/** Neither by the option nor by the file is an order in force. */
	public static function nothing_in_force(): bool {
		return '' === self::expected() && ! is_file( self::path() );
	}

	/** Whether option and file are as they must be for these orders. */
	public static function agrees( array $orders, string $site ): bool {
		return $orders ? self::expected() === hash( 'sha256', self::text( $orders, $site ) ) && null !== self::read( self::expected() ) : self::nothing_in_force();
	}

	/**
	 * @return array<int, array{jti: string, action: string, target: string, rule: array, exp: int}>|null Null when it cannot be believed.
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
	 * @param array<int, array{jti: string, action: string, target: string, rule: array, exp: int, jws: string}> $orders
	 * @return bool Whether the file is as wanted; the database's copy holds in any case.
	 */
	public static function write( array $orders, string $site ): bool {
		$raw     = self::text( $orders, $site );
		$written = $orders ? self::put( self::name(), $raw ) : self::delete( self::name() );
		$digest  = $written ? hash( 'sha256', $raw ) : self::IN_DATABASE;
		wp_cache_delete( 'alloptions', 'options' ); // a stale one would take the new value for the old
		update_option( self::OPTION, $orders ? $digest : '', true );
		return $written;
	}

	private static function text( array $orders, string $site ): string {
		return (string) wp_json_encode( array( 'version' => 1, 'site' => $site, 'orders' => $orders ), JSON_UNESCAPED_SLASHES );
	}

	/** The directory with nothing in force, closed to the web server. */
	public static function prepare(): bool {
		return wp_mkdir_p( self::directory() )
			&& self::put( 'index.php', "<?php // Silence.\n" )
			&& self::put( '.htaccess', "<IfModule mod_authz_core.c>\nRequire all denied\n</IfModule>\n<IfModule !mod_authz_core.c>\nDeny from all\n</IfModule>\n" );
	}

	public static function remove(): void {
		self::delete( self::name() );
		delete_option( self::OPTION );
		if ( glob( self::directory() . '/state*.json' ) ) {
			return; // of other sites in the network
		}
		array_map( array( self::class, 'delete' ), array( 'index.php', '.htaccess' ) );
		array_map( 'wp_delete_file', (array) glob( self::directory() . '/*.tmp' ) );
		@rmdir( self::directory() . '/withdrawn' ); // phpcs:ignore
		@rmdir( self::directory() ); // phpcs:ignore
	}

	private static function delete( string $name ): bool {
		$path = self::directory() . '/' . $name;
		return ! is_file( $path ) || @unlink( $path ); // phpcs:ignore
	}

	/** A reader sees the old file or the new one, never half of it. */
	private static function put( string $name, string $content ): bool {
		$target    = self::directory() . '/' . $name;
		$temporary = $target . '.' . bin2hex( random_bytes( 4 ) ) . '.tmp';
		wp_mkdir_p( self::directory() );
		if ( strlen( $content ) !== @file_put_contents( $temporary, $content ) ) { // phpcs:ignore
			return false;
		}
		return @rename( $temporary, $target ) || ( self::delete( basename( $temporary ) ) && false ); // phpcs:ignore
	}
}
