<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;

/**
 * WooCommerce's outgoing webhooks: one by its number, all to one host, or `*`. What would have been delivered is dropped.
 */
class DisableWebhooks extends Hand {

	const ARGS   = array( 'webhook' );
	const EFFECT = 'delivers nothing; what happens meanwhile is not told later';
	const COST   = 'the receiver misses what happens meanwhile';

	/** @var string[] */
	protected $meant = array();

	public function rule( array $args ): array {
		return array( 'target' => strtolower( self::text( $args, 'webhook' ) ) );
	}

	public function enforce( array $rules ): void {
		$this->meant = self::each( $rules, 'target' );
		add_filter( 'woocommerce_webhook_should_deliver', array( $this, 'should_deliver' ), PHP_INT_MAX, 3 );
	}

	/**
	 * @param mixed       $should
	 * @param \WC_Webhook $webhook
	 * @param mixed       $arg What it is about: the number of an order, as a rule.
	 * @return mixed
	 */
	public function should_deliver( $should, $webhook, $arg ) {
		return $this->means( $webhook ) ? false : $should;
	}

	/** @param \WC_Webhook $webhook */
	protected function means( $webhook ): bool {
		$host = strtolower( (string) wp_parse_url( (string) $webhook->get_delivery_url(), PHP_URL_HOST ) );
		return (bool) array_intersect( $this->meant, array( '*', (string) $webhook->get_id(), $host ) );
	}
}
