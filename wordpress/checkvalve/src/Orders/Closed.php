<?php
namespace Checkvalve\Orders;

/**
 * What a visitor gets where an order has closed something: 403, in the form they asked in, never cached.
 */
final class Closed {

	const CODE    = 'checkvalve_blocked';
	const MESSAGE = 'This part of the shop is closed for now.';

	public static function rest(): \WP_REST_Response {
		return new \WP_REST_Response( self::body(), 403, array( 'Cache-Control' => 'no-store' ) );
	}

	public static function error(): \WP_Error {
		return new \WP_Error( self::CODE, self::MESSAGE, array( 'status' => 403 ) );
	}

	/** Ends the request. Works before WordPress is loaded. */
	public static function answer(): void {
		if ( ! headers_sent() ) {
			http_response_code( 403 );
			header( 'Content-Type: application/json' );
			header( 'Cache-Control: no-store' );
		}
		echo json_encode( self::body() ); // phpcs:ignore
		exit;
	}

	private static function body(): array {
		return array( 'code' => self::CODE, 'message' => self::MESSAGE, 'data' => array( 'status' => 403 ) );
	}
}
