<?php
namespace Checkvalve\Orders;

/**
 * Which plugin a callback is written in.
 */
final class Code {

	/** Real path of a plugin: its folder, or its file when it has none. */
	public static function place( string $plugin ): string {
		$folder = false === strpos( $plugin, '/' ) ? $plugin : dirname( $plugin );
		return wp_normalize_path( (string) realpath( WP_PLUGIN_DIR . '/' . $folder ) );
	}

	/** @param callable|mixed $callback */
	public static function is_in( $callback, string $place ): bool {
		return self::lies_in( self::file_of( $callback ), $place );
	}

	public static function lies_in( string $file, string $place ): bool {
		return '' !== $file && '' !== $place && ( $file === $place || 0 === strpos( $file, $place . '/' ) );
	}

	/** Whether one of the hook's callbacks is the plugin's. */
	public static function hooks( string $hook, string $place ): bool {
		global $wp_filter;
		foreach ( isset( $wp_filter[ $hook ] ) ? $wp_filter[ $hook ]->callbacks : array() as $callbacks ) {
			foreach ( $callbacks as $callback ) {
				if ( self::is_in( $callback['function'], $place ) ) {
					return true;
				}
			}
		}
		return false;
	}

	/** @param callable|mixed $callback */
	private static function file_of( $callback ): string {
		try {
			if ( is_string( $callback ) && false !== strpos( $callback, '::' ) ) {
				$callback = explode( '::', $callback, 2 );
			}
			if ( is_array( $callback ) ) {
				$code = new \ReflectionMethod( $callback[0], $callback[1] );
			} elseif ( is_object( $callback ) && ! $callback instanceof \Closure ) {
				$code = new \ReflectionMethod( $callback, '__invoke' );
			} else {
				$code = new \ReflectionFunction( $callback );
			}
			// A block whose markup is a file of the plugin is drawn by a closure of WordPress.
			$drawn = $code instanceof \ReflectionFunction ? ( $code->getStaticVariables()['template_path'] ?? null ) : null;
			return wp_normalize_path( (string) realpath( is_string( $drawn ) ? $drawn : (string) $code->getFileName() ) );
		} catch ( \Throwable $gone ) {
			return '';
		}
	}
}
