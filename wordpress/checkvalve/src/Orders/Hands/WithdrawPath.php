<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Code;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\ShopPath;
use Checkvalve\Orders\StateFile;
use Checkvalve\Refused;

/**
 * Training data, an index, a backup, a folder of uploads that the web server hands out: moved to where it does not, and back.
 */
final class WithdrawPath extends Hand {

	const ARGS   = array( 'path' );
	const EFFECT = 'moved out of the web root';
	const UNDO   = 'moved back, unchanged; not where something new lies in its place';
	const COST   = 'what reads it by its path finds nothing until it is back';

	public function rule( array $args ): array {
		$path = ShopPath::below_content( self::text( $args, 'path', 250 ) );
		foreach ( array( WP_PLUGIN_DIR, WPMU_PLUGIN_DIR, get_theme_root() ) as $code ) {
			$code = wp_normalize_path( (string) realpath( $code ) );
			if ( Code::lies_in( wp_normalize_path( (string) realpath( ABSPATH . $path ) ), $code ) && preg_match( '/\.php$|^[^.]*$/i', basename( $path ) ) ) {
				throw new Refused( 'refused', 'code of plugins and themes is isolated, not moved; name the data file' );
			}
		}
		return array( 'target' => $path );
	}

	public function enact( array $rule, int $now ): string {
		$from = ABSPATH . $rule['target'];
		$away = self::away() . '/' . bin2hex( random_bytes( 16 ) );
		if ( ! @rename( $from, $away ) ) { // phpcs:ignore
			throw new Refused( 'failed', $rule['target'] . ' cannot be moved; may PHP write its folder?' );
		}
		return (string) wp_json_encode( array( 'from' => $from, 'away' => $away ), JSON_UNESCAPED_SLASHES );
	}

	public function undo( string $held ): string {
		$moved = (array) json_decode( $held, true );
		if ( ! isset( $moved['from'], $moved['away'] ) || ! file_exists( $moved['away'] ) ) {
			return 'what was moved away is gone';
		}
		if ( file_exists( $moved['from'] ) || ! @rename( $moved['away'], $moved['from'] ) ) { // phpcs:ignore
			return 'it could not be moved back, because something lies in its place or its folder cannot be written; it is kept in ' . $moved['away'];
		}
		@rmdir( dirname( $moved['away'] ) ); // phpcs:ignore
		return '';
	}

	/** Beside WordPress; where that cannot be written, in the state's own folder, whose names nobody can guess. */
	private static function away(): string {
		$beside = dirname( untrailingslashit( ABSPATH ) ) . '/checkvalve-withdrawn';
		$folder = self::served( dirname( $beside ) ) || ! wp_mkdir_p( $beside ) ? StateFile::directory() . '/withdrawn' : $beside;
		if ( ! wp_mkdir_p( $folder ) ) {
			throw new Refused( 'failed', 'there is no folder to move it to' );
		}
		@chmod( $folder, 0700 ); // phpcs:ignore
		return $folder;
	}

	private static function served( string $folder ): bool {
		$root = wp_normalize_path( (string) realpath( (string) ( $_SERVER['DOCUMENT_ROOT'] ?? '' ) ) );
		return '' === $root || Code::lies_in( wp_normalize_path( (string) realpath( $folder ) ), $root );
	}
}
