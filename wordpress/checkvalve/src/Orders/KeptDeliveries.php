<?php
namespace Checkvalve\Orders;

use Checkvalve\Tables;

/**
 * Deliveries of WooCommerce's webhooks that wait for the end of an order. The same change of the same thing is delivered once.
 */
final class KeptDeliveries {

	/** @param mixed $arg */
	public static function keep( string $rule, int $webhook, $arg, int $now ): void {
		global $wpdb;
		$body  = (string) wp_json_encode( array( $webhook, $arg ) );
		$table = Tables::name( 'kept' );
		if ( ! $wpdb->get_var( $wpdb->prepare( "SELECT id FROM $table WHERE plugin = %s AND body = %s", "webhook $rule", $body ) ) ) {
			$wpdb->query( $wpdb->prepare( "INSERT INTO $table (plugin, body, made, tries) VALUES (%s, %s, %d, 0)", "webhook $rule", $body, $now ) );
		}
	}

	/** Hands them to WooCommerce's own queue. In the request that ends the order its filter may still stand, so past it. */
	public static function release( string $rule ): void {
		global $wpdb;
		$table = Tables::name( 'kept' );
		foreach ( (array) $wpdb->get_results( $wpdb->prepare( "SELECT id, body FROM $table WHERE plugin = %s ORDER BY id", "webhook $rule" ) ) as $row ) {
			list( $id, $arg ) = (array) json_decode( $row->body, true ) + array( 0, null );
			$webhook          = function_exists( 'wc_get_webhook' ) ? wc_get_webhook( $id ) : null;
			if ( $webhook && 1 === $wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE id = %d", $row->id ) ) ) {
				do_action( 'woocommerce_webhook_process_delivery', $webhook, $arg );
			}
		}
	}
}
