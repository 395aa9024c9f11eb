<?php
namespace Checkvalve\Sensors;

use Checkvalve\People\Register;
use Checkvalve\Recorder;

/**
 * People of the shop who are new, changed or gone (OCSF 5003).
 */
final class People extends Sensor {

	/** @var Register */
	private $register;

	public function __construct( Recorder $recorder, Register $register ) {
		parent::__construct( $recorder );
		$this->register = $register;
	}

	public function set_up(): void {
		foreach ( array( 'user_register', 'profile_update', 'deleted_user', 'woocommerce_update_customer', 'woocommerce_new_customer' ) as $hook ) {
			$this->listen( $hook, 'customer', 20, 1 );
		}
		$this->listen( 'updated_user_meta', 'meta', 20, 3 );
		$this->listen( 'added_user_meta', 'meta', 20, 3 );
		$this->listen( 'woocommerce_new_order', 'order', 20, 2 );
		$this->listen( 'woocommerce_update_order', 'order', 20, 2 );
		$this->listen( 'shutdown', 'settle', PHP_INT_MAX - 2, 0 );
	}

	protected function customer( $user_id ): void {
		$this->register->customer_changed( (int) $user_id );
	}

	protected function meta( $meta_id, $user_id, $key ): void {
		if ( preg_match( '/^(billing_|shipping_|first_name$|last_name$)/', (string) $key ) ) {
			$this->register->customer_changed( (int) $user_id );
		}
	}

	protected function order( $id, $order = null ): void {
		$order = is_object( $order ) ? $order : wc_get_order( $id );
		if ( is_object( $order ) && is_callable( array( $order, 'get_billing_email' ) ) ) {
			$this->register->order_changed( $order );
		}
	}

	protected function settle(): void {
		$this->register->settle();
	}
}
