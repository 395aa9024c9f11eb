<?php
namespace Checkvalve\People;

use Checkvalve\Probe\ProbeProduct;
use Checkvalve\Settings;

/**
 * One person of the shop with all identifiers under which their data may show up (docs/spec/wire.md, sections 5 and 6).
 * A person with an account is `customer:<id>`, a guest `guest:<first 12 hex of the e-mail's pseudonym>`.
 */
final class Person {

	const MAX_ORDERS = 500;

	/** @var string */
	private $ref;

	/** @var array<string, array{0: string, 1: string}> */
	private $identifiers = array();

	private function __construct( string $ref ) {
		$this->ref = $ref;
	}

	public function ref(): string {
		return $this->ref;
	}

	/** @return array{ref: string, identifiers: array, gone: bool} */
	public function subject(): array {
		return array( 'ref' => $this->ref, 'identifiers' => array_values( $this->identifiers ), 'gone' => ! $this->identifiers );
	}

	public static function customer( int $user_id ): self {
		$person = new self( "customer:$user_id" );
		$user   = get_userdata( $user_id );
		if ( ! $user ) {
			return $person;
		}
		$person->add( array( 'email' => $user->user_email, 'name' => trim( $user->first_name . ' ' . $user->last_name ) ) );
		$person->add( array( 'name' => $user->display_name ) );
		foreach ( array( 'billing', 'shipping' ) as $kind ) {
			$meta = static function ( string $field ) use ( $user_id, $kind ): string {
				return (string) get_user_meta( $user_id, "{$kind}_$field", true );
			};
			$person->add_address( $meta );
		}
		if ( function_exists( 'wc_get_orders' ) ) {
			$person->add_orders( array( 'customer_id' => $user_id ) );
			$person->add_orders( array( 'billing_email' => $user->user_email ) ); // ordered as a guest, with the account's address
		}
		return $person;
	}

	/** Nobody, once the address belongs to an account: then the orders are the customer's. */
	public static function guest( string $email ): self {
		$person = new self( self::guest_ref( $email ) );
		if ( function_exists( 'wc_get_orders' ) && ! get_user_by( 'email', $email ) ) {
			$person->add_orders( array( 'billing_email' => $email ), true );
		}
		return $person;
	}

	/** Empty when the text is no e-mail address. */
	public static function guest_ref( string $email ): string {
		$normal = Pseudonym::email( $email );
		return '' === $normal ? '' : 'guest:' . substr( Pseudonym::of( Settings::pseudonym_key(), 'email', $normal ), 0, 12 );
	}

	private function add_orders( array $whose, bool $guests_only = false ): void {
		$orders = wc_get_orders( $whose + array( 'type' => 'shop_order', 'limit' => self::MAX_ORDERS, 'orderby' => 'ID', 'order' => 'DESC', 'return' => 'objects' ) );
		foreach ( $orders as $order ) {
			if ( ( $guests_only && (int) $order->get_customer_id() > 0 ) || ProbeProduct::is_in( $order ) ) {
				continue;
			}
			$this->add( array( 'order_numbers' => array( (string) $order->get_order_number() ) ) );
			foreach ( array( 'billing', 'shipping' ) as $kind ) {
				$get = static function ( string $field ) use ( $order, $kind ): string {
					$method = "get_{$kind}_$field";
					$known  = 'billing' === $kind || ! in_array( $field, array( 'email', 'phone' ), true ) || method_exists( $order, $method );
					return $known ? (string) $order->$method() : '';
				};
				$this->add_address( $get );
			}
		}
	}

	/** @param callable(string): string $get */
	private function add_address( callable $get ): void {
		$this->add(
			array(
				'email'    => $get( 'email' ),
				'name'     => trim( $get( 'first_name' ) . ' ' . $get( 'last_name' ) ),
				'phone'    => $get( 'phone' ),
				'address'  => $get( 'address_1' ),
				'postcode' => $get( 'postcode' ),
			)
		);
	}

	private function add( array $spelling ): void {
		foreach ( Pseudonym::identifiers( Settings::pseudonym_key(), $spelling ) as $pair ) {
			$this->identifiers[ implode( ' ', $pair ) ] = $pair;
		}
	}
}
