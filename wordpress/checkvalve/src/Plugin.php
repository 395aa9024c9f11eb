<?php
namespace Checkvalve;

use Checkvalve\Admin\Page;
use Checkvalve\Cli\Command;
use Checkvalve\Orders\Enforcer;
use Checkvalve\Orders\OrderDesk;
use Checkvalve\Outbox\Core;
use Checkvalve\Outbox\Flusher;
use Checkvalve\Outbox\Outbox;
use Checkvalve\People\Register;
use Checkvalve\Probe\ProbeOrders;
use Checkvalve\Rest\ProbeRoute;
use Checkvalve\Rest\Routes;
use Checkvalve\Rest\SyncRoute;

/**
 * Puts the parts together, each when it is needed for the first time: a page of the shop needs few.
 */
final class Plugin {

	/** @var self|null */
	private static $instance = null;

	/** @var array<string, object> By class. */
	private $parts = array();

	public static function instance(): self {
		if ( null === self::$instance ) {
			self::$instance = new self();
		}
		return self::$instance;
	}

	public function boot(): void {
		add_action( 'rest_api_init', array( $this, 'register_routes' ) );
		add_filter( 'cron_schedules', array( self::class, 'add_interval' ) ); // phpcs:ignore
		add_action( 'admin_init', array( Installer::class, 'catch_up' ) );
		if ( function_exists( 'wp_register_ability' ) ) {
			Abilities::set_up();
		}
		if ( is_admin() ) {
			( new Page( $this->pairing(), $this->outbox(), $this->desk() ) )->set_up();
		}
		if ( defined( 'WP_CLI' ) && WP_CLI ) {
			\WP_CLI::add_command( 'checkvalve', new Command( $this->pairing(), $this->outbox(), $this->flusher(), $this->upkeep(), $this->desk() ) );
		}
		if ( Settings::paired() ) {
			$this->watch();
		}
	}

	public function register_routes(): void {
		$sync = function ( \WP_REST_Request $request ) {
			return ( new SyncRoute( $this->desk(), $this->outbox(), $this->flusher(), $this->upkeep() ) )->serve( $request );
		};
		$probe = function ( \WP_REST_Request $request ) {
			return ( new ProbeRoute( $this->probes() ) )->serve( $request );
		};
		Routes::register( $sync, $probe );
	}

	/**
	 * @param array $schedules
	 * @return array
	 */
	public static function add_interval( $schedules ) {
		$schedules[ Upkeep::INTERVAL ] = array( 'interval' => 60, 'display' => 'Every minute (Checkvalve)' );
		return $schedules;
	}

	/**
	 * Send events after the visitor has the answer. Only FastCGI and LiteSpeed can let the visitor go; elsewhere wp-cron and
	 * core's own requests do it. Deactivation alone insists: afterwards nobody is left who could tell.
	 */
	public function flush_when_answered( bool $insist = false ): void {
		add_action(
			'shutdown',
			function () use ( $insist ) {
				$let_go = current( array_filter( array( 'fastcgi_finish_request', 'litespeed_finish_request' ), 'function_exists' ) );
				if ( $insist || ( $let_go && Flusher::due( time() ) ) ) {
					$let_go && $let_go();
					$this->recorder()->guarded(
						Flusher::class,
						function () {
							$this->flusher()->flush( 2, 3 );
							$insist || $this->upkeep()->fetch_alone( $this->core() );
						}
					);
				}
			},
			PHP_INT_MAX
		);
	}

	private function watch(): void {
		add_filter( 'rest_dispatch_request', array( Caller::class, 'note_route' ), PHP_INT_MIN, 3 );
		Gateway::set_up( $this->recorder() );
		$this->probes()->set_up();
		$register = function () {
			return $this->register();
		};
		( new Sensors\Switchboard( $this->recorder(), $register ) )->set_up();
		add_action( Upkeep::HOOK, array( $this, 'tick' ) );
		add_action( 'shutdown', array( $this, 'tidy' ), 1 );
		$this->flush_when_answered();
	}

	public function tick(): void {
		$this->upkeep()->tick( $this->core(), $this->flusher() );
	}

	public function tidy(): void {
		if ( Enforcer::untidy() ) {
			$this->recorder()->guarded(
				OrderDesk::class,
				function () {
					$this->desk()->tidy( time(), false );
				}
			);
		}
	}

	public function recorder(): Recorder {
		return $this->once( Recorder::class, $this->outbox() );
	}

	public function desk(): OrderDesk {
		return $this->once( OrderDesk::class, $this->recorder() );
	}

	private function outbox(): Outbox {
		return $this->once( Outbox::class );
	}

	private function core(): Core {
		return $this->once( Core::class );
	}

	private function flusher(): Flusher {
		return $this->once( Flusher::class, $this->outbox(), $this->core() );
	}

	private function register(): Register {
		return $this->once( Register::class, $this->recorder() );
	}

	private function probes(): ProbeOrders {
		return $this->once( ProbeOrders::class, $this->recorder() );
	}

	private function pairing(): Pairing {
		return $this->once( Pairing::class, $this->core(), $this->outbox(), $this->recorder() );
	}

	private function upkeep(): Upkeep {
		return $this->once( Upkeep::class, $this->recorder(), $this->desk(), $this->outbox(), $this->register(), $this->probes() );
	}

	private function once( string $class, object ...$needs ): object {
		if ( ! isset( $this->parts[ $class ] ) ) {
			$this->parts[ $class ] = new $class( ...$needs );
		}
		return $this->parts[ $class ];
	}
}
