<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Closed;
use Checkvalve\Orders\Code;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\Request;
use Checkvalve\Orders\ShopPath;

/**
 * A PHP file that is called directly, or all PHP below a folder (uploads). gate.php does the same for files that never load
 * WordPress.
 */
final class BlockPath extends Hand {

	const ARGS   = array( 'path' );
	const EFFECT = 'PHP called directly here answers 403';
	const COST   = 'whatever calls these files by their address stops; files that never load WordPress need the gate';

	public function rule( array $args ): array {
		return array( 'target' => ShopPath::below_content( self::text( $args, 'path', 250 ) ) );
	}

	public function effect( array $rule ): string {
		$gate = defined( 'CHECKVALVE_GATE' ) ? '' : '; the gate (auto_prepend_file) is off, so files that do not load WordPress stay open';
		return parent::effect( $rule ) . $gate;
	}

	public function enforce( array $rules ): void {
		foreach ( self::each( $rules, 'target' ) as $path ) {
			if ( Code::lies_in( Request::script(), wp_normalize_path( (string) realpath( ABSPATH . $path ) ) ) ) {
				Closed::answer();
			}
		}
	}
}
