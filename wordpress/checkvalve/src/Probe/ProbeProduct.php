<?php
namespace Checkvalve\Probe;

/**
 * The hidden products that a probe of the checkout buys, a virtual one and one to be shipped. They are private, so WordPress keeps them out of catalogue, search,
 * feeds and site map; only a request with core's pass may buy them.
 */
final class ProbeProduct {

	const SKU      = 'checkvalve-probe';
	const PRICE    = '1.00';
	const OPTION   = 'checkvalve_probe_product';
	const PHYSICAL = 'checkvalve_probe_physical';

	public static function id(): int {
		return (int) get_option( self::OPTION, 0 );
	}

	/** @return int[] */
	public static function ids(): array {
		return array_filter( array( self::id(), (int) get_option( self::PHYSICAL, 0 ) ) );
	}

	/** The product's id, made if it is not there; 0 without WooCommerce. */
	public static function ensure( bool $physical = false ): int {
		if ( ! class_exists( 'WooCommerce' ) || ! function_exists( 'wc_get_product' ) ) {
			return 0;
		}
		$option = $physical ? self::PHYSICAL : self::OPTION;
		$sku    = self::sku( $physical );
		$id     = (int) get_option( $option, 0 ) ?: (int) wc_get_product_id_by_sku( $sku );
		if ( $id > 0 ) {
			$product = wc_get_product( $id );
			if ( $product && $sku === $product->get_sku() ) {
				update_option( $option, $id, true );
				return $id;
			}
		}
		$product = new \WC_Product_Simple();
		$product->set_name( 'Checkvalve probe' );
		$product->set_sku( $sku );
		$product->set_regular_price( self::PRICE );
		$product->set_virtual( ! $physical );
		$product->set_status( 'private' );
		$product->set_catalog_visibility( 'hidden' );
		$product->set_tax_status( $physical ? 'taxable' : 'none' );
		$product->set_manage_stock( false );
		$product->set_reviews_allowed( false );
		$id = (int) $product->save();
		update_option( $option, $id, true );
		return $id;
	}

	private static function sku( bool $physical ): string {
		return $physical ? self::SKU . '-physical' : self::SKU;
	}

	/** @param \WC_Order $order */
	public static function is_in( $order ): bool {
		$probes = self::ids();
		if ( ! $probes || ! is_object( $order ) || ! method_exists( $order, 'get_items' ) ) {
			return false;
		}
		foreach ( $order->get_items() as $item ) {
			if ( method_exists( $item, 'get_product_id' ) && in_array( (int) $item->get_product_id(), $probes, true ) ) {
				return true;
			}
		}
		return false;
	}

	public static function remove(): void {
		foreach ( array( false, true ) as $physical ) {
			$option = $physical ? self::PHYSICAL : self::OPTION;
			$id     = (int) get_option( $option, 0 );
			if ( $id > 0 && self::sku( $physical ) === get_post_meta( $id, '_sku', true ) ) {
				$product = function_exists( 'wc_get_product' ) ? wc_get_product( $id ) : false;
				$product ? $product->delete( true ) : wp_delete_post( $id, true );
			}
			delete_option( $option );
		}
	}
}
