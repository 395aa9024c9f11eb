<?php
namespace Checkvalve\Sensors;

use Checkvalve\CallingPlugin;
use Checkvalve\Gateway;
use Checkvalve\Outbox\Core;

/**
 * HTTP calls from PHP to the LLM gateway (OCSF 4002): host and path, status, duration, calling plugin. A call to a model that goes
 * past the gateway is recorded as well, as `direct`; it is known by its path.
 */
final class LlmCalls extends Sensor {

	/** Paths of the interfaces of OpenAI, Anthropic, Ollama, llama.cpp, Gemini. */
	const MODELS   = '#/(v1(beta)?/(chat/completions|completions|responses|embeddings|messages|models/[^/]+:\w+)|api/(chat|generate|embed(dings)?)|completion)$#';
	const ACTIVITY = array( 'CONNECT' => 1, 'DELETE' => 2, 'GET' => 3, 'HEAD' => 4, 'OPTIONS' => 5, 'POST' => 6, 'PUT' => 7 );

	/** @param array|\WP_Error $response */
	public function answered( $response, $context, $class, $args, $url ): void {
		$parts  = (array) wp_parse_url( (string) $url );
		$direct = ! Gateway::serves( (string) $url );
		if ( Core::OWN_CALL === ( $args['checkvalve'] ?? null ) || ( $direct && ! preg_match( self::MODELS, $parts['path'] ?? '' ) ) ) {
			return;
		}
		$started = (float) ( $args['checkvalve']['started'] ?? microtime( true ) );
		$plugin  = $direct ? CallingPlugin::folder() : (string) ( $args['checkvalve']['plugin'] ?? '' );
		$code    = is_wp_error( $response ) ? 0 : (int) wp_remote_retrieve_response_code( $response );
		$this->recorder->record(
			4002,
			self::ACTIVITY[ strtoupper( (string) ( $args['method'] ?? 'GET' ) ) ] ?? 99,
			array(
				'http_request'  => array(
					'http_method' => (string) ( $args['method'] ?? 'GET' ),
					'url'         => array( 'hostname' => (string) ( $parts['host'] ?? '' ), 'path' => (string) ( $parts['path'] ?? '/' ) ),
				),
				'http_response' => array( 'code' => $code ),
				'duration'      => (int) round( ( microtime( true ) - $started ) * 1000 ),
				'status_id'     => $code >= 200 && $code < 400 ? 1 : 2,
			),
			array_filter( array( 'plugin' => $plugin, 'direct' => $direct ) )
		);
	}
}
