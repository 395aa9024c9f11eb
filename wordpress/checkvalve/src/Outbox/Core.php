<?php
namespace Checkvalve\Outbox;

use Checkvalve\Crypto\Base64Url;
use Checkvalve\Crypto\MessageSignature;
use Checkvalve\Settings;

/**
 * Requests to core, signed as docs/spec/wire.md, section 3, says. Never called while a visitor waits.
 */
final class Core {

	/** Marks our own requests: core and gateway may share one host and port, and these are no calls to the model. */
	const OWN_CALL = 'core';

	/** @return array{status: int, body: array, retry_after: int} Status 0 when core could not be reached. */
	public function post_events( int $first, array $lines, int $timeout ): array {
		$body    = implode( "\n", $lines ) . "\n";
		$url     = Settings::core_url() . '/v1/events';
		$headers = array(
			'Content-Digest'      => MessageSignature::digest( $body ),
			'Checkvalve-Sequence' => $first . ';count=' . count( $lines ),
		);
		$values  = array(
			'@method'             => 'POST',
			'@path'               => (string) wp_parse_url( $url, PHP_URL_PATH ),
			'content-digest'      => $headers['Content-Digest'],
			'checkvalve-sequence' => $headers['Checkvalve-Sequence'],
		);
		return $this->send(
			$url,
			array(
				'method'  => 'POST',
				'timeout' => $timeout,
				'body'    => $body,
				'headers' => $headers + $this->signed( MessageSignature::POST_EVENTS, $values ) + array( 'Content-Type' => 'application/x-ndjson' ),
			)
		);
	}

	/** @return array{status: int, body: array, retry_after: int} */
	public function orders( int $timeout ): array {
		$url    = Settings::core_url() . '/v1/orders';
		$values = array(
			'@method' => 'GET',
			'@path'   => (string) wp_parse_url( $url, PHP_URL_PATH ),
			'@query'  => '?',
		);
		return $this->send(
			$url,
			array(
				'method'  => 'GET',
				'timeout' => $timeout,
				'headers' => $this->signed( MessageSignature::GET, $values ),
			)
		);
	}

	/** Unsigned: the code is the only secret both sides have yet. */
	public function pair( string $core_url, array $request ): array {
		return $this->send(
			$core_url . '/v1/pair',
			array(
				'method'  => 'POST',
				'timeout' => 15,
				'body'    => (string) wp_json_encode( $request, JSON_UNESCAPED_SLASHES ),
				'headers' => array( 'Content-Type' => 'application/json' ),
			)
		);
	}

	private function signed( array $components, array $values ): array {
		$nonce = Base64Url::encode( random_bytes( 16 ) );
		return MessageSignature::sign( $components, $values, Settings::secret_key(), Settings::keyid(), time(), $nonce );
	}

	private function send( string $url, array $args ): array {
		$own    = array(
			'redirection' => 0,
			'limit_response_size' => 1048576,
			'user-agent'  => 'Checkvalve/' . CHECKVALVE_VERSION,
			'checkvalve'  => self::OWN_CALL,
		);
		$answer = wp_remote_request( $url, $args + $own );
		if ( is_wp_error( $answer ) ) {
			return array(
				'status'      => 0,
				'body'        => array( 'error' => 'unreachable', 'hint' => $answer->get_error_message() ),
				'retry_after' => 0,
			);
		}
		$body = json_decode( wp_remote_retrieve_body( $answer ), true, 32 );
		return array(
			'status'      => (int) wp_remote_retrieve_response_code( $answer ),
			'body'        => is_array( $body ) ? $body : array(),
			'retry_after' => (int) wp_remote_retrieve_header( $answer, 'retry-after' ),
		);
	}
}
