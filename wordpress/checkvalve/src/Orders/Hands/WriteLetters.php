<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;
use Checkvalve\People\Letters;
use Checkvalve\Refused;

/**
 * Tells people of this shop that their data was shown (GDPR Art. 34). Who they are is looked up here and nowhere else:
 * the order names them as `customer:7` or `guest:<pseudonym>`, and core hears back the same.
 */
final class WriteLetters extends Hand {

	const ARGS   = array( 'batch', 'letters', 'people' );
	const EFFECT = 'letters wait to be sent by mail';
	const UNDO   = 'letters that were not sent yet are taken back; a sent one is sent';
	const COST   = 'as many mails as people, a few a minute, from the shop\'s own address';
	const LASTS  = false;

	const MOST_PEOPLE = 500;
	const MOST_BYTES  = 20000;

	public function rule( array $args ): array {
		$letters = self::letters( $args['letters'] ?? null );
		$people  = is_array( $args['people'] ?? null ) ? array_values( $args['people'] ) : array();
		if ( ! $people || count( $people ) > self::MOST_PEOPLE ) {
			throw new Refused( 'refused', 'write_letters needs 1 to ' . self::MOST_PEOPLE . ' people' );
		}
		foreach ( $people as $person ) {
			$known = is_array( $person ) && 2 === count( $person ) && isset( $letters[ $person[1] ?? -1 ] );
			if ( ! $known || ! is_string( $person[0] ) || ! preg_match( '/^(customer:[1-9][0-9]{0,18}|guest:[0-9a-f]{12})$/D', $person[0] ) ) {
				throw new Refused( 'refused', 'write_letters needs people as ["customer:7", number of the letter]' );
			}
		}
		// The letters stay with the order, where they are read from while they are sent.
		return array( 'target' => count( $people ) . ' people', 'batch' => self::text( $args, 'batch', 80 ), 'letters' => $letters, 'people' => $people );
	}

	public function enact( array $rule, int $now ): string {
		Letters::queue( $rule['batch'], $rule['people'], $now );
		return $rule['batch'];
	}

	public function undo( string $held ): string {
		$left = Letters::withdraw( $held );
		return $left ? "$left letters were not sent any more" : 'every letter had been dealt with';
	}

	/**
	 * @param mixed $given
	 * @return array<int, array<string, array{subject: string, body: string}>> By number, then by language.
	 */
	private static function letters( $given ): array {
		$letters = is_array( $given ) ? array_values( $given ) : array();
		foreach ( $letters as $languages ) {
			foreach ( is_array( $languages ) && $languages ? $languages : array( null ) as $language => $letter ) {
				$texts = array( $letter['subject'] ?? null, $letter['body'] ?? null );
				if ( ! preg_match( '/^[a-z]{2}$/D', (string) $language ) || array_filter( $texts, 'is_string' ) !== $texts || in_array( '', $texts, true ) || strlen( implode( '', $texts ) ) > self::MOST_BYTES || preg_match( '/[\r\n]/', $texts[0] ) ) {
					throw new Refused( 'refused', 'write_letters needs letters as {"de": {"subject": "…", "body": "…"}}' );
				}
			}
		}
		return $letters;
	}
}
