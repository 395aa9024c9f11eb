<?php
namespace Checkvalve;

use Checkvalve\Crypto\Jws;

/**
 * Calls from PHP to the gateway: they carry who asks (docs/spec/wire.md, section 7), and WordPress lets them through.
 */
final class Gateway {

	const TYP     = 'checkvalve-context+jws';
	const SECONDS = 120;

	public static function set_up( Recorder $recorder ): void {
		$add = static function ( $args, $url ) use ( $recorder ) {
			return $recorder->guarded(
				'context',
				static function () use ( $args, $url ) {
					return self::with_context( $args, (string) $url );
				}
			) ?? $args;
		};
		// Last, so that nobody after us takes the headers off again.
		add_filter( 'http_request_args', $add, PHP_INT_MAX, 2 );
		add_filter( 'http_request_host_is_external', array( self::class, 'allow_host' ), 10, 3 );
		add_filter( 'http_allowed_safe_ports', array( self::class, 'allow_port' ), 10, 3 );
	}

	/** Whether the address is on the gateway's host and port. */
	public static function serves( string $url ): bool {
		return '' !== Settings::gateway_url() && self::place( $url ) === self::place( Settings::gateway_url() );
	}

	/**
	 * @param mixed  $external
	 * @param string $host
	 * @param string $url
	 * @return mixed
	 */
	public static function allow_host( $external, $host, $url = '' ) {
		return $external || self::serves( (string) $url );
	}

	/**
	 * @param int[]  $ports
	 * @param string $host
	 * @param string $url
	 * @return int[]
	 */
	public static function allow_port( $ports, $host, $url = '' ) {
		if ( self::serves( (string) $url ) ) {
			$ports[] = (int) substr( (string) strrchr( self::place( (string) $url ), ':' ), 1 );
		}
		return $ports;
	}

	private static function with_context( array $args, string $url ): array {
		if ( ! Settings::paired() || Outbox\Core::OWN_CALL === ( $args['checkvalve'] ?? null ) || ! self::serves( $url ) ) {
			return $args;
		}
		$now     = time();
		$plugin  = CallingPlugin::folder();
		$session = Caller::session();
		$payload = array(
			'site'      => Settings::site(),
			'trace'     => Trace::id(),
			'plugin'    => $plugin,
			'route'     => Caller::route(),
			'requester' => Caller::requester(),
			'roles'     => Caller::roles(),
			'session'   => $session,
			'iat'       => $now,
			'exp'       => $now + self::SECONDS,
		);
		$headers = is_array( $args['headers'] ?? null ) ? $args['headers'] : array();
		if ( is_string( $args['headers'] ?? null ) && '' !== $args['headers'] ) {
			$headers = \WP_Http::processHeaders( $args['headers'] )['headers'];
		}
		$headers['traceparent']        = Trace::traceparent();
		$headers['Checkvalve-Context'] = Jws::sign( array_filter( $payload ), self::TYP, Settings::keyid(), Settings::secret_key() );
		$args['headers']               = $headers;
		// For the sensor; WordPress passes unknown arguments on to http_api_debug.
		$args['checkvalve'] = array( 'plugin' => $plugin, 'started' => microtime( true ) );
		return $args;
	}

	private static function place( string $url ): string {
		$parts = wp_parse_url( $url );
		if ( ! is_array( $parts ) || ! isset( $parts['host'] ) ) {
			return '';
		}
		$host = strtolower( trim( $parts['host'], '[]' ) );
		$host = in_array( $host, array( 'localhost', '::1' ), true ) ? '127.0.0.1' : $host;
		return $host . ':' . ( $parts['port'] ?? ( 'https' === strtolower( $parts['scheme'] ?? '' ) ? 443 : 80 ) );
	}
}
