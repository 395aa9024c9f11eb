<?php
namespace Checkvalve\People;

use Checkvalve\Lock;
use Checkvalve\Orders\OrderTable;
use Checkvalve\Recorder;
use Checkvalve\Tables;

/**
 * Letters that wait, and their sending: a few beside each of core's requests and each minute. The texts are those of the
 * order that asked for them. Core is told of each person once: `sent` (the mail server took it), `failed` (it did not, three
 * times) or `nobody` (no address here).
 */
final class Letters {

	const TURNED = 'checkvalve_letters_page'; // the page of orders up to which guests were looked for
	const TRIES  = 3;
	const PAUSE  = 300;  // seconds before a refused mail is tried again
	const LEASE  = 1800; // seconds before one whose sending was cut off is tried again
	const PAGE   = 100;  // orders looked through at once
	const GUEST  = 'guest:';
	const SOUGHT = "ref LIKE 'guest:%' AND guest_order IS NULL"; // a guest whose order was not found yet

	/** What people read where a customer has set no language; any other country reads the shop's. */
	const READS = array( 'AT' => 'de', 'DE' => 'de', 'LI' => 'de', 'FR' => 'fr', 'MC' => 'fr', 'AU' => 'en', 'CA' => 'en', 'GB' => 'en', 'IE' => 'en', 'US' => 'en' );

	/** @var Recorder */
	private $recorder;

	public function __construct( Recorder $recorder ) {
		$this->recorder = $recorder;
	}

	/** @param array<int, array{0: string, 1: int}> $people Who, and the number of the letter. */
	public static function queue( string $batch, array $people, int $now ): void {
		global $wpdb;
		foreach ( $people as list( $ref, $letter ) ) {
			$wpdb->query( $wpdb->prepare( 'INSERT INTO ' . Tables::name( 'letters' ) . ' (batch, ref, letter, due, tries) VALUES (%s, %s, %d, %d, 0)', $batch, $ref, $letter, $now ) );
		}
		delete_option( self::TURNED );
	}

	/** @return int Letters that were not sent and will not be. */
	public static function withdraw( string $batch ): int {
		global $wpdb;
		return (int) $wpdb->query( $wpdb->prepare( 'DELETE FROM ' . Tables::name( 'letters' ) . ' WHERE batch = %s', $batch ) );
	}

	/** Sends until then. */
	public function send( int $until ): void {
		global $wpdb;
		$lock = new Lock( 'letters' );
		if ( ! $wpdb->get_var( 'SELECT id FROM ' . Tables::name( 'letters' ) . ' LIMIT 1' ) || ! $lock->take( 300 ) ) {
			return;
		}
		try {
			self::look_for_guests( $until );
			while ( time() < $until && $this->some( $until ) ) {
				continue;
			}
		} finally {
			$lock->release();
		}
	}

	/** Mail to these addresses came back: core is told whose, never the address. @return int How many are addresses. */
	public function bounced( array $addresses ): int {
		$refs = array();
		foreach ( $addresses as $address ) {
			$user   = get_user_by( 'email', $address );
			$refs[] = $user ? "customer:{$user->ID}" : Person::guest_ref( $address );
		}
		$refs = array_values( array_unique( array_filter( $refs ) ) );
		$refs && $this->tell( '', array( 'bounced' => $refs ) );
		return count( $refs );
	}

	/** A few of those that are due. @return bool Whether anything was dealt with. */
	private function some( int $until ): bool {
		global $wpdb;
		$rows = (array) $wpdb->get_results( $wpdb->prepare( 'SELECT * FROM ' . Tables::name( 'letters' ) . ' WHERE due <= %d AND NOT (' . str_replace( '%', '%%', self::SOUGHT ) . ') ORDER BY id LIMIT 20', time() ) );
		$told = array();
		foreach ( $rows as $row ) {
			if ( time() >= $until ) {
				break;
			}
			$came = $this->one( $row, self::reader( $row ) );
			if ( '' !== $came ) {
				$told[ $row->batch ][ $came ][] = $row->ref;
			}
		}
		foreach ( $told as $batch => $what ) {
			$this->tell( (string) $batch, $what );
		}
		return (bool) $told;
	}

	/**
	 * @param array{0: string, 1: string}|null $reader Address and language.
	 * @return string What came of it; empty when it is tried again.
	 */
	private function one( object $row, ?array $reader ): string {
		global $wpdb;
		$table  = Tables::name( 'letters' );
		$letter = $reader ? self::letter( $row, $reader[1] ) : null;
		$tries  = (int) $row->tries + 1;
		if ( null !== $letter ) {
			// Noted before it is sent: one whose sending was cut off waits, instead of being sent with each request.
			$wpdb->query( $wpdb->prepare( "UPDATE $table SET tries = %d, due = %d WHERE id = %d", $tries, time() + self::LEASE, $row->id ) );
			$sent = wp_mail( $reader[0], $letter['subject'], $letter['body'] );
			if ( ! $sent && $tries < self::TRIES ) {
				$wpdb->query( $wpdb->prepare( "UPDATE $table SET due = %d WHERE id = %d", time() + self::PAUSE, $row->id ) );
				return '';
			}
		}
		$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE id = %d", $row->id ) );
		return null === $letter ? 'nobody' : ( $sent ? 'sent' : 'failed' );
	}

	/** @return array{subject: string, body: string}|null */
	private static function letter( object $row, string $language ): ?array {
		$order  = OrderTable::find( $row->batch );
		$rule   = $order ? (array) json_decode( $order->rule, true ) : array();
		$spoken = (array) ( $rule['letters'][ (int) $row->letter ] ?? array() );
		return $spoken[ $language ] ?? $spoken['en'] ?? ( $spoken ? reset( $spoken ) : null );
	}

	/** @return array{0: string, 1: string}|null Address and language; null when there is nobody. */
	private static function reader( object $row ): ?array {
		if ( 0 === strpos( $row->ref, self::GUEST ) ) {
			$order = (int) $row->guest_order > 0 ? wc_get_order( (int) $row->guest_order ) : null;
			return $order ? array( $order->get_billing_email(), self::language( '', $order->get_billing_country() ) ) : null;
		}
		$user = get_userdata( (int) substr( $row->ref, strlen( 'customer:' ) ) );
		if ( ! $user || ! is_email( $user->user_email ) ) {
			return null;
		}
		return array( $user->user_email, self::language( (string) $user->locale, (string) get_user_meta( $user->ID, 'billing_country', true ) ) );
	}

	private static function language( string $own, string $country ): string {
		return substr( '' !== $own ? $own : ( self::READS[ $country ] ?? get_locale() ), 0, 2 );
	}

	/** Guests are nowhere but in their orders, which are looked through once for all of them, in portions. */
	private static function look_for_guests( int $until ): void {
		global $wpdb;
		$sought = array_flip( (array) $wpdb->get_col( 'SELECT DISTINCT ref FROM ' . Tables::name( 'letters' ) . ' WHERE ' . self::SOUGHT ) );
		$page   = (int) get_option( self::TURNED, 0 );
		while ( $sought && time() < $until ) {
			$orders = function_exists( 'wc_get_orders' ) ? wc_get_orders( array( 'type' => 'shop_order', 'limit' => self::PAGE, 'paged' => ++$page, 'orderby' => 'ID', 'order' => 'DESC', 'return' => 'objects' ) ) : array();
			foreach ( $orders as $order ) {
				$ref = 0 === (int) $order->get_customer_id() ? Person::guest_ref( (string) $order->get_billing_email() ) : '';
				if ( isset( $sought[ $ref ] ) ) {
					self::found( $ref, (int) $order->get_id() );
					unset( $sought[ $ref ] );
				}
			}
			if ( ! $orders ) {
				foreach ( array_keys( $sought ) as $ref ) {
					self::found( (string) $ref, 0 );
				}
				$sought = array();
			}
		}
		$sought ? update_option( self::TURNED, $page, false ) : delete_option( self::TURNED );
	}

	/** @param int $order Of this guest; 0: there is none. */
	private static function found( string $ref, int $order ): void {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( 'UPDATE ' . Tables::name( 'letters' ) . ' SET guest_order = %d WHERE ref = %s AND guest_order IS NULL', $order, $ref ) );
	}

	private function tell( string $batch, array $what ): void {
		$this->recorder->record( 4009, 1, array(), array( 'letters' => array( 'batch' => $batch ) + $what ) );
	}
}
