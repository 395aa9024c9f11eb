<?php
namespace Checkvalve\Cli;

use Checkvalve\Abilities;
use Checkvalve\Health;
use Checkvalve\Orders\OrderDesk;
use Checkvalve\Orders\OrderTable;
use Checkvalve\Outbox\Flusher;
use Checkvalve\Outbox\Outbox;
use Checkvalve\Pairing;
use Checkvalve\Refused;
use Checkvalve\Settings;
use Checkvalve\Upkeep;

/**
 * The shop's side of Checkvalve.
 */
final class Command {

	/** @var Pairing */
	private $pairing;

	/** @var Outbox */
	private $outbox;

	/** @var Flusher */
	private $flusher;

	/** @var Upkeep */
	private $upkeep;

	/** @var OrderDesk */
	private $desk;

	public function __construct( Pairing $pairing, Outbox $outbox, Flusher $flusher, Upkeep $upkeep, OrderDesk $desk ) {
		$this->pairing = $pairing;
		$this->outbox  = $outbox;
		$this->flusher = $flusher;
		$this->upkeep  = $upkeep;
		$this->desk    = $desk;
	}

	/**
	 * Pair this shop with a Checkvalve core.
	 *
	 * ## OPTIONS
	 *
	 * <code>
	 * : What `checkvalve pair` printed, such as K7QM-2XPD-9FHR@https://core.example.com
	 *
	 * @param string[] $args
	 */
	public function pair( $args ): void {
		try {
			\WP_CLI::success( 'Paired as ' . $this->pairing->pair( (string) ( $args[0] ?? '' ) ) . '.' );
		} catch ( Refused $refused ) {
			\WP_CLI::error( $refused->getMessage() );
		}
	}

	/**
	 * Show pairing, outbox, health and the orders in force.
	 */
	public function status(): void {
		$now = time();
		\WP_CLI::line( Settings::paired() ? 'Paired as ' . Settings::site() . ' with ' . Settings::core_url() : 'Not paired.' );
		foreach ( Health::lines( $this->outbox, $now ) as list( $name, $grade, $text ) ) {
			\WP_CLI::line( sprintf( '%-24s %-5s %s', $name, $grade, $text ) );
		}
		foreach ( OrderTable::in_force() as $order ) {
			\WP_CLI::line( sprintf( '%s %s %s, ends in %d s', $order->jti, $order->action, $order->target, $order->expires - $now ) );
		}
	}

	/**
	 * Send what waits in the outbox now, and the rest of the register.
	 */
	public function flush(): void {
		$this->upkeep->portion( time() + 60 );
		$sent = $this->flusher->flush( 60, 10 );
		$left = $this->outbox->pending();
		$left ? \WP_CLI::error( "$sent sent, $left still waiting: " . Flusher::contact()['problem'] ) : \WP_CLI::success( "$sent sent, nothing waiting." );
	}

	/**
	 * Mail to these addresses came back. The server learns which letters reached nobody, never an address.
	 *
	 * ## OPTIONS
	 *
	 * <address>...
	 * : As the returned mail names them.
	 *
	 * @param string[] $args
	 */
	public function bounced( $args ): void {
		$known = $this->upkeep->bounced( array_map( 'strval', $args ) );
		$given = count( $args );
		$known === $given ? \WP_CLI::success( "$known noted." ) : \WP_CLI::warning( "$known of $given noted; the others are no e-mail addresses." );
	}

	/**
	 * Show what orders can do in this shop, how it is undone, what it may cost.
	 */
	public function hands(): void {
		foreach ( Abilities::hands() as $hand ) {
			\WP_CLI::line( sprintf( "%s (%s)\n  does: %s\n  undo: %s\n  cost: %s", $hand['action'], implode( ', ', $hand['arguments'] ), $hand['effect'], $hand['undo'], $hand['cost'] ) );
		}
	}

	/**
	 * Emergency: lift all orders here. The leak that was stopped may go on; core learns of it and does not repeat them.
	 */
	public function lift(): void {
		\WP_CLI::confirm( "Customers' data may be leaking again. Lift all orders?" );
		$lifted = $this->desk->lift_all( 'lifted on the command line of the shop', time() );
		\WP_CLI::success( "$lifted lifted." );
	}
}
