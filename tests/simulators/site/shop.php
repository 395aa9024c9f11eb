<?php
/**
 * A shop as its owner would have set it up: euro, one flat rate, three ways to pay, three things to buy.
 * Speaks to WooCommerce only by its public API, so it holds for the real one and for the contract double.
 */

update_option( 'woocommerce_coming_soon', 'no' );
update_option( 'woocommerce_onboarding_profile', array( 'skipped' => true ) );
update_option( 'woocommerce_task_list_hidden', 'yes' );
update_option( 'woocommerce_show_marketplace_suggestions', 'no' );
update_option( 'woocommerce_allow_tracking', 'no' );
update_option( 'woocommerce_custom_orders_table_enabled', 'yes' );
update_option( 'woocommerce_custom_orders_table_data_sync_enabled', 'no' );
update_option( 'woocommerce_currency', 'EUR' );
update_option( 'woocommerce_default_country', 'DE:DE-BE' );
update_option( 'woocommerce_store_address', 'Musterstr. 1' );
update_option( 'woocommerce_store_city', 'Berlin' );
update_option( 'woocommerce_store_postcode', '10115' );
update_option( 'woocommerce_calc_taxes', 'no' );
update_option( 'woocommerce_enable_guest_checkout', 'yes' );
update_option( 'woocommerce_hold_stock_minutes', '' ); // reserving stock needs MySQL: on SQLite the real one reports no stock at all
update_option( 'woocommerce_email_from_address', 'shop@example.com' );

foreach ( array( 'cod', 'bacs', 'cheque' ) as $checkvalve_method ) {
	$checkvalve_settings            = (array) get_option( "woocommerce_{$checkvalve_method}_settings", array() );
	$checkvalve_settings['enabled'] = 'yes';
	if ( 'cod' === $checkvalve_method ) {
		$checkvalve_settings['enable_for_virtual'] = 'yes';
	}
	update_option( "woocommerce_{$checkvalve_method}_settings", $checkvalve_settings );
}

$checkvalve_zone = new WC_Shipping_Zone();
$checkvalve_zone->set_zone_name( 'Europe' );
$checkvalve_zone->set_zone_order( 1 );
foreach ( array( 'DE', 'AT', 'FR', 'GB', 'PL', 'ES', 'IT', 'SE', 'DK', 'NL', 'TR' ) as $checkvalve_country ) {
	$checkvalve_zone->add_location( $checkvalve_country, 'country' );
}
$checkvalve_zone->save();
$checkvalve_rate = $checkvalve_zone->add_shipping_method( 'flat_rate' );
update_option(
	"woocommerce_flat_rate_{$checkvalve_rate}_settings",
	array(
		'title'      => 'Flat rate',
		'tax_status' => 'none',
		'cost'       => '4.90',
	)
);

foreach ( array( array( 'Espresso beans 1 kg', 'beans', '24.00', 40, false ), array( 'Cup', 'cup', '9.50', 100, false ), array( 'Brewing course (online)', 'course', '49.00', null, true ) ) as list( $checkvalve_name, $checkvalve_sku, $checkvalve_price, $checkvalve_stock, $checkvalve_virtual ) ) {
	$checkvalve_product = new WC_Product_Simple();
	$checkvalve_product->set_name( $checkvalve_name );
	$checkvalve_product->set_sku( $checkvalve_sku );
	$checkvalve_product->set_regular_price( $checkvalve_price );
	$checkvalve_product->set_virtual( $checkvalve_virtual );
	if ( null !== $checkvalve_stock ) {
		$checkvalve_product->set_manage_stock( true );
		$checkvalve_product->set_stock_quantity( $checkvalve_stock );
	}
	$checkvalve_product->set_status( 'publish' );
	$checkvalve_product->save();
}

// The classic checkout lives on a page with the shortcode, whatever page WooCommerce made by itself.
foreach ( array( 'cart', 'checkout' ) as $checkvalve_page ) {
	$checkvalve_id   = (int) get_option( "woocommerce_{$checkvalve_page}_page_id" );
	$checkvalve_post = array(
		'post_title'   => ucfirst( $checkvalve_page ),
		'post_name'    => $checkvalve_page,
		'post_type'    => 'page',
		'post_status'  => 'publish',
		'post_content' => "[woocommerce_{$checkvalve_page}]",
	);
	if ( $checkvalve_id > 0 && get_post( $checkvalve_id ) ) {
		$checkvalve_post['ID'] = $checkvalve_id;
		wp_update_post( $checkvalve_post );
	} else {
		update_option( "woocommerce_{$checkvalve_page}_page_id", wp_insert_post( $checkvalve_post ) );
	}
}

// Order numbers of a shop that has been open for a while.
wp_delete_post(
	wp_insert_post(
		array(
			'import_id'   => 1041,
			'post_title'  => 'Last number used',
			'post_status' => 'draft',
		)
	),
	true
);

WC_Cache_Helper::get_transient_version( 'shipping', true );
flush_rewrite_rules( false );
