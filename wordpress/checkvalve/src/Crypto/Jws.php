<?php
namespace Checkvalve\Crypto;

use Checkvalve\Refused;

/**
 * JWS compact serialisation with EdDSA (RFC 7515, RFC 8037): orders, caller contexts, probe passes.
 * Expiry is the caller's to check.
 */
final class Jws {

	const MAX_BYTES = 16384;

	public static function sign( array $payload, string $typ, string $kid, string $secret_key ): string {
		$header = array(
			'alg' => 'EdDSA',
			'kid' => $kid,
			'typ' => $typ,
		);
		$signed = Base64Url::encode( (string) wp_json_encode( $header ) ) . '.' . Base64Url::encode( (string) wp_json_encode( $payload ) );
		return $signed . '.' . Base64Url::encode( sodium_crypto_sign_detached( $signed, $secret_key ) );
	}

	/**
	 * The payload, if alg, typ and signature hold.
	 *
	 * @throws Refused When anything about the token is not as it must be.
	 */
	public static function verify( string $token, string $typ, string $public_key ): array {
		$parts = explode( '.', $token );
		if ( strlen( $token ) > self::MAX_BYTES || 3 !== count( $parts ) ) {
			throw new Refused( 'bad_token', 'not a JWS in compact form' );
		}
		$header = json_decode( Base64Url::decode( $parts[0] ), true, 8 );
		if ( ! is_array( $header ) || 'EdDSA' !== ( $header['alg'] ?? null ) || $typ !== ( $header['typ'] ?? null ) ) {
			throw new Refused( 'bad_token', "expected an EdDSA token of type $typ" );
		}
		$signature = Base64Url::decode( $parts[2] );
		if ( SODIUM_CRYPTO_SIGN_BYTES !== strlen( $signature ) || SODIUM_CRYPTO_SIGN_PUBLICKEYBYTES !== strlen( $public_key )
			|| ! sodium_crypto_sign_verify_detached( $signature, $parts[0] . '.' . $parts[1], $public_key ) ) {
			throw new Refused( 'bad_token', 'the token does not verify with the pinned key of core' );
		}
		$payload = json_decode( Base64Url::decode( $parts[1] ), true, 16 );
		if ( ! is_array( $payload ) ) {
			throw new Refused( 'bad_token', 'the payload is not an object' );
		}
		return $payload;
	}
}
