<?php
namespace Checkvalve\Orders;

/**
 * What of the shop belongs to cart and checkout.
 */
final class Checkout {

	/** WooCommerce's own `wc-ajax` actions on the way from a product to a paid order. */
	const AJAX = array(
		'checkout', 'update_order_review', 'add_to_cart', 'remove_from_cart', 'get_refreshed_fragments', 'apply_coupon', 'remove_coupon',
		'update_shipping_method', 'get_cart_totals', 'get_variation', 'get_customer_location', 'update_order_status',
	);

	/** Whether the path is the cart's or the checkout's page or lies below (order-pay, order-received). */
	public static function has_page( string $path ): bool {
		foreach ( array( 'checkout', 'cart' ) as $page ) {
			$id  = (int) get_option( "woocommerce_{$page}_page_id" );
			$uri = $id > 0 ? (string) get_page_uri( $id ) : '';
			$own = Route::normal( $uri );
			if ( '' !== $uri && ( $path === $own || 0 === strpos( $path, $own . '/' ) ) ) {
				return true;
			}
			if ( $id > 0 && in_array( (string) $id, Request::values( 'page_id' ), true ) ) {
				return true;
			}
		}
		return false;
	}
}
