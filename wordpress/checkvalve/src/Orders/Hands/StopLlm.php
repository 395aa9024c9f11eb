<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\CallingPlugin;
use Checkvalve\Gateway;
use Checkvalve\Orders\Closed;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\Route;
use Checkvalve\Outbox\Core;
use Checkvalve\Sensors\LlmCalls;

/**
 * Everything in the shop that asks a model, or what one plugin asks: core's AI client, abilities, MCP, AI Engine, and each HTTP call
 * to a model. Code that calls cURL by itself is stopped at the gateway.
 */
final class StopLlm extends Hand {

	const ARGS   = array( 'plugin' );
	const EFFECT = 'asks no model';
	const COST   = 'assistants, search and texts made by a model stop; the checkout needs none';
	const ROUTES = array( '/wp-abilities/v1', '/mcp', '/mwai/v1', '/mwai-ui/v1', '/woocommerce/mcp' );
	const HOSTS  = '/(^|\.)(api\.openai\.com|openai\.azure\.com|api\.anthropic\.com|generativelanguage\.googleapis\.com|api\.mistral\.ai|openrouter\.ai|api\.groq\.com|api\.deepseek\.com|api\.x\.ai|api\.cohere\.(com|ai)|api\.together\.xyz|api-inference\.huggingface\.co)$/i';

	/** @var string[] Folders; empty for all. */
	private $plugins = array();

	public function rule( array $args ): array {
		$plugin = isset( $args['plugin'] ) ? CallingPlugin::first_part( self::text( $args, 'plugin' ) ) : '';
		return array( 'target' => '' === $plugin ? 'every plugin' : $plugin, 'plugin' => $plugin );
	}

	public function enforce( array $rules ): void {
		$named         = self::each( $rules, 'plugin' );
		$this->plugins = in_array( '', $named, true ) ? array() : $named;
		foreach ( array( 'wp_ai_client_prevent_prompt' => true, 'mwai_ai_allowed' => Closed::MESSAGE ) as $filter => $stop ) {
			add_filter(
				$filter,
				function ( $value ) use ( $stop ) {
					return $this->means_caller() ? $stop : $value;
				},
				PHP_INT_MAX
			);
		}
		foreach ( array( 'wp_pre_execute_ability', 'mcp_adapter_pre_tool_call' ) as $filter ) {
			add_filter(
				$filter,
				function ( $value ) {
					return $this->means_caller() ? Closed::error() : $value;
				},
				PHP_INT_MAX
			);
		}
		add_filter( 'pre_http_request', array( $this, 'no_call' ), PHP_INT_MAX, 3 );
		if ( ! $this->plugins ) {
			add_filter( 'wp_supports_ai', '__return_false', PHP_INT_MAX );
			add_filter( 'rest_pre_dispatch', array( $this, 'no_route' ), PHP_INT_MAX, 3 );
		}
	}

	/**
	 * @param mixed  $answer
	 * @param array  $args
	 * @param string $url
	 * @return mixed
	 */
	public function no_call( $answer, $args, $url ) {
		return Core::OWN_CALL !== ( $args['checkvalve'] ?? null ) && self::is_model( (string) $url ) && $this->means_caller() ? Closed::error() : $answer;
	}

	/**
	 * @param mixed            $result
	 * @param \WP_REST_Server  $server
	 * @param \WP_REST_Request $request
	 * @return mixed
	 */
	public function no_route( $result, $server, $request ) {
		foreach ( self::ROUTES as $route ) {
			if ( Route::covers( $route, (string) $request->get_route() ) ) {
				return Closed::rest();
			}
		}
		return $result;
	}

	private static function is_model( string $url ): bool {
		$parts = (array) wp_parse_url( $url );
		/**
		 * Hosts of models that stop_llm closes besides the gateway and the well-known ones.
		 *
		 * @param string[] $hosts
		 */
		$more = (array) apply_filters( 'checkvalve_llm_hosts', array() );
		$host = strtolower( (string) ( $parts['host'] ?? '' ) );
		return Gateway::serves( $url ) || in_array( $host, $more, true ) || preg_match( self::HOSTS, $host ) || preg_match( LlmCalls::MODELS, (string) ( $parts['path'] ?? '' ) );
	}

	private function means_caller(): bool {
		return ! $this->plugins || in_array( CallingPlugin::folder(), $this->plugins, true );
	}
}
