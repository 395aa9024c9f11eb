<?php
namespace Checkvalve;

/**
 * What pairing left behind. What each request needs is autoloaded; the secret key and the pseudonym key lie in an option
 * of their own that is not.
 */
final class Settings {

	const PAIRING = 'checkvalve_pairing';
	const KEYS    = 'checkvalve_keys';
	const SECRET  = array( 'secret_key' => 0, 'pseudonym_key' => 0 );

	/** @var array<string, array<string, mixed>> By option and number of the site in a network. */
	private static $stored = array();

	public static function paired(): bool {
		return '' !== self::text( 'site' );
	}

	public static function site(): string {
		return self::text( 'site' );
	}

	public static function keyid(): string {
		return self::text( 'keyid' );
	}

	public static function core_url(): string {
		return self::text( 'core_url' );
	}

	public static function gateway_url(): string {
		return self::text( 'gateway_url' );
	}

	public static function paired_at(): int {
		return (int) self::text( 'paired_at' );
	}

	public static function secret_key(): string {
		return (string) base64_decode( self::text( 'secret_key' ), true );
	}

	public static function core_key(): string {
		return (string) base64_decode( self::text( 'core_public_key' ), true );
	}

	public static function pseudonym_key(): string {
		return (string) base64_decode( self::text( 'pseudonym_key' ), true );
	}

	public static function store( array $pairing ): void {
		update_option( self::KEYS, array_intersect_key( $pairing, self::SECRET ), false );
		update_option( self::PAIRING, array_diff_key( $pairing, self::SECRET ), true );
		self::$stored = array();
	}

	/** Not paired any more, for the rest of this request too. */
	public static function forget(): void {
		foreach ( array( self::PAIRING, self::KEYS ) as $option ) {
			delete_option( $option );
			self::$stored[ $option . get_current_blog_id() ] = array();
		}
	}

	private static function text( string $name ): string {
		$option = isset( self::SECRET[ $name ] ) ? self::KEYS : self::PAIRING;
		$place  = $option . get_current_blog_id();
		if ( ! isset( self::$stored[ $place ] ) ) {
			$stored                 = get_option( $option );
			self::$stored[ $place ] = is_array( $stored ) ? $stored : array();
		}
		return (string) ( self::$stored[ $place ][ $name ] ?? '' );
	}
}
