<?php
namespace Checkvalve\Sensors;

/**
 * WooCommerce webhooks made, changed, deleted (OCSF 3004) and delivered (4002): data leaves the shop by them. Of the address the host
 * alone, for the rest of it may be a secret.
 */
final class Webhooks extends Sensor {

	public function made( $id ): void {
		$this->entity( 1, 'webhook', (string) (int) $id, array(), self::about( (int) $id ) );
	}

	public function changed( $id ): void {
		$this->entity( 3, 'webhook', (string) (int) $id, array(), self::about( (int) $id ) );
	}

	public function deleted( $id ): void {
		$this->entity( 4, 'webhook', (string) (int) $id );
	}

	/** @param array|\WP_Error $response */
	public function delivered( $args, $response, $seconds = 0, $arg = null, $id = 0 ): void {
		$about = self::about( (int) $id );
		$code  = is_wp_error( $response ) ? 0 : (int) wp_remote_retrieve_response_code( $response );
		$this->recorder->record(
			4002,
			6,
			array(
				'http_request'  => array( 'http_method' => 'POST', 'url' => array( 'hostname' => $about['webhook']['host'] ?? '', 'path' => '/…' ) ),
				'http_response' => array( 'code' => $code ),
				'duration'      => (int) round( (float) $seconds * 1000 ),
				'status_id'     => $code >= 200 && $code < 400 ? 1 : 2,
			),
			array( 'plugin' => 'woocommerce' ) + array_replace_recursive( $about, array( 'webhook' => array( 'id' => (int) $id ) ) )
		);
	}

	private static function about( int $id ): array {
		$webhook = function_exists( 'wc_get_webhook' ) ? wc_get_webhook( $id ) : null;
		if ( ! $webhook ) {
			return array();
		}
		$host = (string) wp_parse_url( (string) $webhook->get_delivery_url(), PHP_URL_HOST );
		return array( 'webhook' => array( 'host' => $host, 'topic' => (string) $webhook->get_topic(), 'status' => (string) $webhook->get_status() ) );
	}
}
