<?php
namespace Checkvalve\Outbox;

use Checkvalve\Tables;

/**
 * Events on their way to core. Put in at the hook, numbered before they are sent for the first time, dropped only when core
 * has acknowledged them.
 *
 * The number is given outside the shop's own transactions: an event of a transaction that is rolled back leaves no gap, and
 * no lock of ours is held while the shop works. The highest number is never forgotten, because the last acknowledged
 * row stays; so no number is given twice, whatever the database does with its auto-increment.
 */
final class Outbox {

	const LIMIT   = 100000;
	const CROWD   = 0.8; // share of the room for what any visitor can cause in any number
	const PORTION = 1000;
	const START   = '{"metadata":{';
	const DROPPED = 'checkvalve_outbox_dropped';

	/** @var int Events that have room without another look at the table. */
	private $fits = 0;

	/**
	 * @param array $event   An event whose first key is `metadata`, without its sequence.
	 * @param bool  $crowded Any visitor can cause such events in any number; the last of the room is not for them.
	 * @return bool Whether there was room.
	 * @throws \RuntimeException When the database does not keep it.
	 */
	public function put( array $event, int $now, bool $crowded = false ): bool {
		global $wpdb;
		if ( $this->full( $crowded ? self::CROWD : 1 ) ) {
			$this->count_dropped();
			return false;
		}
		$body  = (string) wp_json_encode( $event, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE );
		$quiet = $wpdb->suppress_errors( true ); // the message would hold the event
		$done  = '' === $body ? 0 : $wpdb->query( $wpdb->prepare( 'INSERT INTO ' . Tables::name( 'outbox' ) . ' (sent, made, body) VALUES (0, %d, %s)', $now, $body ) );
		$wpdb->suppress_errors( $quiet );
		if ( 1 !== $done ) {
			throw new \RuntimeException( 'the event was not kept' );
		}
		return true;
	}

	/** Give the oldest waiting events their numbers. Safe to run in many requests at once: the unique key decides. */
	public function number(): void {
		global $wpdb;
		$table = Tables::name( 'outbox' );
		$ids   = $wpdb->get_col( "SELECT id FROM $table WHERE seq IS NULL ORDER BY id LIMIT " . self::PORTION );
		if ( ! $ids ) {
			return;
		}
		$quiet = $wpdb->suppress_errors( true );
		$wpdb->query( 'START TRANSACTION' ); // one write to disk for all
		$next = 1 + (int) $wpdb->get_var( "SELECT MAX(seq) FROM $table" );
		foreach ( $ids as $id ) {
			$done = $wpdb->query( $wpdb->prepare( "UPDATE $table SET seq = %d WHERE id = %d AND seq IS NULL", $next, $id ) );
			if ( false === $done ) {
				break; // somebody else numbers as well, and goes on
			}
			$next += $done;
		}
		$wpdb->query( 'COMMIT' );
		$wpdb->suppress_errors( $quiet );
	}

	/**
	 * The oldest numbered events, with consecutive numbers.
	 *
	 * @return array{0: int, 1: string[]} First number and the lines.
	 */
	public function batch( int $count, int $bytes ): array {
		global $wpdb;
		$table = Tables::name( 'outbox' );
		$rows  = $wpdb->get_results( $wpdb->prepare( "SELECT seq, body FROM $table WHERE sent = 0 AND seq IS NOT NULL ORDER BY seq LIMIT %d", $count ) );
		$first = 0;
		$lines = array();
		foreach ( $rows as $row ) {
			$line   = self::START . '"sequence":' . (int) $row->seq . ',' . substr( $row->body, strlen( self::START ) );
			$bytes -= strlen( $line ) + 1;
			if ( $lines && ( (int) $row->seq !== $first + count( $lines ) || $bytes < 0 ) ) {
				break;
			}
			$first   = $lines ? $first : (int) $row->seq;
			$lines[] = $line;
		}
		return array( $first, $lines );
	}

	/** Core has everything up to $seq. */
	public function acknowledged( int $seq ): void {
		global $wpdb;
		$table = Tables::name( 'outbox' );
		$wpdb->query( $wpdb->prepare( "UPDATE $table SET sent = 1, body = '' WHERE seq = %d", $seq ) );
		$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE seq < %d", $seq ) );
	}

	/** Core has used numbers up to $highest: what waits under one of them gets another. */
	public function continue_after( int $highest, int $now ): void {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( 'UPDATE ' . Tables::name( 'outbox' ) . ' SET seq = NULL WHERE sent = 0 AND seq <= %d', $highest ) );
		$this->skip_to( $highest, $now );
	}

	private function skip_to( int $highest, int $now ): void {
		global $wpdb;
		$table = Tables::name( 'outbox' );
		if ( $highest > (int) $wpdb->get_var( "SELECT MAX(seq) FROM $table" ) ) {
			$wpdb->query( $wpdb->prepare( "INSERT INTO $table (seq, sent, made, body) VALUES (%d, 1, %d, '')", $highest, $now ) );
		}
	}

	/** Use up the next $count numbers without events. */
	public function skip( int $count, int $now ): void {
		global $wpdb;
		$this->skip_to( $count + (int) $wpdb->get_var( 'SELECT MAX(seq) FROM ' . Tables::name( 'outbox' ) ), $now );
	}

	/** For a sensor that begins anew under another name. */
	public function clear(): void {
		global $wpdb;
		$wpdb->query( 'DELETE FROM ' . Tables::name( 'outbox' ) );
	}

	public function pending(): int {
		global $wpdb;
		return (int) $wpdb->get_var( 'SELECT COUNT(*) FROM ' . Tables::name( 'outbox' ) . ' WHERE sent = 0' );
	}

	public function oldest(): int {
		global $wpdb;
		return (int) $wpdb->get_var( 'SELECT MIN(made) FROM ' . Tables::name( 'outbox' ) . ' WHERE sent = 0' );
	}

	/** How many events found no room since this was last asked; asking takes them off the count. */
	public function take_dropped(): int {
		global $wpdb;
		$count = (int) $wpdb->get_var( $wpdb->prepare( "SELECT option_value FROM {$wpdb->options} WHERE option_name = %s", self::DROPPED ) );
		if ( $count > 0 ) {
			$wpdb->query( $wpdb->prepare( "UPDATE {$wpdb->options} SET option_value = option_value - %d WHERE option_name = %s", $count, self::DROPPED ) );
		}
		return $count;
	}

	private function full( float $share ): bool {
		global $wpdb;
		if ( $this->fits > 0 ) {
			--$this->fits;
			return false;
		}
		$table = Tables::name( 'outbox' );
		$quiet = $wpdb->suppress_errors( true );
		$span  = $wpdb->get_row( "SELECT MIN(id) AS lowest, MAX(id) AS highest FROM $table" );
		$wpdb->suppress_errors( $quiet );
		$used  = $span ? (int) $span->highest - (int) $span->lowest : 0;
		$limit = (int) apply_filters( 'checkvalve_outbox_limit', self::LIMIT );
		// Other requests add as well; a table looked at once for some events is near enough.
		$this->fits = (int) min( 50, self::CROWD * $limit - $used - 1 );
		return $used >= $share * $limit;
	}

	private function count_dropped(): void {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( "INSERT IGNORE INTO {$wpdb->options} (option_name, option_value, autoload) VALUES (%s, '0', 'no')", self::DROPPED ) );
		$wpdb->query( $wpdb->prepare( "UPDATE {$wpdb->options} SET option_value = option_value + 1 WHERE option_name = %s", self::DROPPED ) );
	}
}
