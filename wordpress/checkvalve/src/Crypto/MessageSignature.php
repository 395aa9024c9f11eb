<?php
namespace Checkvalve\Crypto;

use Checkvalve\Refused;

/**
 * HTTP message signatures (RFC 9421) with Ed25519 and Content-Digest (RFC 9530), as narrow as docs/spec/wire.md,
 * section 3, needs them: one signature, labelled `cv`, over a fixed list of components.
 */
final class MessageSignature {

	const POST_EVENTS    = array( '@method', '@path', 'content-digest', 'checkvalve-sequence' );
	const GET            = array( '@method', '@path', '@query' );
	const POST_TO_PLUGIN = array( '@method', 'content-digest', 'checkvalve-site' );

	const INPUT = '/^cv=(?P<params>\((?P<components>[^()]*)\);created=(?P<created>\d{1,12});nonce="(?P<nonce>[A-Za-z0-9_-]{8,64})";keyid="(?P<keyid>[a-z0-9.-]{1,80})";alg="ed25519")$/D';

	public static function digest( string $body ): string {
		return 'sha-256=:' . base64_encode( hash( 'sha256', $body, true ) ) . ':';
	}

	/**
	 * The two headers to add.
	 *
	 * @param array<string, string> $values Value of each component but the parameters, by its name.
	 */
	public static function sign( array $components, array $values, string $secret_key, string $keyid, int $created, string $nonce ): array {
		$params = '("' . implode( '" "', $components ) . "\");created=$created;nonce=\"$nonce\";keyid=\"$keyid\";alg=\"ed25519\"";
		$base   = self::base( $components, $values, $params );
		return array(
			'Signature-Input' => "cv=$params",
			'Signature'       => 'cv=:' . base64_encode( sodium_crypto_sign_detached( $base, $secret_key ) ) . ':',
		);
	}

	/**
	 * What the sender says of its signature, once the signature holds over exactly the required components.
	 *
	 * @param array<string, string> $values Value of each component but the parameters, by its name.
	 * @return array{created: int, nonce: string, keyid: string}
	 * @throws Refused With reason `bad_signature`.
	 */
	public static function verify( string $input, string $signature, array $required, array $values, string $public_key ): array {
		if ( ! preg_match( self::INPUT, $input, $given ) ) {
			throw new Refused( 'bad_signature', 'Signature-Input is missing or not as in docs/spec/wire.md, section 3' );
		}
		if ( $given['components'] !== '"' . implode( '" "', $required ) . '"' ) {
			throw new Refused( 'bad_signature', 'the signature must cover exactly ' . implode( ', ', $required ) );
		}
		$raw = preg_match( '/^cv=:([A-Za-z0-9+\/=]{86,88}):$/D', $signature, $found ) ? base64_decode( $found[1], true ) : false;
		if ( false === $raw || SODIUM_CRYPTO_SIGN_BYTES !== strlen( $raw ) || SODIUM_CRYPTO_SIGN_PUBLICKEYBYTES !== strlen( $public_key )
			|| ! sodium_crypto_sign_verify_detached( $raw, self::base( $required, $values, $given['params'] ), $public_key ) ) {
			throw new Refused( 'bad_signature', 'the signature does not verify with the key pinned at pairing' );
		}
		return array(
			'created' => (int) $given['created'],
			'nonce'   => $given['nonce'],
			'keyid'   => $given['keyid'],
		);
	}

	/** Signature base, RFC 9421 section 2.5. */
	private static function base( array $components, array $values, string $params ): string {
		$lines = '';
		foreach ( $components as $name ) {
			$lines .= "\"$name\": " . trim( $values[ $name ] ?? '', " \t" ) . "\n";
		}
		return $lines . "\"@signature-params\": $params";
	}
}
