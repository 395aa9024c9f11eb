<?php
namespace Checkvalve\Sensors;

use Checkvalve\CallingPlugin;

/**
 * What WordPress and plugins do with models (OCSF 6003): core's AI client, abilities, tools of the MCP adapter, AI Engine. The name of what was
 * called, the model, tokens and the calling plugin; never a prompt, an argument or an answer.
 */
final class AiCalls extends Sensor {

	/** @param object $event \WordPress\AiClient\Events\BeforeGenerateResultEvent */
	public function asked( $event ): void {
		$this->report( 'ai-client ask', self::model( $event ) );
	}

	/** @param object $event \WordPress\AiClient\Events\AfterGenerateResultEvent */
	public function answered( $event ): void {
		$usage  = self::ask( self::ask( $event, 'getResult' ), 'getTokenUsage' );
		$tokens = array( 'prompt_tokens' => self::ask( $usage, 'getPromptTokens' ), 'completion_tokens' => self::ask( $usage, 'getCompletionTokens' ) );
		$this->report( 'ai-client answer', self::model( $event ) + array_filter( $tokens, 'is_int' ) );
	}

	public function ability_begins( $name ): void {
		$this->report( 'ability begins ' . self::name( $name ) );
	}

	public function ability( $name, $input = null, $result = null ): void {
		$this->report( 'ability ' . self::name( $name ), array( 'count' => is_array( $result ) ? count( $result ) : 1 ) );
	}

	public function tool( $arguments, $name = '' ): void {
		$this->report( 'mcp tool ' . self::name( $name ) );
	}

	/** @param object $query Meow_MWAI_Query_Base */
	public function engine_asked( $query ): void {
		$this->report( 'ai-engine ask', is_object( $query ) && is_string( $query->model ?? null ) ? array( 'model' => self::name( $query->model ) ) : array() );
	}

	/** @param object $reply Meow_MWAI_Reply */
	public function engine_answered( $reply, $query = null ): void {
		$usage = is_object( $reply ) && is_array( $reply->usage ?? null ) ? $reply->usage : array();
		$this->report( 'ai-engine answer', array_filter( array_intersect_key( $usage, array( 'prompt_tokens' => 0, 'completion_tokens' => 0 ) ), 'is_int' ) );
	}

	private function report( string $operation, array $about = array() ): void {
		$plugin = CallingPlugin::folder();
		$this->recorder->record( 6003, 1, array( 'api' => array( 'operation' => $operation ) ), array_filter( array( 'plugin' => $plugin, 'ai' => $about ) ) );
	}

	private static function model( $event ): array {
		$name = self::ask( self::ask( self::ask( $event, 'getModel' ), 'metadata' ), 'getId' );
		return is_string( $name ) ? array( 'model' => self::name( $name ) ) : array();
	}

	/** What $thing->$method() says; null when there is no such method. */
	private static function ask( $thing, string $method ) {
		return is_object( $thing ) && is_callable( array( $thing, $method ) ) ? $thing->$method() : null;
	}

	private static function name( $name ): string {
		return is_string( $name ) ? (string) preg_replace( '#[^A-Za-z0-9/_.:-]#', '', substr( $name, 0, 100 ) ) : '';
	}
}
