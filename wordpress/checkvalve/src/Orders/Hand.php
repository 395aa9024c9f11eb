<?php
namespace Checkvalve\Orders;

use Checkvalve\Refused;

/**
 * One thing an order can do in the shop. A hand whose work is `enforce()` alone writes nothing: it works by filters of each
 * request, so it ends with its order. What `enact()` changes for the time of the order, `undo()` puts back.
 *
 * The constants are told to people: what it does, what it touches, how it ends, what it may cost.
 */
abstract class Hand {

	const ARGS   = array(); // names of arguments it may have
	const EFFECT = '';
	const UNDO   = 'ends with the order; nothing was written';
	const COST   = '';
	const LASTS  = true; // false: done at once, and not enforced in later requests

	/**
	 * The arguments as this shop understands them; at least `target`, what it touches, for people.
	 *
	 * @return array<string, mixed>
	 * @throws Refused When it cannot be done or must not be.
	 */
	abstract public function rule( array $args ): array;

	/** What is different now, for core. */
	public function effect( array $rule ): string {
		return static::EFFECT . ': ' . $rule['target'];
	}

	/**
	 * Once, when the order is accepted.
	 *
	 * @return string What undo() needs; empty when there is nothing to undo.
	 * @throws Refused When it cannot be done; then nothing is changed.
	 */
	public function enact( array $rule, int $now ): string {
		return '';
	}

	/** @return string What could not be put back, for core; empty as a rule. */
	public function undo( string $held ): string {
		return '';
	}

	/**
	 * In each request while orders of this hand are in force, before any plugin is loaded.
	 *
	 * @param array<int, array<string, mixed>> $rules
	 */
	public function enforce( array $rules ): void {}

	/** A text argument of 1 to $most bytes without control characters. */
	protected static function text( array $args, string $name, int $most = 200 ): string {
		$value = $args[ $name ] ?? null;
		$value = is_int( $value ) ? (string) $value : $value;
		if ( ! is_string( $value ) || '' === $value || strlen( $value ) > $most || preg_match( '/[\x00-\x1f\x7f]/', $value ) ) {
			throw new Refused( 'refused', "the order needs {\"$name\": \"…\"}, at most $most characters" );
		}
		return $value;
	}

	/** @return string[] One value of each rule. */
	protected static function each( array $rules, string $name ): array {
		return array_map( 'strval', array_column( $rules, $name ) );
	}
}
