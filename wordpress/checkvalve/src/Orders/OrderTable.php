<?php
namespace Checkvalve\Orders;

use Checkvalve\Refused;
use Checkvalve\Tables;

/**
 * Every order that was accepted and what came of it. An order id stays here long after its end, so that it is never done twice.
 */
final class OrderTable {

	const IN_FORCE = 'in_force';
	const DONE     = 'done'; // and nothing of it lasts, but it may be undone while something is held
	const KEPT     = 2592000; // 30 days after expiry

	/** @return object|null Row with jti, action, target, rule, jws, expires, status, at, held. */
	public static function find( string $jti ) {
		global $wpdb;
		return $wpdb->get_row( $wpdb->prepare( 'SELECT * FROM ' . Tables::name( 'orders' ) . ' WHERE jti = %s', $jti ) );
	}

	/** @throws Refused With reason `failed`, when the database does not keep it. */
	public static function add( array $order, array $rule, string $jws, string $status, string $held, int $now ): void {
		global $wpdb;
		$added = $wpdb->query(
			$wpdb->prepare(
				'INSERT INTO ' . Tables::name( 'orders' ) . ' (jti, action, target, rule, jws, expires, status, at, held) VALUES (%s, %s, %s, %s, %s, %d, %s, %d, %s)',
				$order['jti'],
				$order['action'],
				substr( (string) ( $rule['target'] ?? '' ), 0, 250 ),
				(string) wp_json_encode( $rule, JSON_UNESCAPED_SLASHES ),
				$jws,
				$order['exp'],
				$status,
				$now,
				$held
			)
		);
		if ( 1 !== $added ) {
			throw new Refused( 'failed', 'the shop\'s database did not keep the order' );
		}
	}

	public static function end( string $jti, string $status, int $now ): void {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( 'UPDATE ' . Tables::name( 'orders' ) . " SET status = %s, at = %d, held = '' WHERE jti = %s", $status, $now, $jti ) );
	}

	/** When another order still does the same to the same, it takes over what must be undone in the end. */
	public static function hand_over( object $ended ): bool {
		foreach ( self::in_force() as $row ) {
			if ( $row->action === $ended->action && $row->target === $ended->target ) {
				global $wpdb;
				$wpdb->query( $wpdb->prepare( 'UPDATE ' . Tables::name( 'orders' ) . ' SET held = %s WHERE jti = %s', $ended->held, $row->jti ) );
				return true;
			}
		}
		return false;
	}

	/** @return string[] Plugins that an order in force isolates, whatever its mode. */
	public static function isolated(): array {
		$plugins = array();
		foreach ( self::in_force() as $row ) {
			$rule      = 'isolate_plugin' === $row->action ? (array) json_decode( $row->rule, true ) : array();
			$plugins[] = (string) ( $rule['plugin'] ?? '' );
		}
		return array_filter( $plugins );
	}

	/** An order in force as the state file holds it. */
	public static function as_state( object $row ): array {
		return array( 'jti' => $row->jti, 'action' => $row->action, 'target' => $row->target, 'rule' => (array) json_decode( $row->rule, true ), 'exp' => (int) $row->expires, 'jws' => $row->jws );
	}

	/** @return object[] Oldest first, those that expired but were not ended yet included. */
	public static function in_force(): array {
		global $wpdb;
		return (array) $wpdb->get_results( $wpdb->prepare( 'SELECT * FROM ' . Tables::name( 'orders' ) . ' WHERE status = %s ORDER BY at, jti', self::IN_FORCE ) );
	}

	public static function forget_old( int $now ): void {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( 'DELETE FROM ' . Tables::name( 'orders' ) . ' WHERE status <> %s AND expires < %d', self::IN_FORCE, $now - self::KEPT ) );
	}
}
