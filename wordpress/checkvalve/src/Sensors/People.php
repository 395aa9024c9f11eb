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

	public function customer( $user_id ): void {
		$this->register->customer_changed( (int) $user_id );
	}

	public function meta( $meta_id, $user_id, $key ): void {
		if ( preg_match( '/^(billing_|shipping_|first_name$|last_name$)/', (string) $key ) ) {
			$this->register->customer_changed( (int) $user_id );
		}
	}

	public function order( $id, $order = null ): void {
		$order = is_object( $order ) ? $order : wc_get_order( $id );
		if ( is_object( $order ) && is_callable( array( $order, 'get_billing_email' ) ) ) {
			$this->register->order_changed( $order );
		}
	}

	public function ended(): void {
		$this->register->settle();
	}
}
