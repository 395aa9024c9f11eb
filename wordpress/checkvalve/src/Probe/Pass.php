<?php
namespace Checkvalve\Probe;

use Checkvalve\Crypto\Jws;
use Checkvalve\Refused;
use Checkvalve\Settings;

/**
 * Core's pass for a probe of the checkout: the header `Checkvalve-Probe` with a token signed for this site.
 */
final class Pass {

	const TYP = 'checkvalve-probe+jws';

	/** @var bool|null */
	private static $presented = null;

	/** Whether this request carries a valid pass. */
	public static function presented(): bool {
		if ( null === self::$presented ) {
			try {
				self::check( time() );
				self::$presented = true;
			} catch ( \Throwable $refused ) {
				self::$presented = false;
			}
		}
		return self::$presented;
	}

	/**
	 * @return array What the pass says.
	 * @throws Refused When there is no valid pass.
	 */
	public static function check( int $now ): array {
		$token = (string) ( $_SERVER['HTTP_CHECKVALVE_PROBE'] ?? '' );
		if ( '' === $token || ! Settings::paired() ) {
			throw new Refused( 'forbidden', 'this needs a probe pass signed by core' );
		}
		$pass = Jws::verify( $token, self::TYP, Settings::core_key() );
		if ( Settings::site() !== ( $pass['aud'] ?? null ) ) {
			throw new Refused( 'forbidden', 'the pass is for another site' );
		}
		if ( (int) ( $pass['exp'] ?? 0 ) <= $now || (int) ( $pass['iat'] ?? PHP_INT_MAX ) > $now + 300 ) {
			throw new Refused( 'stale', "the pass has expired, or the shop's clock is wrong; set its time (NTP)" );
		}
		return $pass;
	}
}
