<?php
/**
 * Puts the people and orders of $job (see shop_data.py) into the shop and prints their ids.
 */

add_filter( 'pre_wp_mail', '__return_true' );
add_filter( 'send_password_change_email', '__return_false' );

$checkvalve_products = array_map( 'wc_get_product', array_map( 'wc_get_product_id_by_sku', array( 'beans', 'cup', 'course' ) ) );
$checkvalve_made     = array(
	'users'  => array(),
	'orders' => array(),
);
$checkvalve_fields   = array( 'first_name', 'last_name', 'email', 'phone', 'address_1', 'postcode', 'city', 'country' );

foreach ( $job['people'] as $checkvalve_person ) {
	$checkvalve_user = 0;
	if ( $checkvalve_person['account'] ) {
		$checkvalve_user = wp_insert_user(
			array(
				'user_login' => $checkvalve_person['email'],
				'user_email' => $checkvalve_person['email'],
				'user_pass'  => wp_generate_password( 24 ),
				'first_name' => $checkvalve_person['first_name'],
				'last_name'  => $checkvalve_person['last_name'],
				'role'       => 'customer',
			)
		);
		if ( is_wp_error( $checkvalve_user ) ) {
			fwrite( STDERR, $checkvalve_user->get_error_message() );
			exit( 1 );
		}
		foreach ( $checkvalve_fields as $checkvalve_field ) {
			update_user_meta( $checkvalve_user, 'billing_' . $checkvalve_field, $checkvalve_person[ $checkvalve_field ] );
			if ( 'email' !== $checkvalve_field ) {
				update_user_meta( $checkvalve_user, 'shipping_' . $checkvalve_field, $checkvalve_person[ $checkvalve_field ] );
			}
		}
	}
	$checkvalve_made['users'][] = $checkvalve_user;
}

foreach ( $job['orders'] as $checkvalve_index => $checkvalve_wanted ) {
	$checkvalve_person  = $job['people'][ $checkvalve_wanted['person'] ];
	$checkvalve_address = array_intersect_key( $checkvalve_person, array_flip( $checkvalve_fields ) );
	$checkvalve_order   = wc_create_order( array( 'customer_id' => $checkvalve_made['users'][ $checkvalve_wanted['person'] ] ) );
	$checkvalve_order->add_product( $checkvalve_products[ $checkvalve_index % 3 ], $checkvalve_wanted['quantity'] );
	$checkvalve_order->set_address( $checkvalve_address, 'billing' );
	unset( $checkvalve_address['email'] );
	$checkvalve_order->set_address( $checkvalve_address, 'shipping' );
	$checkvalve_order->set_payment_method( 'cod' );
	$checkvalve_order->calculate_totals();
	$checkvalve_order->set_date_created( time() - $checkvalve_wanted['days'] * 3600 );
	$checkvalve_order->update_status( 'completed' );
	$checkvalve_made['orders'][] = $checkvalve_order->get_order_number();
}

echo wp_json_encode( $checkvalve_made );
