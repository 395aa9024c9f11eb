<?php
namespace Checkvalve\Probe;

use Checkvalve\Recorder;

/**
 * What is different for a probe: it may buy the hidden product, nobody gets a mail about it, its order is cancelled when
 * the checkout has been answered, which restores stock, and removed when core has read what came of it.
 */
final class ProbeOrders {

	const OPEN   = 'checkvalve_probe_open';
	const EMAILS = array(
		'new_order', 'cancelled_order', 'failed_order', 'customer_on_hold_order', 'customer_processing_order', 'customer_completed_order',
		'customer_cancelled_order', 'customer_failed_order', 'customer_refunded_order', 'customer_invoice', 'customer_note',
	);

	/** @var Recorder */
	private $recorder;

	/** @var array<int, true> Probe orders made in this request. */
	private $made = array();

	public function __construct( Recorder $recorder ) {
		$this->recorder = $recorder;
	}

	/** In a visitor's request nothing but the refusal to sell the hidden products is needed. */
	public function set_up(): void {
		add_filter( 'woocommerce_is_purchasable', array( $this, 'purchasable' ), PHP_INT_MAX, 2 );
		if ( ! isset( $_SERVER['HTTP_CHECKVALVE_PROBE'] ) ) {
			return;
		}
		$this->be_silent();
		add_filter( 'pre_wp_mail', array( $this, 'drop_mail' ), PHP_INT_MAX );
		add_action( 'woocommerce_new_order', array( $this, 'note' ), PHP_INT_MIN, 2 );
		// After the answer was built from the paid order, before it is sent: the next request already finds it cancelled.
		add_filter( 'rest_post_dispatch', array( $this, 'cancel_made' ), PHP_INT_MAX - 1 );
		add_action( 'shutdown', array( $this, 'cancel_made' ), 0 );
	}

	private function be_silent(): void {
		foreach ( self::EMAILS as $id ) {
			add_filter( "woocommerce_email_enabled_$id", array( $this, 'mail_enabled' ), PHP_INT_MAX, 2 );
		}
	}

	/**
	 * @param mixed       $purchasable
	 * @param \WC_Product $product
	 * @return mixed
	 */
	public function purchasable( $purchasable, $product ) {
		return in_array( (int) $product->get_id(), ProbeProduct::ids(), true ) ? Pass::presented() : $purchasable;
	}

	/**
	 * @param mixed $enabled
	 * @param mixed $order
	 * @return mixed
	 */
	public function mail_enabled( $enabled, $order = null ) {
		return is_object( $order ) && ProbeProduct::is_in( $order ) ? false : $enabled;
	}

	/**
	 * Other plugins send mails of their own about an order; in a request with a pass there is nobody to write to.
	 *
	 * @param mixed $sent
	 * @return mixed
	 */
	public function drop_mail( $sent ) {
		return null === $sent && Pass::presented() ? true : $sent;
	}

	/**
	 * @param int       $id
	 * @param \WC_Order $order
	 */
	public function note( $id, $order = null ): void {
		$this->recorder->guarded(
			self::class,
			function () use ( $id, $order ) {
				if ( ProbeProduct::is_in( $order ?: wc_get_order( $id ) ) ) {
					$this->made[ (int) $id ] = true;
					update_option( self::OPEN, array( (int) $id => time() ) + (array) get_option( self::OPEN, array() ), false );
				}
			}
		);
	}

	/**
	 * @param mixed $answer
	 * @return mixed
	 */
	public function cancel_made( $answer = null ) {
		$made       = array_keys( $this->made );
		$this->made = array();
		foreach ( $made as $id ) {
			$this->recorder->guarded(
				self::class,
				function () use ( $id ) {
					$this->cancel( $id );
				}
			);
		}
		return $answer;
	}

	/** Take a cancelled probe order out of the shop once this request, which tells core of it, is answered. */
	public function remove_when_told( int $id ): void {
		add_action(
			'shutdown',
			function () use ( $id ) {
				$this->recorder->guarded(
					self::class,
					function () use ( $id ) {
						$this->remove( $id );
					}
				);
			},
			0
		);
	}

	/** Probe orders whose request died before it could cancel them, or of which core never asked. */
	public function remove_left_over( int $now ): void {
		foreach ( (array) get_option( self::OPEN, array() ) as $id => $since ) {
			if ( (int) $since < $now - 60 ) {
				$this->be_silent();
				$this->cancel( (int) $id );
				$this->remove( (int) $id );
			}
		}
	}

	private function cancel( int $id ): void {
		$order = self::probe( $id );
		if ( $order && 'cancelled' !== $order->get_status() ) {
			$order->update_status( 'cancelled', 'Checkvalve: probe of the checkout.' );
		}
	}

	/** Neither the list of orders nor a report keeps it; WooCommerce takes its figures back when an order is deleted for good. */
	private function remove( int $id ): void {
		$order = self::probe( $id );
		if ( $order ) {
			foreach ( wc_get_order_notes( array( 'order_id' => $id ) ) as $note ) {
				wp_delete_comment( (int) $note->id, true );
			}
			$order->delete( true );
		}
		$open = (array) get_option( self::OPEN, array() );
		unset( $open[ $id ] );
		$open ? update_option( self::OPEN, $open, false ) : delete_option( self::OPEN );
	}

	/** @return \WC_Order|null */
	private static function probe( int $id ) {
		$order = function_exists( 'wc_get_order' ) ? wc_get_order( $id ) : false;
		return $order && ProbeProduct::is_in( $order ) ? $order : null;
	}
}
