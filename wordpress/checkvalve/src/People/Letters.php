<?php
namespace Checkvalve\People;

use Checkvalve\Lock;
use Checkvalve\Recorder;
use Checkvalve\Tables;

/**
 * Letters that wait, and their sending: a few beside each of core's requests and each minute. Core is told of each person
 * once: `sent` (the mail server took it), `failed` (it did not, three times) or `nobody` (no address here).
 */
final class Letters {

	const READY  = 'letter ';   // in the table of what is kept, with the batch
	const SOUGHT = 'letter? ';  // to a guest whose order was not found yet
	const TEXTS  = 'letters ';  // the texts of a batch
	const TURNED = 'checkvalve_letters_page'; // the page of orders up to which guests were looked for
	const TRIES  = 3;
	const PAUSE  = 300;  // seconds before a refused mail is tried again
	const LEASE  = 1800; // seconds before one whose sending was cut off is tried again
	const PAGE   = 100;  // orders looked through at once

	/** What people read where a customer has set no language; any other country reads the shop's. */
	const READS = array( 'AT' => 'de', 'DE' => 'de', 'LI' => 'de', 'FR' => 'fr', 'MC' => 'fr', 'AU' => 'en', 'CA' => 'en', 'GB' => 'en', 'IE' => 'en', 'US' => 'en' );

	/** @var Recorder */
	private $recorder;

	public function __construct( Recorder $recorder ) {
		$this->recorder = $recorder;
	}

	/** @param array<int, array{0: string, 1: int}> $people */
	public static function queue( string $batch, array $letters, array $people, int $now ): void {
		self::keep( self::TEXTS . $batch, $letters, $now );
		foreach ( $people as list( $ref, $number ) ) {
			self::keep( ( 0 === strpos( $ref, 'guest:' ) ? self::SOUGHT : self::READY ) . $batch, array( 'ref' => $ref, 'letter' => $number ), $now );
		}
		delete_option( self::TURNED );
	}

	/** @return int Letters that were not sent and will not be. */
	public static function withdraw( string $batch ): int {
		global $wpdb;
		$table = Tables::name( 'kept' );
		$left  = (int) $wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE plugin IN (%s, %s)", self::READY . $batch, self::SOUGHT . $batch ) );
		$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE plugin = %s", self::TEXTS . $batch ) );
		return $left;
	}

	/** Sends until then. */
	public function send( int $until ): void {
		$lock = new Lock( 'letters' );
		if ( ! self::any( 'letter%' ) || ! $lock->take( 300 ) ) {
			return;
		}
		try {
			self::look_for_guests( $until );
			while ( time() < $until && $this->some( self::waiting( time(), 20 ), $until ) ) {
				continue;
			}
		} finally {
			$lock->release();
		}
	}

	/** Mail to these addresses came back: core is told whose, never the address. @return int How many of them are people of this shop. */
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

	private static function keep( string $whose, array $body, int $now ): void {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( 'INSERT INTO ' . Tables::name( 'kept' ) . ' (plugin, body, made, tries) VALUES (%s, %s, %d, 0)', $whose, (string) wp_json_encode( $body ), $now ) );
	}

	/** @return object[] What may be sent now. `made` is the earliest time of the next try. */
	private static function waiting( int $now, int $most ): array {
		global $wpdb;
		return (array) $wpdb->get_results( $wpdb->prepare( 'SELECT id, plugin, body, tries FROM ' . Tables::name( 'kept' ) . ' WHERE plugin LIKE %s AND made <= %d ORDER BY id LIMIT %d', self::READY . '%', $now, $most ) );
	}

	/** @param object[] $rows */
	private function some( array $rows, int $until ): bool {
		$told = array();
		foreach ( $rows as $row ) {
			if ( time() >= $until ) {
				break;
			}
			$batch = substr( $row->plugin, strlen( self::READY ) );
			$body  = (array) json_decode( $row->body, true );
			$came  = $this->one( $row, $batch, (int) $body['letter'], self::reader( $body ) );
			if ( '' !== $came ) {
				$told[ $batch ][ $came ][] = $body['ref'];
			}
		}
		foreach ( $told as $batch => $what ) {
			$this->tell( (string) $batch, $what );
			self::any( self::READY . $batch ) || self::any( self::SOUGHT . $batch ) || self::withdraw( (string) $batch );
		}
		return (bool) $told;
	}

	/** @param array{0: string, 1: string}|null $reader Address and language. */
	private function one( object $row, string $batch, int $number, ?array $reader ): string {
		global $wpdb;
		$table  = Tables::name( 'kept' );
		$letter = $reader ? self::letter( $batch, $number, $reader[1] ) : null;
		$tries  = (int) $row->tries + 1;
		if ( null !== $letter ) {
			// Noted before it is sent: one whose sending was cut off waits, instead of being sent with each request.
			$wpdb->query( $wpdb->prepare( "UPDATE $table SET tries = %d, made = %d WHERE id = %d", $tries, time() + self::LEASE, $row->id ) );
			$sent = wp_mail( $reader[0], $letter['subject'], $letter['body'] );
			if ( ! $sent && $tries < self::TRIES ) {
				$wpdb->query( $wpdb->prepare( "UPDATE $table SET made = %d WHERE id = %d", time() + self::PAUSE, $row->id ) );
				return '';
			}
		}
		$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE id = %d", $row->id ) );
		return null === $letter ? 'nobody' : ( $sent ? 'sent' : 'failed' );
	}

	private static function any( string $like ): bool {
		global $wpdb;
		return (bool) $wpdb->get_var( $wpdb->prepare( 'SELECT id FROM ' . Tables::name( 'kept' ) . ' WHERE plugin LIKE %s LIMIT 1', $like ) );
	}

	/** @return array{subject: string, body: string}|null */
	private static function letter( string $batch, int $number, string $language ): ?array {
		global $wpdb;
		$texts  = $wpdb->get_var( $wpdb->prepare( 'SELECT body FROM ' . Tables::name( 'kept' ) . ' WHERE plugin = %s', self::TEXTS . $batch ) );
		$spoken = (array) ( json_decode( (string) $texts, true )[ $number ] ?? array() );
		return $spoken[ $language ] ?? $spoken['en'] ?? ( $spoken ? reset( $spoken ) : null );
	}

	/** @return array{0: string, 1: string}|null Address and language; null when there is nobody. */
	private static function reader( array $body ): ?array {
		if ( isset( $body['order'] ) ) {
			$order = wc_get_order( $body['order'] );
			return $order ? array( $order->get_billing_email(), self::language( '', $order->get_billing_country() ) ) : null;
		}
		$user = 0 === strpos( $body['ref'], 'customer:' ) ? get_userdata( (int) substr( $body['ref'], strlen( 'customer:' ) ) ) : false;
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
		$table  = Tables::name( 'kept' );
		$sought = array();
		foreach ( (array) $wpdb->get_results( $wpdb->prepare( "SELECT id, plugin, body FROM $table WHERE plugin LIKE %s", self::SOUGHT . '%' ) ) as $row ) {
			$sought[ (string) json_decode( $row->body, true )['ref'] ][] = $row;
		}
		$page = (int) get_option( self::TURNED, 0 );
		while ( $sought && time() < $until ) {
			$orders = function_exists( 'wc_get_orders' ) ? wc_get_orders( array( 'type' => 'shop_order', 'limit' => self::PAGE, 'paged' => ++$page, 'orderby' => 'ID', 'order' => 'DESC', 'return' => 'objects' ) ) : array();
			foreach ( $orders as $order ) {
				$ref = 0 === (int) $order->get_customer_id() ? Person::guest_ref( (string) $order->get_billing_email() ) : '';
				self::ready( $sought[ $ref ] ?? array(), array( 'order' => $order->get_id() ) );
				unset( $sought[ $ref ] );
			}
			if ( ! $orders ) {
				array_map( array( self::class, 'ready' ), $sought );
				$sought = array();
			}
		}
		$sought ? update_option( self::TURNED, $page, false ) : delete_option( self::TURNED );
	}

	/** @param object[] $rows */
	private static function ready( array $rows, array $found = array() ): void {
		global $wpdb;
		foreach ( $rows as $row ) {
			$batch = substr( $row->plugin, strlen( self::SOUGHT ) );
			$body  = (string) wp_json_encode( (array) json_decode( $row->body, true ) + $found );
			$wpdb->query( $wpdb->prepare( 'UPDATE ' . Tables::name( 'kept' ) . ' SET plugin = %s, body = %s WHERE id = %d', self::READY . $batch, $body, $row->id ) );
		}
	}

	private function tell( string $batch, array $what ): void {
		$this->recorder->record( 4009, 1, array(), array( 'letters' => array( 'batch' => $batch ) + $what ) );
	}
}
