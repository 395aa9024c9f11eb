<?php
namespace Checkvalve;

/**
 * Something that cannot be accepted. `reason()` is stable, the message tells a person what to do.
 */
final class Refused extends \RuntimeException {

	/** @var string */
	private $reason;

	public function __construct( string $reason, string $hint ) {
		parent::__construct( $hint );
		$this->reason = $reason;
	}

	public function reason(): string {
		return $this->reason;
	}
}
