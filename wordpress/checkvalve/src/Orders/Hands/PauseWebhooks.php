<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\KeptDeliveries;

/**
 * As disable_webhooks, but what would have been delivered is kept, and delivered when the order ends.
 */
final class PauseWebhooks extends DisableWebhooks {

	const EFFECT = 'waits: deliveries are kept and made when the order ends';
	const UNDO   = 'kept deliveries are made, with the data of that moment';
	const COST   = 'the receiver learns later';

	public function enact( array $rule, int $now ): string {
		return (string) wp_json_encode( array( 'webhook' => $rule['target'] ) );
	}

	public function undo( string $held ): string {
		$rule = (array) json_decode( $held, true );
		KeptDeliveries::release( (string) ( $rule['webhook'] ?? '' ) );
		return '';
	}

	public function should_deliver( $should, $webhook, $arg ) {
		if ( ! $should || ! $this->means( $webhook ) ) {
			return $should;
		}
		foreach ( $this->meant as $rule ) {
			$this->keep( $rule, $webhook, $arg );
		}
		return false;
	}

	/** @param \WC_Webhook $webhook */
	private function keep( string $rule, $webhook, $arg ): void {
		$all         = $this->meant;
		$this->meant = array( $rule );
		if ( $this->means( $webhook ) ) {
			KeptDeliveries::keep( $rule, (int) $webhook->get_id(), $arg, time() );
		}
		$this->meant = $all;
	}
}
