<?php
namespace Checkvalve\People;

use Checkvalve\Lock;
use Checkvalve\Probe\ProbeProduct;
use Checkvalve\Recorder;
use Checkvalve\Settings;
use Checkvalve\Tables;

/**
 * Keeps core's register of the shop's people up to date: everybody once after pairing, in portions; then whoever changed,
 * once a request. A person is sent only when something about them is new.
 */
final class Register {

	const BACKFILL = 'checkvalve_backfill';

	/** @var Recorder */
	private $recorder;

	/** @var array<string, callable(): Person> People to look at when the request ends. */
	private $changed = array();

	public function __construct( Recorder $recorder ) {
		$this->recorder = $recorder;
	}

	/** Everybody again, from the start. */
	public static function restart(): void {
		global $wpdb;
		$wpdb->query( 'DELETE FROM ' . Tables::name( 'people' ) );
		update_option( self::BACKFILL, array( 'stage' => 'users', 'after' => 0 ), false );
	}

	/** @return string users, orders or done. */
	public static function stage(): string {
		$state = get_option( self::BACKFILL );
		return (string) ( $state['stage'] ?? 'done' );
	}

	public function customer_changed( int $user_id ): void {
		if ( $user_id > 0 ) {
			$this->changed[ "customer:$user_id" ] = static function () use ( $user_id ) {
				return Person::customer( $user_id );
			};
			$user = get_userdata( $user_id );
			if ( $user && '' !== Person::guest_ref( (string) $user->user_email ) ) {
				$this->guest_changed( (string) $user->user_email ); // has ended, if there was one
			}
		}
	}

	private function guest_changed( string $email ): void {
		$this->changed[ Person::guest_ref( $email ) ] = static function () use ( $email ) {
			return Person::guest( $email );
		};
	}

	/** @param \WC_Order $order */
	public function order_changed( $order ): void {
		if ( 'checkout-draft' === $order->get_status() || ProbeProduct::is_in( $order ) ) {
			return;
		}
		$email = (string) $order->get_billing_email();
		$owner = (int) $order->get_customer_id();
		if ( 0 === $owner && '' !== $email ) {
			$user  = get_user_by( 'email', $email );
			$owner = $user ? (int) $user->ID : 0;
		}
		if ( $owner > 0 ) {
			$this->customer_changed( $owner );
		} elseif ( '' !== Person::guest_ref( $email ) ) {
			$this->guest_changed( $email );
		}
	}

	/** Record the people that changed in this request. */
	public function settle(): void {
		$changed       = $this->changed;
		$this->changed = array();
		foreach ( Settings::paired() ? $changed : array() as $make ) {
			$this->recorder->guarded(
				self::class,
				function () use ( $make ) {
					$this->report( $make() );
				}
			);
		}
	}

	/** One portion of the register, for as long as it may take. True when everybody was reported. */
	public function backfill( int $until ): bool {
		$lock = new Lock( 'register' );
		if ( 'done' === self::stage() || ! Settings::paired() || ! $lock->take( 120 ) ) {
			return 'done' === self::stage();
		}
		try {
			do {
				$state = (array) get_option( self::BACKFILL );
				$next  = 'users' === $state['stage'] ? $this->some_users( (int) $state['after'] ) : $this->some_orders( (int) $state['after'] );
				update_option( self::BACKFILL, $next, false );
			} while ( 'done' !== $next['stage'] && time() < $until );
			return 'done' === $next['stage'];
		} finally {
			$lock->release();
		}
	}

	private function some_users( int $after ): array {
		global $wpdb;
		$ids = $wpdb->get_col( $wpdb->prepare( "SELECT ID FROM {$wpdb->users} WHERE ID > %d ORDER BY ID LIMIT 50", $after ) );
		foreach ( $ids as $id ) {
			$this->report( Person::customer( (int) $id ) );
		}
		return $ids ? array( 'stage' => 'users', 'after' => (int) end( $ids ) ) : array( 'stage' => 'orders', 'after' => 0 );
	}

	private function some_orders( int $page ): array {
		if ( ! function_exists( 'wc_get_orders' ) ) {
			return array( 'stage' => 'done' );
		}
		$orders = wc_get_orders( array( 'type' => 'shop_order', 'limit' => 50, 'paged' => $page + 1, 'orderby' => 'ID', 'order' => 'ASC', 'return' => 'objects' ) );
		foreach ( $orders as $order ) {
			if ( 0 === (int) $order->get_customer_id() ) { // people with an account had their turn
				$this->order_changed( $order );
			}
		}
		$this->settle();
		return $orders ? array( 'stage' => 'orders', 'after' => $page + 1 ) : array( 'stage' => 'done' );
	}

	private function report( Person $person ): void {
		global $wpdb;
		$table   = Tables::name( 'people' );
		$subject = $person->subject();
		$digest  = hash( 'sha256', (string) wp_json_encode( $subject ) );
		$known   = (string) $wpdb->get_var( $wpdb->prepare( "SELECT digest FROM $table WHERE ref = %s", $person->ref() ) );
		if ( $known === $digest || ( '' === $known && $subject['gone'] ) ) {
			return;
		}
		$this->recorder->record( 5003, 2, array(), array( 'subject' => $subject ) );
		$wpdb->query( $wpdb->prepare( "REPLACE INTO $table (ref, digest) VALUES (%s, %s)", $person->ref(), $digest ) );
	}
}
