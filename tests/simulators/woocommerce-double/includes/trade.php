<?php
/**
 * What a shop does besides selling: refunds, coupons, webhooks. Each is a post, as in the real one save webhooks.
 */

defined( 'ABSPATH' ) || exit;

/**
 * Something kept as a post with its values in post meta.
 */
abstract class WC_Double_Post extends WC_Data {

	const TYPE = '';

	/** @var int */
	protected $id = 0;

	/** @var array<string,mixed> */
	protected $data = array();

	public function __construct( $id = 0 ) {
		if ( $id && static::TYPE === get_post_type( $id ) ) {
			$this->id   = (int) $id;
			$this->data = array_merge( $this->data, (array) get_post_meta( $id, '_wc_double', true ) );
		}
	}

	public function __call( $name, $arguments ) {
		$key = substr( $name, 4 );
		if ( ! array_key_exists( $key, $this->data ) || ! in_array( substr( $name, 0, 4 ), array( 'get_', 'set_' ), true ) ) {
			throw new BadMethodCallException( 'The double has no ' . static::class . "::$name()" );
		}
		if ( 'set_' === substr( $name, 0, 4 ) ) {
			$this->data[ $key ] = $arguments[0];
		}
		return $this->data[ $key ];
	}

	public function get_id() {
		return $this->id;
	}

	/** @return bool Whether it is new. */
	protected function keep() {
		$new      = 0 === $this->id;
		$this->id = $new ? wp_insert_post( array( 'post_type' => static::TYPE, 'post_status' => 'publish' ) ) : $this->id;
		update_post_meta( $this->id, '_wc_double', $this->data );
		return $new;
	}
}

class WC_Order_Refund extends WC_Double_Post {

	const TYPE = 'shop_order_refund';

	protected $data = array( 'parent_id' => 0, 'amount' => '0' );

	public function save() {
		$this->keep();
		return $this->id;
	}

	public function get_type() {
		return 'shop_order_refund';
	}
}

class WC_Coupon extends WC_Double_Post {

	const TYPE = 'shop_coupon';

	protected $data = array( 'code' => '', 'amount' => '0', 'discount_type' => 'fixed_cart' );

	public function save() {
		do_action( $this->keep() ? 'woocommerce_new_coupon' : 'woocommerce_update_coupon', $this->id, $this );
		return $this->id;
	}

	public function delete( $force = false ) {
		$id = $this->id;
		$force ? wp_delete_post( $id, true ) : wp_trash_post( $id );
		do_action( $force ? 'woocommerce_delete_coupon' : 'woocommerce_trash_coupon', $id );
		return true;
	}
}

class WC_Webhook extends WC_Double_Post {

	const TYPE = 'wc_double_webhook';

	protected $data = array( 'name' => '', 'delivery_url' => '', 'topic' => '', 'status' => 'disabled', 'secret' => '', 'user_id' => 0 );

	public function save() {
		if ( $this->keep() ) {
			do_action( 'woocommerce_new_webhook', $this->id, $this );
		} else {
			do_action( 'woocommerce_webhook_updated', $this->id );
		}
		return $this->id;
	}

	/** As the real one, which puts the delivery into a queue here; the double delivers at once. */
	public function process( $arg ) {
		if ( apply_filters( 'woocommerce_webhook_should_deliver', 'active' === $this->data['status'], $this, $arg ) ) {
			do_action( 'woocommerce_webhook_process_delivery', $this, $arg );
		}
	}

	public function deliver( $arg ) {
		$args    = array( 'method' => 'POST', 'timeout' => 60, 'body' => wp_json_encode( array( 'id' => $arg ) ) );
		$started = microtime( true );
		$answer  = wp_safe_remote_request( $this->data['delivery_url'], $args );
		do_action( 'woocommerce_webhook_delivery', $args, $answer, round( microtime( true ) - $started, 5 ), $arg, $this->id );
	}

	public function delete( $force = false ) {
		wp_delete_post( $this->id, true );
		do_action( 'woocommerce_webhook_deleted', $this->id, $this );
		return true;
	}
}

add_action(
	'woocommerce_webhook_process_delivery',
	function ( $webhook, $arg ) {
		$webhook->deliver( $arg );
	},
	10,
	2
);

function wc_get_webhook( $id ) {
	$webhook = new WC_Webhook( $id );
	return $webhook->get_id() ? $webhook : null;
}

function wc_create_refund( array $arguments ) {
	$refund = new WC_Order_Refund();
	$refund->set_parent_id( $arguments['order_id'] );
	$refund->set_amount( $arguments['amount'] );
	do_action( 'woocommerce_create_refund', $refund, $arguments );
	$id = $refund->save();
	do_action( 'woocommerce_refund_created', $id, $arguments );
	do_action( 'woocommerce_order_refunded', $arguments['order_id'], $id );
	return $refund;
}
