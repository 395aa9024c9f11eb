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
 * Puts the parts together.
 */
final class Plugin {

	/** All but People, who need the register. */
	const SENSORS = array(
		Sensors\LogIns::class,
		Sensors\Credentials::class,
		Sensors\Users::class,
		Sensors\Options::class,
		Sensors\Plugins::class,
		Sensors\Themes::class,
		Sensors\FileEdits::class,
		Sensors\Exports::class,
		Sensors\CronJobs::class,
		Sensors\AjaxRequests::class,
		Sensors\XmlRpc::class,
		Sensors\Mails::class,
		Sensors\ShopOrders::class,
		Sensors\Refunds::class,
		Sensors\Goods::class,
		Sensors\Webhooks::class,
		Sensors\ApiKeys::class,
		Sensors\Reads::class,
		Sensors\RestRequests::class,
		Sensors\LlmCalls::class,
		Sensors\AiCalls::class,
	);

	/** @var self|null */
	private static $instance = null;

	/** @var Outbox */
	private $outbox;

	/** @var Core */
	private $core;

	/** @var Recorder */
	private $recorder;

	/** @var OrderDesk */
	private $desk;

	/** @var Flusher */
	private $flusher;

	public static function instance(): self {
		if ( null === self::$instance ) {
			self::$instance = new self();
		}
		return self::$instance;
	}

	private function __construct() {
		$this->outbox   = new Outbox();
		$this->core     = new Core();
		$this->recorder = new Recorder( $this->outbox );
		$this->desk     = new OrderDesk( $this->recorder );
		$this->flusher  = new Flusher( $this->outbox, $this->core );
	}

	public function boot(): void {
		$register = new Register( $this->recorder );
		$probes   = new ProbeOrders( $this->recorder );
		$upkeep   = new Upkeep( $this->recorder, $this->desk, $this->outbox, $register, $probes );
		$sync     = new SyncRoute( $this->desk, $this->outbox, $this->flusher, $upkeep );
		$pairing  = new Pairing( $this->core, $this->outbox, $this->recorder );
		Routes::set_up( array( $sync, 'serve' ), array( new ProbeRoute(), 'serve' ) );
		add_filter( 'cron_schedules', array( self::class, 'add_interval' ) ); // phpcs:ignore
		add_action( 'admin_init', array( Installer::class, 'catch_up' ) );
		if ( is_admin() ) {
			( new Page( $pairing, $this->outbox, $this->desk ) )->set_up();
		}
		if ( defined( 'WP_CLI' ) && WP_CLI ) {
			\WP_CLI::add_command( 'checkvalve', new Command( $pairing, $this->outbox, $this->flusher, $upkeep ) );
		}
		if ( Settings::paired() ) {
			$this->watch( $register, $probes, $upkeep );
		}
	}

	public function recorder(): Recorder {
		return $this->recorder;
	}

	public function desk(): OrderDesk {
		return $this->desk;
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
					$this->recorder->guarded(
						Flusher::class,
						function () {
							$this->flusher->flush( 2, 3 );
						}
					);
				}
			},
			PHP_INT_MAX
		);
	}

	private function watch( Register $register, ProbeOrders $probes, Upkeep $upkeep ): void {
		Caller::set_up();
		Gateway::set_up( $this->recorder );
		$probes->set_up();
		foreach ( self::SENSORS as $class ) {
			( new $class( $this->recorder ) )->set_up();
		}
		( new Sensors\People( $this->recorder, $register ) )->set_up();
		add_action(
			Upkeep::HOOK,
			function () use ( $upkeep ) {
				$upkeep->tick( $this->core, $this->flusher );
			}
		);
		add_action( 'shutdown', array( $this, 'tidy' ), 1 );
		$this->flush_when_answered();
	}

	public function tidy(): void {
		if ( Enforcer::untidy() ) {
			$this->recorder->guarded(
				OrderDesk::class,
				function () {
					$this->desk->tidy( time(), false );
				}
			);
		}
	}
}
