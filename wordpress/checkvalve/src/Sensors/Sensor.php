<?php
namespace Checkvalve\Sensors;

use Checkvalve\Recorder;

/**
 * A sensor listens on hooks and records; it decides nothing and never waits. `docs/plugin.md` lists every hook with its
 * priority and the reason for it.
 */
abstract class Sensor {

	/** @var Recorder */
	protected $recorder;

	/** @var array<int, array{0: string, 1: callable, 2: int}> */
	private $hooked = array();

	public function __construct( Recorder $recorder ) {
		$this->recorder = $recorder;
	}

	abstract public function set_up(): void;

	public function tear_down(): void {
		foreach ( $this->hooked as list( $hook, $callback, $priority ) ) {
			remove_filter( $hook, $callback, $priority );
		}
		$this->hooked = array();
	}

	/** Listen on an action or filter. The first argument always passes on unchanged. */
	protected function listen( string $hook, string $method, int $priority = 10, int $arguments = 1 ): void {
		$callback = function ( ...$given ) use ( $method ) {
			$this->recorder->guarded(
				static::class,
				function () use ( $method, $given ) {
					$this->$method( ...$given );
				}
			);
			return $given[0] ?? null;
		};
		add_filter( $hook, $callback, $priority, $arguments );
		$this->hooked[] = array( $hook, $callback, $priority );
	}
}
