<?php
namespace Checkvalve;

/**
 * Things that may count once: nonces of core, reports about an order. True on the first time, under concurrency too.
 */
final class Seen {

	public static function first_time( string $mark, int $expires ): bool {
		global $wpdb;
		$table = Tables::name( 'seen' );
		$added = $wpdb->query( $wpdb->prepare( "INSERT IGNORE INTO $table (mark, expires) VALUES (%s, %d)", substr( $mark, 0, 100 ), $expires ) );
		return 1 === $added;
	}

	public static function has( string $mark ): bool {
		global $wpdb;
		return null !== $wpdb->get_var( $wpdb->prepare( 'SELECT expires FROM ' . Tables::name( 'seen' ) . ' WHERE mark = %s', substr( $mark, 0, 100 ) ) );
	}

	public static function forget_expired( int $now ): void {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( 'DELETE FROM ' . Tables::name( 'seen' ) . ' WHERE expires < %d', $now ) );
	}
}
