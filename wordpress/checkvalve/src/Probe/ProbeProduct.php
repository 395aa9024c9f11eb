<?php
namespace Checkvalve\Probe;

/**
 * The hidden product that a probe of the checkout buys. It is private, so WordPress keeps it out of catalogue, search,
 * feeds and site map; only a request with core's pass may buy it.
 */
final class ProbeProduct {

	const SKU    = 'checkvalve-probe';
	const PRICE  = '1.00';
	const OPTION = 'checkvalve_probe_product';

	public static function id(): int {
		return (int) get_option( self::OPTION, 0 );
	}

	/** The product's id, made if it is not there; 0 without WooCommerce. */
	public static function ensure(): int {
		if ( ! class_exists( 'WooCommerce' ) || ! function_exists( 'wc_get_product' ) ) {
			return 0;
		}
		$id = self::id() ?: (int) wc_get_product_id_by_sku( self::SKU );
		if ( $id > 0 ) {
			$product = wc_get_product( $id );
			if ( $product && self::SKU === $product->get_sku() ) {
				update_option( self::OPTION, $id, true );
				return $id;
			}
		}
		$product = new \WC_Product_Simple();
		$product->set_name( 'Checkvalve probe' );
		$product->set_sku( self::SKU );
		$product->set_regular_price( self::PRICE );
		$product->set_virtual( true );
		$product->set_status( 'private' );
		$product->set_catalog_visibility( 'hidden' );
		$product->set_tax_status( 'none' );
		$product->set_manage_stock( false );
		$product->set_reviews_allowed( false );
		$id = (int) $product->save();
		update_option( self::OPTION, $id, true );
		return $id;
	}

	/** @param \WC_Order $order */
	public static function is_in( $order ): bool {
		$probe = self::id();
		if ( $probe <= 0 || ! is_object( $order ) || ! method_exists( $order, 'get_items' ) ) {
			return false;
		}
		foreach ( $order->get_items() as $item ) {
			if ( method_exists( $item, 'get_product_id' ) && (int) $item->get_product_id() === $probe ) {
				return true;
			}
		}
		return false;
	}

	public static function remove(): void {
		$id = self::id();
		if ( $id > 0 && self::SKU === get_post_meta( $id, '_sku', true ) ) {
			$product = function_exists( 'wc_get_product' ) ? wc_get_product( $id ) : false;
			$product ? $product->delete( true ) : wp_delete_post( $id, true );
		}
		delete_option( self::OPTION );
	}
}
