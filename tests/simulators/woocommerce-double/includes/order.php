<?php
/**
 * One order with its items, notes and changes of status.
 */

defined( 'ABSPATH' ) || exit;

/**
 * A line of an order: a product bought, or the shipping.
 */
class WC_Order_Item extends WC_Data {

	/** @var array<string,mixed> */
	public $data;

	public function __construct( array $data = array() ) {
		$this->data = $data + array( 'type' => 'line_item', 'name' => '', 'product_id' => 0, 'quantity' => 1, 'total' => '0', 'method_id' => '' );
	}

	public function get_type() {
		return $this->data['type'];
	}

	public function get_name() {
		return $this->data['name'];
	}

	public function get_total() {
		return $this->data['total'];
	}

	public function get_quantity() {
		return $this->data['quantity'];
	}

	public function get_method_id() {
		return $this->data['method_id'];
	}
}

class WC_Order_Item_Product extends WC_Order_Item {
	public function get_product_id() {
		return (int) $this->data['product_id'];
	}

	public function get_variation_id() {
		return 0;
	}

	public function get_product() {
		return wc_get_product( $this->get_product_id() );
	}
}

class WC_Order_Item_Shipping extends WC_Order_Item {}

/**
 * An order. Its columns are what is searched by; the rest is one JSON document in the same row.
 */
class WC_Order extends WC_Data {

	/** @var int */
	protected $id = 0;

	/** @var array<string,mixed> */
	protected $data = array();

	/** @var WC_Order_Item[] */
	protected $items = array();

	/** @var array<string,mixed>|null A change of status that save() still has to tell. */
	protected $transition = null;

	public function __construct( $id = 0 ) {
		$this->data = array(
			'status'               => 'pending',
			'order_key'            => 'wc_order_' . wp_generate_password( 13, false ),
			'customer_id'          => 0,
			'currency'             => get_woocommerce_currency(),
			'total'                => '0',
			'shipping_total'       => '0',
			'total_tax'            => '0',
			'payment_method'       => '',
			'payment_method_title' => '',
			'created_via'          => '',
			'customer_note'        => '',
			'customer_ip_address'  => '',
			'customer_user_agent'  => '',
			'date_created'         => gmdate( 'Y-m-d H:i:s' ),
			'stock_reduced'        => false,
			'meta'                 => array(),
			'items'                => array(),
		);
		foreach ( array( 'billing', 'shipping' ) as $kind ) {
			foreach ( WC_DOUBLE_ADDRESS as $name ) {
				$this->data[ $kind . '_' . $name ] = '';
			}
		}
		$this->data['billing_email'] = '';
		if ( $id ) {
			$this->read( (int) $id );
		}
	}

	private function read( $id ) {
		global $wpdb;
		$row = $wpdb->get_row( $wpdb->prepare( "SELECT id, data FROM {$wpdb->prefix}wc_orders WHERE id = %d", $id ) );
		if ( ! $row ) {
			throw new Exception( 'Invalid order.' );
		}
		$this->id    = (int) $row->id;
		$this->data  = array_merge( $this->data, json_decode( $row->data, true ) );
		$this->items = array_map( 'wc_double_item', $this->data['items'] );
	}

	public function __call( $name, $arguments ) {
		$verb = substr( $name, 0, 4 );
		$key  = substr( $name, 4 );
		if ( 'get_' === $verb && array_key_exists( $key, $this->data ) ) {
			return 'view' === ( $arguments[0] ?? 'view' ) ? apply_filters( 'woocommerce_order_get_' . $key, $this->data[ $key ], $this ) : $this->data[ $key ];
		}
		if ( 'set_' === $verb && array_key_exists( $key, $this->data ) ) {
			$this->data[ $key ] = is_numeric( $this->data[ $key ] ) && is_int( $this->data[ $key ] ) ? (int) $arguments[0] : $arguments[0];
			return null;
		}
		throw new BadMethodCallException( "The double has no WC_Order::$name()" );
	}

	public function get_id() {
		return $this->id;
	}

	public function get_order_number() {
		return (string) apply_filters( 'woocommerce_order_number', $this->id, $this );
	}

	public function get_type() {
		return 'shop_order';
	}

	public function get_date_created() {
		return new DateTime( $this->data['date_created'], new DateTimeZone( 'UTC' ) );
	}

	public function set_date_created( $date ) {
		$this->data['date_created'] = gmdate( 'Y-m-d H:i:s', is_numeric( $date ) ? (int) $date : strtotime( $date ) );
	}

	public function get_formatted_billing_full_name() {
		return trim( $this->data['billing_first_name'] . ' ' . $this->data['billing_last_name'] );
	}

	public function get_address( $kind = 'billing' ) {
		$names = 'billing' === $kind ? array_merge( WC_DOUBLE_ADDRESS, array( 'email' ) ) : WC_DOUBLE_ADDRESS;
		return array_combine( $names, array_map( fn( $name ) => $this->data[ $kind . '_' . $name ], $names ) );
	}

	public function set_address( $address, $kind = 'billing' ) {
		foreach ( $address as $name => $value ) {
			$this->{'set_' . $kind . '_' . $name}( $value );
		}
	}

	public function get_checkout_order_received_url() {
		return trailingslashit( wc_get_checkout_url() ) . 'order-received/' . $this->id . '/?key=' . $this->data['order_key'];
	}

	/** @return WC_Order_Item[] */
	public function get_items( $type = 'line_item' ) {
		return array_filter( $this->items, fn( $item ) => in_array( $item->get_type(), (array) $type, true ) );
	}

	public function add_item( WC_Order_Item $item ) {
		$this->items[] = $item;
	}

	public function remove_order_items() {
		$this->items = array();
	}

	public function add_product( WC_Product $product, $quantity = 1 ) {
		$total = wc_format_decimal( (float) $product->get_price() * $quantity, wc_get_price_decimals() );
		$this->add_item( new WC_Order_Item_Product( array( 'name' => $product->get_name(), 'product_id' => $product->get_id(), 'quantity' => $quantity, 'total' => $total ) ) );
		return count( $this->items );
	}

	public function calculate_totals() {
		$sum                          = fn( $items ) => array_sum( array_map( fn( $item ) => (float) $item->get_total(), $items ) );
		$this->data['shipping_total'] = wc_format_decimal( $sum( $this->get_items( 'shipping' ) ), wc_get_price_decimals() );
		$this->data['total']          = wc_format_decimal( $sum( $this->items ), wc_get_price_decimals() );
		return (float) $this->data['total'];
	}

	public function get_meta( $key, $single = true ) {
		return $this->data['meta'][ $key ] ?? '';
	}

	public function update_meta_data( $key, $value ) {
		$this->data['meta'][ $key ] = $value;
	}

	public function add_meta_data( $key, $value, $unique = false ) {
		$this->update_meta_data( $key, $value );
	}

	public function delete_meta_data( $key ) {
		unset( $this->data['meta'][ $key ] );
	}

	public function save_meta_data() {
		$this->write();
	}

	public function set_status( $status, $note = '' ) {
		$from = $this->data['status'];
		$to   = 0 === strpos( $status, 'wc-' ) ? substr( $status, 3 ) : $status;
		if ( $from !== $to && $this->id ) {
			$this->transition = array( 'from' => $this->transition['from'] ?? $from, 'to' => $to, 'note' => $note, 'manual' => false );
		}
		$this->data['status'] = $to;
		return compact( 'from', 'to' );
	}

	public function has_status( $status ) {
		return in_array( $this->data['status'], (array) $status, true );
	}

	public function update_status( $status, $note = '', $manual = false ) {
		if ( ! $this->id ) {
			return false;
		}
		$this->set_status( $status, $note );
		$this->save();
		return true;
	}

	public function payment_complete( $transaction = '' ) {
		do_action( 'woocommerce_pre_payment_complete', $this->id, $transaction );
		$this->update_status( apply_filters( 'woocommerce_payment_complete_order_status', 'processing', $this->id, $this ) );
		do_action( 'woocommerce_payment_complete', $this->id, $transaction );
		return true;
	}

	public function add_order_note( $text, $for_customer = 0, $by_user = false ) {
		$data = apply_filters(
			'woocommerce_new_order_note_data',
			array(
				'comment_post_ID'      => $this->id,
				'comment_author'       => 'WooCommerce',
				'comment_author_email' => 'woocommerce@shop.invalid',
				'comment_content'      => $text,
				'comment_agent'        => 'WooCommerce',
				'comment_type'         => 'order_note',
				'comment_approved'     => 1,
			),
			array( 'order_id' => $this->id, 'is_customer_note' => $for_customer )
		);
		$note = wp_insert_comment( $data );
		do_action( 'woocommerce_order_note_added', $note, $this );
		return $note;
	}

	public function save() {
		do_action( 'woocommerce_before_order_object_save', $this, $this->get_data_store() );
		$draft = 'checkout-draft' === $this->data['status'];
		$new   = 0 === $this->id;
		if ( $new ) {
			$this->id = wp_insert_post( array( 'post_type' => 'shop_order_placehold', 'post_status' => 'draft' ) );
		}
		$this->write();
		// As the real one: a draft of the checkout is new only when it becomes a real order.
		$born = $new ? ! $draft : 'checkout-draft' === ( $this->transition['from'] ?? '' ) && ! $draft;
		if ( $born ) {
			do_action( 'woocommerce_new_order', $this->id, $this );
		} elseif ( ! $new ) {
			do_action( 'woocommerce_update_order', $this->id, $this );
		}
		do_action( 'woocommerce_after_order_object_save', $this, $this->get_data_store() );
		$this->tell_transition();
		return $this->id;
	}

	public function delete( $force = false ) {
		global $wpdb;
		do_action( $force ? 'woocommerce_before_delete_order' : 'woocommerce_before_trash_order', $this->id, $this );
		$id = $this->id;
		$wpdb->delete( $wpdb->prefix . 'wc_orders', array( 'id' => $id ) );
		wp_delete_post( $id, true );
		do_action( $force ? 'woocommerce_delete_order' : 'woocommerce_trash_order', $id );
		return true;
	}

	private function tell_transition() {
		$change           = $this->transition;
		$this->transition = null;
		if ( null === $change ) {
			return;
		}
		list( 'from' => $from, 'to' => $to, 'note' => $note ) = $change;
		do_action( 'woocommerce_order_status_' . $to, $this->id, $this, $change );
		if ( 'checkout-draft' !== $from ) {
			$text = sprintf( 'Order status changed from %s to %s.', wc_get_order_status_name( $from ), wc_get_order_status_name( $to ) );
			$this->add_order_note( trim( $note . ' ' . $text ) );
		}
		do_action( 'woocommerce_order_status_' . $from . '_to_' . $to, $this->id, $this );
		do_action( 'woocommerce_order_status_changed', $this->id, $from, $to, $this );
	}

	private function write() {
		global $wpdb;
		$this->data['items'] = array_map( fn( $item ) => $item->data, array_values( $this->items ) );
		$wpdb->replace(
			$wpdb->prefix . 'wc_orders',
			array(
				'id'               => $this->id,
				'status'           => 'wc-' . $this->data['status'],
				'customer_id'      => $this->data['customer_id'],
				'billing_email'    => $this->data['billing_email'],
				'date_created_gmt' => $this->data['date_created'],
				'data'             => wp_json_encode( $this->data ),
			)
		);
	}
}
