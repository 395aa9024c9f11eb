<?php
/**
 * Checkvalve's gate before PHP: named in auto_prepend_file, it runs before WordPress and before every PHP file that is called
 * directly. It needs nothing of WordPress and changes nothing. What it enforces are orders that core has signed for this shop; the
 * hand on the host (`checkvalve host run`) puts them into one file, and each is verified here anew.
 *
 * It fails open: without sodium, without the file, or after any fault of its own every request passes, for the shop must sell.
 * Then the file that was in this place before, a firewall as a rule, is included as PHP would have done.
 */

namespace Checkvalve\Prepend;

final class Gate {

	const LIMIT = 1048576; // bytes of the file of orders
	const SAFE  = array( 'GET', 'HEAD', 'OPTIONS' );

	/** @var array Patterns, places and keys, as the hand wrote them into this file. */
	private $config;

	/** @var string Decoded, without empty and dotted parts. */
	private $path;

	/** @var string */
	private $script;

	/** @var string[] REST routes that the request names in path, query and form. PHP has folded their spellings. */
	private $routes;

	/** @var bool WordPress takes a method from parameter and header as well. */
	private $writes;

	public static function stand( string $config ): void {
		try {
			$gate   = new self( (array) json_decode( $config, true ) );
			$status = $gate->status( $gate->orders() );
		} catch ( \Throwable $fault ) {
			error_log( 'Checkvalve gate: ' . get_class( $fault ) . ' at line ' . $fault->getLine() );
			return;
		}
		if ( 0 !== $status ) {
			http_response_code( $status );
			header( 'Content-Type: application/json' );
			header( 'Cache-Control: no-store' );
			echo '{"code":"checkvalve_blocked","message":"This part of the shop is closed for now.","data":{"status":' . $status . '}}';
			exit;
		}
	}

	private function __construct( array $config ) {
		$this->config = $config;
		$this->path   = self::normal( rawurldecode( (string) strtok( (string) ( $_SERVER['REQUEST_URI'] ?? '/' ), '?' ) ) );
		$this->script = (string) ( $_SERVER['SCRIPT_NAME'] ?? '' );
		$method       = strtoupper( (string) ( $_SERVER['REQUEST_METHOD'] ?? 'GET' ) );
		$this->writes = ! in_array( $method, self::SAFE, true ) || isset( $_GET['_method'] ) || isset( $_SERVER['HTTP_X_HTTP_METHOD_OVERRIDE'] );
		$this->routes = self::below( '/wp-json', array( $this->path ) ) ? array( self::normal( substr( $this->path, 8 ) ) ) : array();
		foreach ( array( $_GET['rest_route'] ?? '', $_POST['rest_route'] ?? '' ) as $named ) {
			if ( '' !== $named ) {
				$this->routes[] = is_string( $named ) ? self::normal( $named ) : '?';
			}
		}
	}

	private static function normal( string $path ): string {
		$parts = array();
		foreach ( explode( '/', $path ) as $part ) {
			if ( '..' === $part ) {
				array_pop( $parts );
			} elseif ( '' !== $part && '.' !== $part ) {
				$parts[] = $part;
			}
		}
		return '/' . implode( '/', $parts );
	}

	/** @return array[] Payloads of the orders that hold for this shop now. */
	private function orders(): array {
		$raw = is_file( $this->config['state'] ) ? file_get_contents( $this->config['state'], false, null, 0, self::LIMIT ) : '';
		if ( ! is_string( $raw ) || '' === $raw || ! function_exists( 'sodium_crypto_sign_verify_detached' ) ) {
			return array();
		}
		$said = json_decode( $raw, true, 8 );
		return array_filter( array_map( array( $this, 'verified' ), array_slice( (array) ( $said['orders'] ?? array() ), 0, 200 ) ) );
	}

	/** @return array|null The payload (RFC 7515, EdDSA), null when it is not core's word for this shop and hand, or over. */
	private function verified( $token ): ?array {
		$parts = is_string( $token ) ? explode( '.', $token ) : array();
		if ( 3 !== count( $parts ) ) {
			return null;
		}
		list( $head, $order, $sign ) = array_map( array( self::class, 'decoded' ), $parts );
		$head  = json_decode( $head, true, 8 );
		$order = json_decode( $order, true, 8 );
		$typed = is_array( $head ) && 'EdDSA' === ( $head['alg'] ?? '' ) && 'checkvalve-order+jws' === ( $head['typ'] ?? '' );
		if ( ! $typed || ! is_array( $order ) || SODIUM_CRYPTO_SIGN_BYTES !== strlen( $sign ) ) {
			return null;
		}
		$key    = (string) base64_decode( $this->config['key'], true );
		$signed = sodium_crypto_sign_verify_detached( $sign, $parts[0] . '.' . $parts[1], $key );
		$ours   = $this->config['site'] === ( $order['aud'] ?? '' ) && 'webserver' === ( $order['hand'] ?? '' );
		$holds  = is_int( $order['exp'] ?? null ) && $order['exp'] > time() && is_array( $order['args'] ?? null );
		return $signed && $ours && $holds ? $order : null;
	}

	private static function decoded( string $text ): string {
		return (string) base64_decode( strtr( $text, '-_', '+/' ), true );
	}

	/** @return int The answer's status, 0 to let the request pass. */
	private function status( array $orders ): int {
		foreach ( $orders as $order ) {
			$status = $this->status_by( (string) ( $order['action'] ?? '' ), $order['args'] );
			if ( 0 !== $status ) {
				return $status;
			}
		}
		return 0;
	}

	private function status_by( string $action, array $args ): int {
		switch ( $action ) {
			case 'deny_path':
				return self::below( (string) $args['path'], $this->places() ) ? 403 : 0;
			case 'allow_list':
				return $this->inside( isset( $args['path'] ) ? array( $args['path'] ) : $this->config['admin'] ) && ! self::is_here( (string) $args['address'] ) ? 403 : 0;
			case 'read_only':
				return $this->never() || ( $this->writes && ! $this->open() ) ? 403 : 0;
			case 'maintenance':
				return $this->never() ? 403 : ( $this->open() ? 0 : 503 );
		}
		return 0;
	}

	/** @return string[] Where the request leads to, as paths. */
	private function places(): array {
		$places = array( $this->path, $this->script );
		foreach ( $this->routes as $route ) {
			$places[] = '/wp-json' . $route;
		}
		return $places;
	}

	private function inside( array $prefixes ): bool {
		foreach ( $prefixes as $prefix ) {
			if ( self::below( (string) $prefix, array( $this->path, $this->script ) ) ) {
				return ! self::fits( '^/wp-admin/' . $this->config['front'], $this->path );
			}
		}
		return false;
	}

	private static function is_here( string $addresses ): bool {
		$caller = @inet_pton( (string) ( $_SERVER['REMOTE_ADDR'] ?? '' ) ); // phpcs:ignore
		return false !== $caller && in_array( $caller, array_map( 'inet_pton', array_map( 'trim', explode( ',', $addresses ) ) ), true );
	}

	/** Code among the uploads, and XML-RPC: no checkout needs them. */
	private function never(): bool {
		$code = self::fits( $this->config['uploads'], $this->path ) || self::fits( $this->config['uploads'], $this->script );
		return $code || self::below( '/xmlrpc.php', array( $this->path, $this->script ) );
	}

	/** Whether the checkout or a payment service asks: each route it names, or the page. */
	private function open(): bool {
		foreach ( $this->routes as $route ) {
			$store = $this->writes ? $this->config['store'] : $this->config['store_read'];
			if ( ! self::fits( "^/($store|{$this->config['ours']})$", $route ) && ! $this->is_hook( '/wp-json' . $route ) ) {
				return false;
			}
		}
		if ( $this->routes ) {
			return true;
		}
		$ajax = $_GET['wc-ajax'] ?? '';
		$asks = ( is_string( $ajax ) && self::fits( "^{$this->config['ajax']}$", $ajax ) ) || isset( $_GET['wc-api'] );
		if ( $asks && in_array( $this->path, array( '/', '/index.php' ), true ) ) {
			return true;
		}
		foreach ( $this->config['pages'] as $page ) {
			if ( self::below( $page, array( $this->path ) ) ) {
				return true;
			}
		}
		return $this->is_hook( $this->path );
	}

	private function is_hook( string $place ): bool {
		foreach ( $this->config['webhooks'] as $prefix ) {
			if ( self::below( $prefix, array( $place ) ) ) {
				return true;
			}
		}
		return false;
	}

	private static function below( string $prefix, array $places ): bool {
		foreach ( $places as $place ) {
			if ( 0 === stripos( rtrim( $place, '/' ) . '/', rtrim( $prefix, '/' ) . '/' ) ) {
				return true;
			}
		}
		return false;
	}

	private static function fits( string $like, string $text ): bool {
		return 1 === preg_match( '~' . $like . '~i', $text );
	}
}

Gate::stand( '{}' );
