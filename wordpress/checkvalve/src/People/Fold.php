<?php
namespace Checkvalve\People;

/**
 * One spelling for many: Latin letters to lower-case ASCII, by the table both sides share (data/fold.json).
 * Needs neither mbstring nor intl.
 */
final class Fold {

	/** Words of a name or street line that are kept; a longer one is reduced to its first and last word. */
	const MAX_WORDS = 5;

	/** @var array<string, string>|null */
	private static $map = null;

	/** @var array<string, string> */
	private static $space = array();

	public static function text( string $text ): string {
		self::load();
		return strtr( self::utf8( $text ), self::$map );
	}

	/** @return string[] Runs of letters and digits; everything else separates. */
	public static function words( string $text ): array {
		$folded = strtr( self::text( $text ), self::$space );
		return preg_split( '/[\x00-\/:-@\[-`{-\x7f]+/', $folded, -1, PREG_SPLIT_NO_EMPTY );
	}

	/** A text that is not UTF-8 keeps its ASCII part only. */
	private static function utf8( string $text ): string {
		return 1 === preg_match( '//u', $text ) ? $text : preg_replace( '/[\x80-\xff]+/', '', $text );
	}

	private static function load(): void {
		if ( null !== self::$map ) {
			return;
		}
		$table     = json_decode( (string) file_get_contents( CHECKVALVE_DIR . '/data/fold.json' ), true );
		self::$map = $table['map'];
		foreach ( range( 'A', 'Z' ) as $letter ) {
			self::$map[ $letter ] = strtolower( $letter );
		}
		foreach ( self::characters( $table['space'] ) as $character ) {
			self::$space[ $character ] = ' ';
		}
	}

	/** @param string|string[] $listed */
	private static function characters( $listed ): array {
		return is_array( $listed ) ? $listed : preg_split( '//u', $listed, -1, PREG_SPLIT_NO_EMPTY );
	}
}
