<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;

final class BlockBlock extends Hand {

	const ARGS   = array( 'block' );
	const EFFECT = 'the block prints nothing';
	const COST   = 'pages with it have a gap';

	/** @var string[] */
	private $blocks = array();

	public function rule( array $args ): array {
		return array( 'target' => self::text( $args, 'block' ) );
	}

	public function enforce( array $rules ): void {
		$this->blocks = self::each( $rules, 'target' );
		add_filter( 'pre_render_block', array( $this, 'nothing' ), PHP_INT_MAX, 2 );
	}

	/**
	 * @param mixed $output
	 * @param array $block
	 * @return mixed
	 */
	public function nothing( $output, $block ) {
		return in_array( $block['blockName'] ?? '', $this->blocks, true ) ? '' : $output;
	}
}
