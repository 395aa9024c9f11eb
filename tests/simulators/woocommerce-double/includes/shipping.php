<?php
/**
 * Shipping zones with flat rates, kept in one option.
 */

defined( 'ABSPATH' ) || exit;

class WC_Shipping_Zone {

	/** @var int */
	private $id = 0;

	/** @var array<string,mixed> */
	private $data = array( 'name' => '', 'order' => 0, 'locations' => array(), 'methods' => array() );

	public function set_zone_name( $name ) {
		$this->data['name'] = $name;
	}

	public function set_zone_order( $order ) {
		$this->data['order'] = (int) $order;
	}

	public function add_location( $code, $type ) {
		$this->data['locations'][] = $code;
	}

	public function get_id() {
		return $this->id;
	}

	public function save() {
		$zones             = get_option( 'wc_double_zones', array() );
		$this->id          = $this->id ? $this->id : count( $zones ) + 1;
		$zones[ $this->id ] = $this->data;
		update_option( 'wc_double_zones', $zones );
		return $this->id;
	}

	/** @return int Instance id. */
	public function add_shipping_method( $type ) {
		$instance                           = (int) get_option( 'wc_double_last_method', 0 ) + 1;
		$this->data['methods'][ $instance ] = $type;
		update_option( 'wc_double_last_method', $instance );
		$this->save();
		return $instance;
	}
}

/** @return array<string,array<string,mixed>> Rates for a country: rate id -> rate. */
function wc_double_rates( $country ) {
	$rates = array();
	foreach ( get_option( 'wc_double_zones', array() ) as $zone ) {
		if ( ! in_array( $country, $zone['locations'], true ) ) {
			continue;
		}
		foreach ( $zone['methods'] as $instance => $type ) {
			$settings = (array) get_option( "woocommerce_{$type}_{$instance}_settings", array() );
			$id       = "$type:$instance";
			$rates[ $id ] = array( 'id' => $id, 'method_id' => $type, 'instance_id' => $instance, 'label' => $settings['title'] ?? 'Flat rate', 'cost' => (string) ( $settings['cost'] ?? '0' ) );
		}
		break;
	}
	return apply_filters( 'woocommerce_package_rates', $rates, array( 'destination' => array( 'country' => $country ) ) );
}

function wc_shipping_enabled() {
	return 'disabled' !== get_option( 'woocommerce_ship_to_countries', '' );
}
