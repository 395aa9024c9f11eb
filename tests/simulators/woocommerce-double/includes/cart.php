<?php
/**
 * The cart: products, addresses and the chosen shipping rate of one visit.
 */

defined( 'ABSPATH' ) || exit;

class WC_Cart {

	/** @var WC_Session_Handler */
	private $session;

	/** @var array<string,int>|null product id -> quantity; read on first use */
	private $lines = null;

	public function __construct( WC_Session_Handler $session ) {
		$this->session = $session;
	}

	/** @return array<int,int> What may not be bought (any more) drops out, as in the real one. */
	private function lines() {
		if ( null === $this->lines ) {
			$this->lines = array();
			foreach ( (array) $this->session->get( 'cart', array() ) as $id => $quantity ) {
				$product = wc_get_product( $id );
				if ( $product && $product->is_purchasable() ) {
					$this->lines[ $id ] = (int) $quantity;
				}
			}
		}
		return $this->lines;
	}

	/** @return array<string,array<string,mixed>> */
	public function get_cart() {
		$items = array();
		foreach ( $this->lines() as $id => $quantity ) {
			$product                        = wc_get_product( $id );
			$items[ md5( (string) $id ) ] = array( 'key' => md5( (string) $id ), 'product_id' => $id, 'quantity' => $quantity, 'data' => $product, 'line_total' => (float) $product->get_price() * $quantity );
		}
		return $items;
	}

	public function is_empty() {
		return ! $this->lines();
	}

	public function quantity_of( $id ) {
		return $this->lines()[ $id ] ?? 0;
	}

	public function add_to_cart( $id, $quantity = 1 ) {
		$this->lines();
		$this->lines[ $id ] = $this->quantity_of( $id ) + $quantity;
		$this->session->set( 'cart', $this->lines );
		$this->session->set_customer_session_cookie( true );
		$key = md5( (string) $id );
		do_action( 'woocommerce_add_to_cart', $key, $id, $quantity, 0, array(), array() );
		return $key;
	}

	public function empty_cart() {
		$this->lines = array();
		$this->session->set( 'cart', array() );
		do_action( 'woocommerce_cart_emptied', true );
	}

	/** @return array<string,string> */
	public function address( $kind ) {
		$base  = wc_get_base_location();
		$empty = array_fill_keys( WC_DOUBLE_ADDRESS, '' );
		$start = array_merge( $empty, array( 'country' => $base['country'], 'state' => $base['state'] ), 'billing' === $kind ? array( 'email' => '' ) : array() );
		return array_merge( $start, (array) $this->session->get( $kind, array() ) );
	}

	public function set_address( $kind, array $address ) {
		$this->session->set( $kind, array_merge( $this->address( $kind ), array_intersect_key( $address, $this->address( $kind ) ) ) );
	}

	public function needs_shipping() {
		return (bool) array_filter( $this->get_cart(), fn( $item ) => $item['data']->needs_shipping() );
	}

	public function rates() {
		return $this->needs_shipping() ? wc_double_rates( $this->address( 'shipping' )['country'] ) : array();
	}

	public function choose_rate( $id ) {
		$this->session->set( 'rate', $id );
	}

	/** @return array<string,mixed>|null The rate the customer chose, else the first. */
	public function rate() {
		$rates = $this->rates();
		return $rates[ $this->session->get( 'rate', '' ) ] ?? ( $rates ? reset( $rates ) : null );
	}

	public function items_total() {
		return array_sum( array_column( $this->get_cart(), 'line_total' ) );
	}

	public function total() {
		$rate = $this->rate();
		return $this->items_total() + ( $rate ? (float) $rate['cost'] : 0 );
	}
}
