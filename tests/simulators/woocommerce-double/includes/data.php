<?php
/**
 * What orders, their items, products and customers have in common.
 */

defined( 'ABSPATH' ) || exit;

abstract class WC_Data {

	/** @return WC_Data_Store Where it is kept; hooks about saving hand it on. */
	public function get_data_store() {
		return new WC_Data_Store();
	}
}

class WC_Data_Store {}

/**
 * The buyer of this visit.
 */
class WC_Customer extends WC_Data {

	public function get_id() {
		return get_current_user_id();
	}

	public function __call( $name, $arguments ) {
		if ( preg_match( '/^get_(billing|shipping)_(\w+)$/', $name, $found ) ) {
			return WC()->cart->address( $found[1] )[ $found[2] ] ?? '';
		}
		throw new BadMethodCallException( "The double has no WC_Customer::$name()" );
	}
}
