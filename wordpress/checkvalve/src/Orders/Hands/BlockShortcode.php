<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;

final class BlockShortcode extends Hand {

	const ARGS   = array( 'shortcode' );
	const EFFECT = 'the shortcode prints nothing';
	const COST   = 'pages with it have a gap';

	/** @var string[] */
	private $tags = array();

	public function rule( array $args ): array {
		return array( 'target' => self::text( $args, 'shortcode' ) );
	}

	public function enforce( array $rules ): void {
		$this->tags = self::each( $rules, 'target' );
		add_filter( 'pre_do_shortcode_tag', array( $this, 'nothing' ), PHP_INT_MAX, 2 );
	}

	/**
	 * @param mixed  $output
	 * @param string $tag
	 * @return mixed
	 */
	public function nothing( $output, $tag ) {
		return in_array( $tag, $this->tags, true ) ? '' : $output;
	}
}
