<?php
/**
 * Products: posts of type `product` with the meta keys of WooCommerce.
 */

defined( 'ABSPATH' ) || exit;

/**
 * One product. Values live in post meta under WooCommerce's own names.
 */
class WC_Product extends WC_Data {

	/** @var int */
	protected $id = 0;

	/** @var array<string,mixed> */
	protected $data = array(
		'name'               => '',
		'slug'               => '',
		'status'             => 'publish',
		'description'        => '',
		'sku'                => '',
		'regular_price'      => '',
		'virtual'            => false,
		'catalog_visibility' => 'visible',
		'tax_status'         => 'taxable',
		'manage_stock'       => false,
		'stock_quantity'     => null,
		'stock_status'       => 'instock',
		'reviews_allowed'    => true,
	);

	public function __construct( $id = 0 ) {
		$post = $id ? get_post( $id ) : null;
		if ( $post && 'product' === $post->post_type ) {
			$kept       = (array) get_post_meta( $post->ID, '_wc_double', true );
			$this->id   = $post->ID;
			$this->data = array_merge( $this->data, $kept );
			$this->data['stock_quantity'] = $this->data['manage_stock'] ? (int) get_post_meta( $post->ID, '_stock', true ) : null;
			$this->data['status']         = $post->post_status;
		}
	}

	public function __call( $name, $arguments ) {
		$verb = substr( $name, 0, 4 );
		$key  = substr( $name, 4 );
		if ( 'get_' === $verb && array_key_exists( $key, $this->data ) ) {
			$value = $this->data[ $key ];
			return 'view' === ( $arguments[0] ?? 'view' ) ? apply_filters( 'woocommerce_product_get_' . $key, $value, $this ) : $value;
		}
		if ( 'set_' === $verb && array_key_exists( $key, $this->data ) ) {
			$this->data[ $key ] = $arguments[0];
			return null;
		}
		throw new BadMethodCallException( "The double has no WC_Product::$name()" );
	}

	public function get_id() {
		return $this->id;
	}

	public function get_type() {
		return 'simple';
	}

	public function get_price( $context = 'view' ) {
		$price = (string) $this->data['regular_price'];
		return 'view' === $context ? apply_filters( 'woocommerce_product_get_price', $price, $this ) : $price;
	}

	public function is_virtual() {
		return (bool) $this->data['virtual'];
	}

	public function needs_shipping() {
		return apply_filters( 'woocommerce_product_needs_shipping', ! $this->is_virtual(), $this );
	}

	public function managing_stock() {
		return (bool) $this->data['manage_stock'];
	}

	public function is_in_stock() {
		return apply_filters( 'woocommerce_product_is_in_stock', ! $this->managing_stock() || $this->data['stock_quantity'] > 0, $this );
	}

	public function has_enough_stock( $quantity ) {
		return ! $this->managing_stock() || $this->data['stock_quantity'] >= $quantity;
	}

	public function exists() {
		return $this->id > 0;
	}

	public function is_purchasable() {
		$may = $this->exists() && ( 'publish' === $this->data['status'] || current_user_can( 'edit_post', $this->id ) ) && '' !== $this->get_price();
		return apply_filters( 'woocommerce_is_purchasable', $may, $this );
	}

	public function get_permalink() {
		return get_permalink( $this->id );
	}

	public function save() {
		$new  = 0 === $this->id;
		$post = array(
			'post_type'      => 'product',
			'post_title'     => $this->data['name'],
			'post_status'    => $this->data['status'],
			'post_content'   => $this->data['description'],
			'comment_status' => $this->data['reviews_allowed'] ? 'open' : 'closed',
		);
		if ( $new ) {
			$this->id = wp_insert_post( wp_slash( $post ) );
		} else {
			wp_update_post( wp_slash( $post + array( 'ID' => $this->id ) ) );
		}
		update_post_meta( $this->id, '_wc_double', $this->data );
		update_post_meta( $this->id, '_sku', $this->data['sku'] );
		update_post_meta( $this->id, '_price', $this->data['regular_price'] );
		update_post_meta( $this->id, '_virtual', $this->data['virtual'] ? 'yes' : 'no' );
		if ( $this->data['manage_stock'] ) {
			update_post_meta( $this->id, '_stock', (int) $this->data['stock_quantity'] );
		}
		do_action( $new ? 'woocommerce_new_product' : 'woocommerce_update_product', $this->id, $this );
		return $this->id;
	}

	public function delete( $force = false ) {
		$done     = $force ? wp_delete_post( $this->id, true ) : wp_trash_post( $this->id );
		$this->id = $force ? 0 : $this->id;
		return (bool) $done;
	}
}

class WC_Product_Simple extends WC_Product {}

/** @return WC_Product|false */
function wc_get_product( $id = false ) {
	$id      = $id instanceof WC_Product ? $id->get_id() : ( $id instanceof WP_Post ? $id->ID : (int) $id );
	$product = new WC_Product_Simple( $id );
	return $product->exists() ? $product : false;
}

function wc_get_product_id_by_sku( $sku ) {
	$found = get_posts(
		array(
			'post_type'   => 'product',
			'post_status' => array( 'publish', 'private', 'draft', 'pending', 'future' ),
			'meta_key'    => '_sku',
			'meta_value'  => (string) $sku,
			'fields'      => 'ids',
			'numberposts' => 1,
		)
	);
	return '' === (string) $sku || ! $found ? 0 : (int) $found[0];
}

/** @return WC_Product[]|int[] The newest first. */
function wc_get_products( array $arguments = array() ) {
	$arguments += array( 'limit' => 10, 'status' => array( 'publish', 'private', 'draft', 'pending' ), 'return' => 'objects' );
	$ids        = get_posts(
		array(
			'post_type'   => 'product',
			'post_status' => $arguments['status'],
			'numberposts' => (int) $arguments['limit'],
			'fields'      => 'ids',
			'orderby'     => 'ID',
			'order'       => 'DESC',
		)
	);
	return 'ids' === $arguments['return'] ? $ids : array_map( 'wc_get_product', $ids );
}
