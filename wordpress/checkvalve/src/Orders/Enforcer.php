<?php
namespace Checkvalve\Orders;

/**
 * Puts the orders in force into effect for this request. Runs in the must-use loader, before any plugin is loaded; decides
 * by the shop's clock, so an order ends at its expiry whether or not anybody says so.
 */
final class Enforcer {

	/** @var bool Something about the state needs work when this request has ended. */
	private static $untidy = false;

	public static function start( int $now ): void {
		$trial = Trial::rule( $now );
		$rules = StateFile::nothing_in_force() ? array() : self::rules( $now );
		if ( null !== $trial ) {
			$rules['isolate_plugin'][] = $trial;
		}
		foreach ( $rules as $action => $of_one ) {
			self::enforce( $action, $of_one );
		}
	}

	/** @return array<string, array<int, array>> By action. */
	private static function rules( int $now ): array {
		$expected = StateFile::expected();
		$orders   = StateFile::read( $expected );
		if ( null === $orders ) {
			$orders       = array_map( array( OrderTable::class, 'as_state' ), OrderTable::in_force() );
			self::$untidy = StateFile::IN_DATABASE !== $expected;
		}
		$rules = array();
		foreach ( $orders as $order ) {
			if ( (int) $order['exp'] <= $now ) {
				self::$untidy = true;
			} else {
				$rules[ (string) $order['action'] ][] = (array) $order['rule'];
			}
		}
		return $rules;
	}

	/** Whether an order has expired or the state file is not what it should be. */
	public static function untidy(): bool {
		return self::$untidy;
	}

	/** A hand that stumbles does not keep the others from closing what they close. */
	private static function enforce( string $action, array $rules ): void {
		try {
			$hand = Registry::hand( $action );
			$hand && $hand->enforce( $rules );
		} catch ( \Throwable $fault ) {
			error_log( "Checkvalve: $action could not be enforced: " . $fault->getMessage() ); // phpcs:ignore
		}
	}
}
