<?php
namespace Checkvalve\Crypto;

/**
 * Base64url without padding (RFC 7515, section 2).
 */
final class Base64Url {

	public static function encode( string $bytes ): string {
		return rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' );
	}

	/** Empty string when the text is not base64url. */
	public static function decode( string $text ): string {
		if ( 1 === preg_match( '/[^A-Za-z0-9_-]/D', $text ) ) {
			return '';
		}
		$bytes = base64_decode( strtr( $text, '-_', '+/' ), true );
		return false === $bytes ? '' : $bytes;
	}
}
