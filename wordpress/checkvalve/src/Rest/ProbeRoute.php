<?php
namespace Checkvalve\Rest;

use Checkvalve\Probe\Pass;
use Checkvalve\Probe\ProbeProduct;
use Checkvalve\Refused;

/**
 * GET checkvalve/v1/probe: what core must know to probe the checkout (docs/spec/wire.md, section 10).
 */
final class ProbeRoute {

	/** Payment methods that move no money by themselves. */
	const OFFLINE = array( 'cod', 'bacs', 'cheque' );

	public function serve( \WP_REST_Request $request ): \WP_REST_Response {
		try {
			Pass::check( time() );
			return Answer::ok( self::facts( $request ) );
		} catch ( Refused $refused ) {
			return Answer::refused( $refused );
		}
	}

	/** @throws Refused When there is no shop, or the order asked for is no probe. */
	private static function facts( \WP_REST_Request $request ): array {
		$id = ProbeProduct::ensure();
		if ( 0 === $id ) {
			throw new Refused( 'not_found', 'WooCommerce is not active in this shop' );
		}
		$product = wc_get_product( $id );
		$digits  = (int) wc_get_price_decimals();
		$facts   = array(
			'product_id' => $id,
			'sku'        => ProbeProduct::SKU,
			'price'      => (string) (int) round( (float) $product->get_price() * pow( 10, $digits ) ),
			'currency'   => get_woocommerce_currency(),
			'minor_unit' => $digits,
			'methods'    => self::methods(),
		);
		if ( null !== $request->get_param( 'order' ) ) {
			$order = wc_get_order( absint( $request->get_param( 'order' ) ) );
			if ( ! $order || ! ProbeProduct::is_in( $order ) ) {
				throw new Refused( 'not_found', 'there is no probe order with this number' );
			}
			$facts['order_status'] = (string) $order->get_status();
		}
		return $facts;
	}

	/** @return string[] */
	private static function methods(): array {
		$available = array_keys( WC()->payment_gateways()->get_available_payment_gateways() );
		/**
		 * Payment methods a probe of the checkout may use. Add one only if it moves no money for a cancelled order.
		 *
		 * @param string[] $methods
		 */
		$allowed = (array) apply_filters( 'checkvalve_probe_methods', self::OFFLINE );
		return array_values( array_intersect( $allowed, $available ) );
	}
}
