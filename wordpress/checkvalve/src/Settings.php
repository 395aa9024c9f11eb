<?php
namespace Checkvalve;

/**
 * What pairing left behind. The secret key and the pseudonym key lie in an option that is not autoloaded; what the
 * must-use loader needs on each request (`checkvalve_state`) is.
 */
final class Settings {

	const PAIRING = 'checkvalve_pairing';

	/** @var array<int, array<string, mixed>> By the number of the site in a network. */
	private static $pairing = array();

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
		update_option( self::PAIRING, $pairing, false );
		self::$pairing = array();
	}

	/** Not paired any more, for the rest of this request too. */
	public static function forget(): void {
		delete_option( self::PAIRING );
		self::$pairing[ get_current_blog_id() ] = array();
	}

	private static function text( string $name ): string {
		$site = get_current_blog_id();
		if ( ! isset( self::$pairing[ $site ] ) ) {
			$stored                 = get_option( self::PAIRING );
			self::$pairing[ $site ] = is_array( $stored ) ? $stored : array();
		}
		return (string) ( self::$pairing[ $site ][ $name ] ?? '' );
	}
}
