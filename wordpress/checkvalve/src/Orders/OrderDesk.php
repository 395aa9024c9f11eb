<?php
namespace Checkvalve\Orders;

use Checkvalve\Crypto\Jws;
use Checkvalve\Installer;
use Checkvalve\Lock;
use Checkvalve\Recorder;
use Checkvalve\Refused;
use Checkvalve\Seen;
use Checkvalve\Settings;

/**
 * Takes orders (docs/spec/wire.md, section 9): checks them, does each once, and ends them. Nothing is done before
 * signature, site, hand, expiry and id have been checked.
 */
final class OrderDesk {

	const TYP   = 'checkvalve-order+jws';
	const AHEAD = 300;

	/** @var Recorder */
	private $recorder;

	public function __construct( Recorder $recorder ) {
		$this->recorder = $recorder;
	}

	/**
	 * @param array $tokens Signed orders.
	 * @return array<int, array{jti: string, status: string, detail: string}>
	 */
	public function take( array $tokens, int $now ): array {
		return $this->alone(
			function () use ( $tokens, $now ) {
				$this->settle( $now );
				$outcomes = array();
				foreach ( $tokens as $token ) {
					$outcomes[] = $this->take_one( is_string( $token ) ? $token : '', $now );
				}
				return $outcomes;
			}
		);
	}

	/** End what has expired, and repair the state file. At the end of a visitor's request: at once or not at all. */
	public function tidy( int $now, bool $wait = true ): void {
		$this->alone(
			function () use ( $now ) {
				$this->settle( $now );
				OrderTable::forget_old( $now );
				return array();
			},
			$wait
		);
	}

	private function settle( int $now ): void {
		$this->close( $this->expired( $now ), 'expired', 'its time was over', $now );
		if ( StateFile::agrees( self::in_force(), Settings::site() ) ) {
			return;
		}
		$known = StateFile::IN_DATABASE === StateFile::expected();
		$whole = StateFile::write( self::in_force(), Settings::site() );
		if ( ! $known && Seen::first_time( 'state file', $now + 3600 ) ) {
			$then = $whole ? 'written again' : 'cannot be written';
			$this->recorder->self_report( 0, "the state file was missing or changed; the orders were taken from the database and the file $then", 4 );
		}
	}

	/** An administrator in the shop ends all orders. Core learns of it and does not repeat them. */
	public function lift_all( string $detail, int $now ): int {
		$lifted = $this->alone(
			function () use ( $detail, $now ) {
				$orders = OrderTable::in_force();
				$this->close( $orders, 'lifted', $detail, $now );
				return $orders;
			}
		);
		return count( $lifted );
	}

	private function take_one( string $token, int $now ): array {
		try {
			$order = Jws::verify( $token, self::TYP, Settings::core_key() );
		} catch ( Refused $refused ) {
			return $this->outcome( 'unverified', 'refused', $refused->getMessage(), $now, hash( 'sha256', $token ) );
		}
		try {
			$jti = self::checked( $order, $now );
		} catch ( Refused $refused ) {
			$jti = is_string( $order['jti'] ?? null ) ? substr( $order['jti'], 0, 80 ) : 'unverified';
			return 'expired' === $refused->reason()
				? array( 'jti' => $jti, 'status' => 'expired', 'detail' => $refused->getMessage() )
				: $this->outcome( $jti, 'refused', $refused->getMessage(), $now );
		}
		$known = OrderTable::find( $jti );
		if ( $known ) {
			return 'lifted' === $known->status
				? array( 'jti' => $jti, 'status' => 'refused', 'detail' => 'an administrator lifted it in the shop' )
				: array( 'jti' => $jti, 'status' => 'already', 'detail' => str_replace( '_', ' ', $known->status ) );
		}
		try {
			return $this->outcome( $jti, 'done', $this->carry_out( $order, $token, $now ), $now );
		} catch ( Refused $refused ) {
			return $this->outcome( $jti, $refused->reason(), $refused->getMessage(), $now );
		}
	}

	/**
	 * @return string The order's id.
	 * @throws Refused When the order is not for us, not now, or not to be understood.
	 */
	private static function checked( array $order, int $now ): string {
		$jti = $order['jti'] ?? null;
		if ( ! is_string( $jti ) || ! preg_match( '/^[A-Za-z0-9_-]{1,80}$/D', $jti ) ) {
			throw new Refused( 'refused', 'the order has no usable id' );
		}
		if ( Settings::site() !== ( $order['aud'] ?? null ) ) {
			throw new Refused( 'refused', 'the order is for another site' );
		}
		if ( 'wordpress' !== ( $order['hand'] ?? null ) ) {
			throw new Refused( 'refused', 'the order is for another hand' );
		}
		if ( ! is_int( $order['exp'] ?? null ) || ! is_int( $order['iat'] ?? null ) || ! is_array( $order['args'] ?? null ) || ! is_string( $order['action'] ?? null ) ) {
			throw new Refused( 'refused', 'the order is incomplete' );
		}
		if ( $order['exp'] <= $now ) {
			throw new Refused( 'expired', 'the order expired ' . ( $now - $order['exp'] ) . ' s ago by the shop\'s clock' );
		}
		if ( $order['iat'] > $now + self::AHEAD ) {
			throw new Refused( 'refused', 'the order is from the future; set the shop\'s time (NTP)' );
		}
		return $jti;
	}

	/**
	 * @return string What was done.
	 * @throws Refused With reason `refused` or `failed`.
	 */
	private function carry_out( array $order, string $token, int $now ): string {
		$incident = is_string( $order['incident'] ?? null ) ? substr( $order['incident'], 0, 80 ) : '';
		if ( '' !== $incident && Seen::first_time( "incident $incident", $order['exp'] + OrderTable::KEPT ) ) {
			/**
			 * Core has opened a case about this shop: its first order has come.
			 *
			 * @param string $incident The case's number.
			 */
			do_action( 'checkvalve_incident_opened', $incident );
		}
		/**
		 * A verified order arrived that was not done before.
		 *
		 * @param array $order Payload as in docs/spec/wire.md, section 9.
		 */
		do_action( 'checkvalve_order_received', $order );
		/**
		 * Whether the shop refuses this order. Return true or, better, the reason as text.
		 *
		 * @param bool|string $veto
		 * @param array       $order
		 */
		$veto = 'release' === $order['action'] ? false : apply_filters( 'checkvalve_containment_veto', false, $order );
		if ( $veto ) {
			throw new Refused( 'refused', is_string( $veto ) ? $veto : 'the shop vetoed it (checkvalve_containment_veto)' );
		}
		return 'release' === $order['action'] ? $this->release( $order, $token, $now ) : $this->put_in_force( $order, $token, $now );
	}

	private function put_in_force( array $order, string $token, int $now ): string {
		$hand = Registry::hand( $order['action'] );
		if ( null === $hand ) {
			throw new Refused( 'refused', 'this plugin knows no action ' . substr( $order['action'], 0, 40 ) . '; update it' );
		}
		$unknown = array_diff( array_map( 'strval', array_keys( $order['args'] ) ), $hand::ARGS );
		if ( $unknown ) {
			throw new Refused( 'refused', $order['action'] . ' takes no ' . substr( implode( ', ', $unknown ), 0, 60 ) );
		}
		$rule = $hand->rule( $order['args'] );
		/**
		 * What is about to be done. Add `note`, up to 200 characters for the person on call: what they should know of this shop.
		 *
		 * @param array $plan  action, target, effect, undo, cost.
		 * @param array $order Payload as in docs/spec/wire.md, section 9.
		 */
		$plan = (array) apply_filters( 'checkvalve_containment_plan', array( 'action' => $order['action'], 'target' => $rule['target'], 'effect' => $hand->effect( $rule ), 'undo' => $hand::UNDO, 'cost' => $hand::COST ), $order );
		$this->need_loader();
		$held = $hand->enact( $rule, $now );
		try {
			OrderTable::add( $order, $rule, $token, $hand::LASTS ? OrderTable::IN_FORCE : OrderTable::DONE, $held, $now );
		} catch ( Refused $refused ) {
			'' === $held || $hand->undo( $held );
			throw $refused;
		}
		$this->write_state();
		/**
		 * An order is in force from the next request on.
		 *
		 * @param array $order
		 */
		do_action( 'checkvalve_order_in_force', $order );
		return $hand->effect( $rule ) . ( is_string( $plan['note'] ?? null ) ? '. The shop notes: ' . substr( $plan['note'], 0, 200 ) : '' );
	}

	private function release( array $order, string $token, int $now ): string {
		$target = $order['args']['jti'] ?? null;
		if ( ! is_string( $target ) || ! preg_match( '/^[A-Za-z0-9_-]{1,80}$/D', $target ) ) {
			throw new Refused( 'refused', 'release needs {"jti": "<order to undo>"}' );
		}
		$known = OrderTable::find( $target );
		OrderTable::add( $order, array( 'target' => $target ), $token, OrderTable::DONE, '', $now );
		if ( ! $known ) {
			// It may still arrive, and must stay released then.
			OrderTable::add( array( 'jti' => $target, 'action' => 'unknown', 'exp' => $order['exp'] ), array(), '', 'released', '', $now );
			return "$target was not known here and will not be done";
		}
		if ( OrderTable::IN_FORCE !== $known->status && '' === (string) $known->held ) {
			return "$target had ended before ({$known->status})";
		}
		$this->close( array( $known ), 'released', 'released by ' . $order['jti'], $now );
		return "$target is released";
	}

	/** @param object[] $orders */
	private function close( array $orders, string $status, string $detail, int $now ): void {
		foreach ( $orders as $order ) {
			OrderTable::end( $order->jti, $status, $now );
		}
		if ( $orders ) {
			$this->write_state();
		}
		foreach ( $orders as $order ) {
			$left = '' === (string) $order->held || OrderTable::hand_over( $order ) ? '' : $this->undo( $order );
			$this->recorder->outcome( $order->jti, $status, $detail . ( '' === $left ? '' : "; $left" ) );
			/**
			 * An order is over.
			 *
			 * @param string $jti
			 * @param string $status released, expired or lifted.
			 */
			do_action( 'checkvalve_order_ended', $order->jti, $status );
		}
	}

	/** @return string What could not be put back. */
	private function undo( object $order ): string {
		try {
			$hand = Registry::hand( $order->action );
			return $hand ? $hand->undo( (string) $order->held ) : '';
		} catch ( \Throwable $fault ) {
			return 'undoing it failed: ' . get_class( $fault );
		}
	}

	/** @return object[] */
	private function expired( int $now ): array {
		return array_filter(
			OrderTable::in_force(),
			static function ( $order ) use ( $now ) {
				return (int) $order->expires <= $now;
			}
		);
	}

	private function write_state(): void {
		StateFile::write( self::in_force(), Settings::site() );
	}

	/** The orders in force as the state file holds them. */
	private static function in_force(): array {
		return array_map( array( OrderTable::class, 'as_state' ), OrderTable::in_force() );
	}

	private function need_loader(): void {
		if ( ! Installer::loader_in_place() && ! Installer::install_loader() ) {
			throw new Refused( 'failed', 'the must-use loader is missing and wp-content/mu-plugins cannot be written' );
		}
	}

	/** The answer for core, and the event; the same failure of the same order is an event once an hour. */
	private function outcome( string $jti, string $status, string $detail, int $now, string $distinct = '' ): array {
		if ( 'done' === $status || Seen::first_time( 'out ' . hash( 'sha256', "$jti $status $detail $distinct" ), $now + 3600 ) ) {
			$this->recorder->outcome( $jti, $status, $detail );
		}
		return array( 'jti' => $jti, 'status' => $status, 'detail' => $detail );
	}

	private function alone( callable $work, bool $wait = true ): array {
		$lock = new Lock( 'orders' );
		for ( $tries = 0; ! $lock->take( 30 ); $tries++ ) {
			if ( ! $wait || $tries >= 20 ) {
				return array();
			}
			usleep( 100000 );
		}
		try {
			return $work();
		} finally {
			$lock->release();
		}
	}
}
