<?php
namespace Checkvalve;

use Checkvalve\Orders\OrderDesk;
use Checkvalve\Outbox\Core;
use Checkvalve\Outbox\Flusher;
use Checkvalve\Outbox\Outbox;
use Checkvalve\People\Letters;
use Checkvalve\People\Register;
use Checkvalve\Probe\ProbeOrders;
use Checkvalve\Probe\ProbeProduct;
use Checkvalve\Sensors\Inventory;
use Checkvalve\Sensors\LogSources;
use Checkvalve\Sensors\LogTables;

/**
 * What is done beside the shop's requests: each minute in wp-cron, and in core's own requests.
 */
final class Upkeep {

	const HOOK     = 'checkvalve_tick';
	const INTERVAL = 'checkvalve_minute';

	/** @var Recorder */
	private $recorder;

	/** @var OrderDesk */
	private $desk;

	/** @var Outbox */
	private $outbox;

	/** @var Register */
	private $register;

	/** @var ProbeOrders */
	private $probes;

	public function __construct( Recorder $recorder, OrderDesk $desk, Outbox $outbox, Register $register, ProbeOrders $probes ) {
		$this->recorder = $recorder;
		$this->desk     = $desk;
		$this->outbox   = $outbox;
		$this->register = $register;
		$this->probes   = $probes;
	}

	/** In wp-cron: fetch orders (a shop that core cannot reach has no other way), then events out. */
	public function tick( Core $core, Flusher $flusher ): void {
		if ( ! Settings::paired() ) {
			return;
		}
		$now = time();
		$this->fetch( $core, $now, 10 );
		$this->desk->tidy( $now );
		Installer::repair();
		$this->portion( $now + 20 );
		$flusher->flush( 20, 10 );
	}

	/** Orders, from a shop that core has not reached for a minute: after a visitor's answer has left, each ten seconds. */
	public function fetch_alone( Core $core ): void {
		$contact = Flusher::contact();
		$now     = time();
		if ( $now - $contact['synced'] >= 60 && $now - $contact['fetched'] >= 10 && $now >= $contact['not_before'] ) {
			Flusher::remember( array( 'fetched' => $now ) );
			$this->fetch( $core, $now, 3 );
		}
	}

	private function fetch( Core $core, int $now, int $timeout ): void {
		$answer = $core->orders( $timeout );
		if ( 200 === $answer['status'] ) {
			$this->desk->take( (array) ( $answer['body']['orders'] ?? array() ), $now );
		}
	}

	/** Small chores and a portion of the register. */
	public function portion( int $until ): void {
		$this->recorder->guarded(
			self::class,
			function () use ( $until ) {
				$now = time();
				Seen::forget_expired( $now );
				ProbeProduct::ensure();
				$this->probes->remove_left_over( $now );
				$this->register->backfill( $until );
				$this->report_dropped( $now );
			}
		);
		$this->recorder->guarded(
			Letters::class,
			function () use ( $until ) {
				( new Letters( $this->recorder ) )->send( $until );
			}
		);
		$this->recorder->guarded( Inventory::class, fn() => Inventory::tell( $this->recorder, time() ) );
		$this->recorder->guarded(
			LogSources::class,
			function () {
				LogSources::look( $this->recorder );
				LogTables::read( $this->recorder );
			}
		);
	}

	/** @return int How many of the addresses are ones. */
	public function bounced( array $addresses ): int {
		return ( new Letters( $this->recorder ) )->bounced( $addresses );
	}

	/** Events that found no room leave a gap in the numbers, which core sees, and a word about it. */
	private function report_dropped( int $now ): void {
		$dropped = $this->outbox->take_dropped();
		if ( $dropped > 0 ) {
			$this->outbox->number();
			$this->outbox->skip( $dropped, $now );
			$this->recorder->self_report( 0, "the outbox was full; $dropped events were not kept", 4 );
		}
	}
}
