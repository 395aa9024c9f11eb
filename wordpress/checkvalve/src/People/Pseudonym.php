<?php
namespace Checkvalve\People;

/**
 * Keyed pseudonyms of personal identifiers (docs/spec/wire.md, section 6). Core computes the same values in Python;
 * tests/golden/pseudonyms.json binds both.
 */
final class Pseudonym {

	/** 32 hex digits: BLAKE2b-128 with the site's key (RFC 7693). */
	public static function of( string $key, string $category, string $normal ): string {
		return bin2hex( sodium_crypto_generichash( $category . "\x1f" . $normal, $key, 16 ) );
	}

	/**
	 * All [category, pseudonym] pairs under which one spelling of a person is registered, and the words of name and street line
	 * under "words"; values that say nothing are left out.
	 *
	 * @param array{email?: string, name?: string, phone?: string, address?: string, postcode?: string, order_numbers?: string[]} $person
	 * @return array<int, array{0: string, 1: string}>
	 */
	public static function identifiers( string $key, array $person ): array {
		$name    = $person['name'] ?? '';
		$email   = self::email( $person['email'] ?? '' );
		$normals = array(
			array( 'email', $email ),
			array( 'email', self::untagged( $email ) ),
			array( 'phone', self::phone( $person['phone'] ?? '' ) ),
		);
		$full    = self::words( $name );
		if ( '' !== $full ) {
			$parts     = explode( ' ', $full );
			$last      = array_pop( $parts );
			$normals[] = array( 'name', $full );
			$normals[] = array( 'name', trim( $last . ' ' . implode( ' ', $parts ) ) );
		}
		$normals[]  = array( 'address', self::street( $person['address'] ?? '' ) );
		$postcode   = preg_replace( '/[^0-9a-z]/', '', Fold::text( $person['postcode'] ?? '' ) );
		$name_words = Fold::words( $name );
		if ( '' !== $postcode && $name_words ) {
			$normals[] = array( 'postcode_name', $postcode . '|' . end( $name_words ) );
		}
		foreach ( $person['order_numbers'] ?? array() as $number ) {
			$normals[] = array( 'order_number', self::order_number( (string) $number ) );
		}
		$pairs = self::hashed( $key, $normals );
		foreach ( array( '' === $full ? implode( ' ', $name_words ) : $full, self::street( $person['address'] ?? '' ) ) as $said ) {
			$pair = array( 'words', self::of_words( $key, $said ) );
			if ( '' !== $said && ! in_array( $pair, $pairs, true ) ) {
				$pairs[] = $pair;
			}
		}
		return $pairs;
	}

	/** The pseudonyms of up to five words, each cut to 6 hex digits, one after the other; then zeros, 32 digits in all. */
	private static function of_words( string $key, string $normal ): string {
		$parts = array();
		foreach ( explode( ' ', $normal ) as $word ) {
			$parts[] = substr( self::of( $key, 'words', $word ), 0, 6 );
		}
		return str_pad( implode( '', $parts ), 32, '0' );
	}

	public static function email( string $value ): string {
		$folded = preg_replace( self::WHITE_SPACE, '', Fold::text( $value ) );
		$ends   = '' === $folded || '@' === $folded[0] || '@' === substr( $folded, -1 );
		return ! $ends && 1 === substr_count( $folded, '@' ) ? $folded : '';
	}

	/** A normal e-mail address without its tag: anna+shop@… is anna@… (RFC 5233); '' if it has none. */
	public static function untagged( string $normal ): string {
		return 1 === preg_match( '/^([^+@]+)\+[^@]*(@.*)$/Ds', $normal, $parts ) ? $parts[1] . $parts[2] : '';
	}

	public static function phone( string $value ): string {
		$digits = ltrim( preg_replace( '/[^0-9]/', '', $value ), '0' );
		return strlen( $digits ) >= 7 ? substr( $digits, -9 ) : '';
	}

	/** Street lines: 2 words at least, the first 5 of more. */
	public static function street( string $value ): string {
		$found = Fold::words( $value );
		return count( $found ) < 2 ? '' : implode( ' ', array_slice( $found, 0, Fold::MAX_WORDS ) );
	}

	/** Names: 2 to 5 words. */
	public static function words( string $value ): string {
		$found = Fold::words( $value );
		if ( count( $found ) < 2 ) {
			return '';
		}
		return implode( ' ', count( $found ) <= Fold::MAX_WORDS ? $found : array( $found[0], end( $found ) ) );
	}

	public static function order_number( string $value ): string {
		return 1 === preg_match( '/^[0-9]+$/D', $value ) ? $value : '';
	}

	/** What Python's str.split() takes for white space; `\s` of PCRE alone knows less. */
	const WHITE_SPACE = '/[\x09-\x0d\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+/u';

	private static function hashed( string $key, array $normals ): array {
		$pairs = array();
		foreach ( $normals as list( $category, $normal ) ) {
			if ( '' !== $normal ) {
				$hash                       = self::of( $key, $category, $normal );
				$pairs[ "$category $hash" ] = array( $category, $hash );
			}
		}
		return array_values( $pairs );
	}
}
