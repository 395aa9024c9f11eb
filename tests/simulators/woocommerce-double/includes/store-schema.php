<?php
/**
 * The Store API's answers: cart and order as JSON, amounts in minor units.
 */

defined( 'ABSPATH' ) || exit;

function wc_double_currency() {
	$symbol = get_woocommerce_currency_symbol();
	return array(
		'currency_code'               => get_woocommerce_currency(),
		'currency_symbol'             => $symbol,
		'currency_minor_unit'         => wc_get_price_decimals(),
		'currency_decimal_separator'  => '.',
		'currency_thousand_separator' => ',',
		'currency_prefix'             => $symbol,
		'currency_suffix'             => '',
	);
}

function wc_double_cart_item( array $values ) {
	$product = $values['data'];
	$price   = wc_double_minor( $product->get_price() );
	$total   = wc_double_minor( $values['line_total'] );
	$raw     = array_fill_keys( array( 'price', 'regular_price', 'sale_price' ), $price . str_repeat( '0', 6 - wc_get_price_decimals() ) );
	$nothing = array_fill_keys( array( 'images', 'variation', 'item_data' ), array() ) + array_fill_keys( array( 'show_backorder_badge', 'backorders_allowed', 'sold_individually' ), false );
	return $nothing + array(
		'key'                => $values['key'],
		'id'                 => $product->get_id(),
		'type'               => 'simple',
		'quantity'           => $values['quantity'],
		'quantity_limits'    => array( 'minimum' => 1, 'maximum' => $product->managing_stock() ? (int) $product->get_stock_quantity() : 9999, 'multiple_of' => 1, 'editable' => true ),
		'name'               => $product->get_name(),
		'short_description'  => '',
		'description'        => $product->get_description(),
		'sku'                => $product->get_sku(),
		'low_stock_remaining' => null,
		'extensions'         => new stdClass(),
		'permalink'          => $product->get_permalink(),
		'prices'             => array( 'price' => $price, 'regular_price' => $price, 'sale_price' => $price, 'price_range' => null ) + wc_double_currency() + array( 'raw_prices' => array( 'precision' => 6 ) + $raw ),
		'totals'             => array( 'line_subtotal' => $total, 'line_subtotal_tax' => '0', 'line_total' => $total, 'line_total_tax' => '0' ) + wc_double_currency(),
		'catalog_visibility' => $product->get_catalog_visibility(),
	);
}

function wc_double_cart_totals( WC_Cart $cart ) {
	$ship   = $cart->needs_shipping();
	$rate   = $cart->rate();
	$totals = array( 'total_items' => wc_double_minor( $cart->items_total() ) );
	foreach ( array( 'total_items_tax', 'total_fees', 'total_fees_tax', 'total_discount', 'total_discount_tax' ) as $none ) {
		$totals[ $none ] = '0';
	}
	$totals['total_shipping']     = $ship && $rate ? wc_double_minor( $rate['cost'] ) : null;
	$totals['total_shipping_tax'] = $ship && $rate ? '0' : null;
	$totals['total_price']        = wc_double_minor( $cart->total() );
	$totals['total_tax']          = '0';
	$totals['tax_lines']          = array();
	return $totals + wc_double_currency();
}

function wc_double_rates_json( WC_Cart $cart ) {
	if ( ! $cart->needs_shipping() ) {
		return array();
	}
	$chosen = $cart->rate();
	$rates  = array();
	$lines  = array_values( $cart->get_cart() );
	$items  = array_map( fn( $line ) => array( 'key' => $line['key'], 'name' => $line['data']->get_name(), 'quantity' => $line['quantity'] ), $lines );
	$packed = array( array( 'key' => 'Items', 'value' => implode( ', ', array_map( fn( $item ) => $item['name'] . ' &times; ' . $item['quantity'], $items ) ) ) );
	foreach ( $cart->rates() as $rate ) {
		$rates[] = array( 'rate_id' => $rate['id'], 'name' => $rate['label'], 'description' => '', 'delivery_time' => '', 'price' => wc_double_minor( $rate['cost'] ), 'taxes' => '0', 'instance_id' => $rate['instance_id'], 'method_id' => $rate['method_id'], 'meta_data' => $packed, 'selected' => $rate['id'] === $chosen['id'] ) + wc_double_currency();
	}
	$to = array_intersect_key( $cart->address( 'shipping' ), array_flip( array( 'address_1', 'address_2', 'city', 'state', 'postcode', 'country' ) ) );
	return array( array( 'package_id' => 0, 'name' => 'Shipment', 'destination' => $to, 'items' => $items, 'shipping_rates' => $rates ) );
}

function wc_double_cart_json() {
	$cart  = WC()->cart;
	$lines = $cart->get_cart();
	return array(
		'items'                   => array_map( 'wc_double_cart_item', array_values( $lines ) ),
		'coupons'                 => array(),
		'fees'                    => array(),
		'totals'                  => wc_double_cart_totals( $cart ),
		'shipping_address'        => $cart->address( 'shipping' ),
		'billing_address'         => $cart->address( 'billing' ),
		'needs_payment'           => $cart->total() > 0,
		'needs_shipping'          => $cart->needs_shipping(),
		'payment_requirements'    => array( 'products' ),
		'has_calculated_shipping' => $cart->needs_shipping(),
		'shipping_rates'          => wc_double_rates_json( $cart ),
		'items_count'             => array_sum( array_column( $lines, 'quantity' ) ),
		'items_weight'            => 0,
		'cross_sells'             => array(),
		'errors'                  => array(),
		'payment_methods'         => array_keys( WC()->payment_gateways()->get_available_payment_gateways() ),
		'extensions'              => new stdClass(),
	);
}

function wc_double_order_json( WC_Order $order, array $paid ) {
	$details = array();
	foreach ( $paid as $key => $value ) {
		$details[] = compact( 'key', 'value' );
	}
	return array(
		'order_id'           => $order->get_id(),
		'status'             => $order->get_status(),
		'order_key'          => $order->get_order_key(),
		'order_number'       => $order->get_order_number(),
		'customer_note'      => $order->get_customer_note(),
		'customer_id'        => $order->get_customer_id(),
		'billing_address'    => $order->get_address( 'billing' ),
		'shipping_address'   => $order->get_address( 'shipping' ),
		'payment_method'     => $order->get_payment_method(),
		'payment_result'     => array( 'payment_status' => $paid['result'], 'payment_details' => $details, 'redirect_url' => $paid['redirect'] ),
		'additional_fields'  => new stdClass(),
		'__experimentalCart' => null,
		'extensions'         => new stdClass(),
	);
}
