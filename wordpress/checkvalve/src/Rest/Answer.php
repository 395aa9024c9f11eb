<?php
namespace Checkvalve\Rest;

use Checkvalve\Refused;

/**
 * Answers of the plugin's own routes: JSON, never cached, errors in the one form of docs/spec/wire.md, section 2.
 */
final class Answer {

	const STATUS = array( 'bad_request' => 400, 'bad_digest' => 400, 'bad_signature' => 401, 'bad_token' => 401, 'stale' => 401, 'replayed' => 401, 'forbidden' => 403, 'not_found' => 404, 'too_large' => 413 );

	public static function ok( array $body ): \WP_REST_Response {
		return new \WP_REST_Response( $body, 200, array( 'Cache-Control' => 'no-store' ) );
	}

	public static function refused( Refused $refused ): \WP_REST_Response {
		$body = array( 'error' => $refused->reason(), 'hint' => $refused->getMessage() );
		return new \WP_REST_Response( $body, self::STATUS[ $refused->reason() ] ?? 400, array( 'Cache-Control' => 'no-store' ) );
	}
}
