<?php
namespace Checkvalve;

use Checkvalve\Outbox\Core;
use Checkvalve\Outbox\Flusher;
use Checkvalve\Outbox\Outbox;
use Checkvalve\People\Register;
use Checkvalve\Probe\ProbeProduct;
use Checkvalve\Sensors\Inventory;

/**
 * Pairing with core by a short-lived code (docs/spec/wire.md, section 2).
 */
final class Pairing {

	const CODE = '/^\s*([2-9A-HJ-NP-Z]{4})-?([2-9A-HJ-NP-Z]{4})-?([2-9A-HJ-NP-Z]{4})@(\S+?)\/?\s*$/iD';

	/** @var Core */
	private $core;

	/** @var Outbox */
	private $outbox;

	/** @var Recorder */
	private $recorder;

	public function __construct( Core $core, Outbox $outbox, Recorder $recorder ) {
		$this->core     = $core;
		$this->outbox   = $outbox;
		$this->recorder = $recorder;
	}

	/**
	 * @param string $text The code as `checkvalve pair` prints it.
	 * @return string The site's id.
	 * @throws Refused With a hint for the person who typed it.
	 */
	public function pair( string $text ): string {
		list( $code, $url ) = self::parse( $text );
		Installer::repair();
		$keys               = sodium_crypto_sign_keypair();
		$answer             = $this->core->pair( $url, self::request( $code, sodium_crypto_sign_publickey( $keys ) ) );
		$pairing            = self::checked( $answer ) + array(
			'core_url'   => $url,
			'secret_key' => base64_encode( sodium_crypto_sign_secretkey( $keys ) ),
			'paired_at'  => time(),
		);
		$this->begin( $pairing );
		return $pairing['site'];
	}

	/** @return array{0: string, 1: string} Code and address of core. */
	private static function parse( string $text ): array {
		if ( ! preg_match( self::CODE, $text, $found ) ) {
			throw new Refused( 'bad_code', 'That is not a pairing code. It looks like K7QM-2XPD-9FHR@https://core.example.com; run "checkvalve pair" to get one.' );
		}
		$url  = $found[4];
		$host = strtolower( (string) preg_replace( '#^\[?([^\]/:]*|[^\]]*)\]?(:\d+)?(/.*)?$#', '$1', $url ) );
		if ( ! preg_match( '#^https?://#i', $url ) ) {
			$loopback = in_array( $host, array( 'localhost', '::1' ), true ) || 0 === strpos( $host, '127.' );
			$url      = ( $loopback ? 'http://' : 'https://' ) . $url;
		}
		$parts = wp_parse_url( $url );
		if ( empty( $parts['host'] ) || array_intersect_key( $parts, array_flip( array( 'user', 'pass', 'query', 'fragment' ) ) ) ) {
			throw new Refused( 'bad_code', 'The part of the code after the @ is not the address of a Checkvalve core.' );
		}
		return array( strtoupper( "$found[1]-$found[2]-$found[3]" ), rtrim( $url, '/' ) );
	}

	private static function request( string $code, string $public_key ): array {
		return array(
			'code'       => $code,
			'kind'       => 'wordpress',
			'name'       => html_entity_decode( (string) get_bloginfo( 'name' ), ENT_QUOTES, 'UTF-8' ),
			'site_url'   => home_url(),
			'rest_url'   => rest_url(),
			'public_key' => base64_encode( $public_key ),
			'versions'   => array(
				'wordpress'   => (string) get_bloginfo( 'version' ),
				'php'         => PHP_VERSION,
				'checkvalve'  => CHECKVALVE_VERSION,
				'woocommerce' => defined( 'WC_VERSION' ) ? WC_VERSION : '',
			),
		);
	}

	private static function checked( array $answer ): array {
		$said = $answer['body'];
		if ( 0 === $answer['status'] ) {
			throw new Refused( 'unreachable', 'Core could not be reached: ' . ( $said['hint'] ?? '' ) );
		}
		if ( 200 !== $answer['status'] ) {
			throw new Refused( (string) ( $said['error'] ?? 'refused' ), 'Core refused: ' . ( $said['hint'] ?? 'HTTP ' . $answer['status'] ) );
		}
		$whole = preg_match( '/^s-[a-z2-7]{12}$/D', (string) ( $said['site'] ?? '' ) )
			&& 32 === strlen( (string) base64_decode( (string) ( $said['core_public_key'] ?? '' ), true ) )
			&& 32 === strlen( (string) base64_decode( (string) ( $said['pseudonym_key'] ?? '' ), true ) )
			&& is_string( $said['keyid'] ?? null ) && is_int( $said['next_sequence'] ?? null );
		if ( ! $whole ) {
			throw new Refused( 'bad_answer', 'What answered at this address is not a Checkvalve core, or of another version.' );
		}
		return array_intersect_key( $said, array_flip( array( 'site', 'keyid', 'core_public_key', 'pseudonym_key', 'gateway_url', 'next_sequence' ) ) );
	}

	private function begin( array $pairing ): void {
		if ( Settings::paired() && Settings::site() !== $pairing['site'] ) {
			$this->outbox->clear(); // those events were for another core
		}
		Settings::store( $pairing );
		$this->outbox->continue_after( (int) $pairing['next_sequence'] - 1, time() );
		delete_option( Flusher::CONTACT );
		delete_option( Inventory::TOLD );
		Register::restart();
		$this->recorder->guarded( self::class, array( ProbeProduct::class, 'ensure' ) );
		$this->recorder->self_report( 3, 'paired' );
	}
}
