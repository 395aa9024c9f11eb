<?php
namespace Checkvalve\Rest;

use Checkvalve\Orders\Trial;
use Checkvalve\Probe\Pass;
use Checkvalve\Probe\ProbeOrders;
use Checkvalve\Probe\ProbeProduct;
use Checkvalve\Refused;

/**
 * GET checkvalve/v1/probe: what core must know to probe the checkout (docs/spec/wire.md, section 10).
 */
final class ProbeRoute {

	/** Payment methods that move no money by themselves. */
	const OFFLINE = array( 'cod', 'bacs', 'cheque' );

	/** @var ProbeOrders */
	private $probes;

	public function __construct( ProbeOrders $probes ) {
		$this->probes = $probes;
	}

	public function serve( \WP_REST_Request $request ): \WP_REST_Response {
		try {
			Pass::check( time() );
			return Answer::ok( $this->facts( $request ) );
		} catch ( Refused $refused ) {
			return Answer::refused( $refused );
		}
	}

	/** @throws Refused When there is no shop, or the order asked for is no probe. */
	private function facts( \WP_REST_Request $request ): array {
		$id = ProbeProduct::ensure();
		if ( 0 === $id ) {
			throw new Refused( 'not_found', 'WooCommerce is not active in this shop' );
		}
		$product = wc_get_product( $id );
		$digits  = (int) wc_get_price_decimals();
		$facts   = array(
			'product_id' => $id,
			'sku'        => ProbeProduct::SKU,
			'price'      => self::minor( $product->get_price(), $digits ),
			'currency'   => get_woocommerce_currency(),
			'minor_unit' => $digits,
			'methods'    => self::methods(),
			'address'    => self::address(),
			'plugins'    => Trial::plugins(),
		);
		if ( wc_shipping_enabled() ) {
			$facts['physical_id'] = ProbeProduct::ensure( true );
		}
		$page = get_post( wc_get_page_id( 'checkout' ) );
		if ( $page && has_shortcode( (string) $page->post_content, 'woocommerce_checkout' ) ) {
			$facts['checkout_url'] = (string) get_permalink( $page );
			$facts['ajax_url']     = home_url( '/?wc-ajax=' );
		}
		if ( null !== $request->get_param( 'order' ) ) {
			$order = wc_get_order( absint( $request->get_param( 'order' ) ) );
			if ( ! $order || ! ProbeProduct::is_in( $order ) ) {
				throw new Refused( 'not_found', 'there is no probe order with this number' );
			}
			$facts['order_status'] = (string) $order->get_status();
			$facts['order']        = array(
				'total'    => self::minor( $order->get_total(), $digits ),
				'shipping' => self::minor( $order->get_shipping_total(), $digits ),
				'tax'      => self::minor( $order->get_total_tax(), $digits ),
				'currency' => (string) $order->get_currency(),
			);
			if ( 'cancelled' === $order->get_status() ) {
				$this->probes->remove_when_told( (int) $order->get_id() );
			}
		}
		return $facts;
	}

	/** @param mixed $amount */
	private static function minor( $amount, int $digits ): string {
		return (string) (int) round( (float) $amount * pow( 10, $digits ) );
	}

	/** Where the shop itself is: there it ships to, if anywhere. */
	private static function address(): array {
		$base = wc_get_base_location();
		return array(
			'country'  => (string) $base['country'],
			'state'    => (string) $base['state'],
			'city'     => (string) get_option( 'woocommerce_store_city', '' ),
			'postcode' => (string) get_option( 'woocommerce_store_postcode', '' ),
		);
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
