<?php
namespace Checkvalve\Orders;

use Checkvalve\CallingPlugin;
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
		switch ( $order['action'] ) {
			case 'isolate_plugin':
				return $this->isolate( $order, $token, $now );
			case 'block_route':
				return $this->block( $order, $token, $now );
			case 'release':
				return $this->release( $order, $token, $now );
		}
		throw new Refused( 'refused', 'this plugin knows no action ' . substr( $order['action'], 0, 40 ) . '; update it' );
	}

	private function isolate( array $order, string $token, int $now ): string {
		$plugin = $order['args']['plugin'] ?? null;
		if ( ! is_string( $plugin ) || '' === $plugin || 0 !== validate_file( $plugin ) || strlen( $plugin ) > 250 ) {
			throw new Refused( 'refused', 'isolate_plugin needs {"plugin": "dir/file.php"} or its folder' );
		}
		$plugin = self::basename_of( $plugin );
		$folder = CallingPlugin::first_part( $plugin );
		if ( CHECKVALVE_FOLDER === $folder ) {
			throw new Refused( 'refused', 'Checkvalve does not isolate itself' );
		}
		if ( 'woocommerce' === $folder ) {
			throw new Refused( 'refused', 'WooCommerce is the checkout; isolating it would close the shop' );
		}
		if ( is_multisite() && isset( ( (array) get_site_option( 'active_sitewide_plugins' ) )[ $plugin ] ) ) {
			throw new Refused( 'failed', "$plugin is active for the whole network; it can only be isolated by the network's administrator" );
		}
		if ( ! in_array( $plugin, (array) get_option( 'active_plugins', array() ), true ) ) {
			throw new Refused( 'failed', "$plugin is not active in this shop" );
		}
		$this->need_loader();
		$held = HeldWork::hold( $plugin, $now );
		try {
			OrderTable::add( $order, $plugin, $token, OrderTable::IN_FORCE, $held, $now );
		} catch ( Refused $refused ) {
			HeldWork::release( $held );
			throw $refused;
		}
		$this->write_state();
		return "$plugin is not loaded from the next request on";
	}

	/** What a call to the model knows of its caller is the folder; the list of active plugins knows the file. */
	private static function basename_of( string $plugin ): string {
		if ( false !== strpos( $plugin, '/' ) || '.php' === substr( $plugin, -4 ) ) {
			return $plugin;
		}
		foreach ( (array) get_option( 'active_plugins', array() ) as $active ) {
			if ( CallingPlugin::first_part( (string) $active ) === $plugin ) {
				return (string) $active;
			}
		}
		return $plugin;
	}

	private function block( array $order, string $token, int $now ): string {
		$route = $order['args']['route'] ?? null;
		if ( ! is_string( $route ) || '/' !== substr( $route, 0, 1 ) || strlen( $route ) > 250 || '/' === Route::normal( $route ) ) {
			throw new Refused( 'refused', 'block_route needs {"route": "/namespace/v1/path"}' );
		}
		if ( ! Route::usable( $route ) ) {
			throw new Refused( 'refused', 'this route is no pattern WordPress could match' );
		}
		if ( Route::covers( $route, '/checkvalve/v1/sync' ) ) {
			throw new Refused( 'refused', 'Checkvalve does not block its own route' );
		}
		$this->need_loader();
		OrderTable::add( $order, $route, $token, OrderTable::IN_FORCE, '', $now );
		$this->write_state();
		return "$route and below answer 403 from the next request on";
	}

	private function release( array $order, string $token, int $now ): string {
		$target = $order['args']['jti'] ?? null;
		if ( ! is_string( $target ) || ! preg_match( '/^[A-Za-z0-9_-]{1,80}$/D', $target ) ) {
			throw new Refused( 'refused', 'release needs {"jti": "<order to undo>"}' );
		}
		$known = OrderTable::find( $target );
		OrderTable::add( $order, $target, $token, 'done', '', $now );
		if ( ! $known ) {
			// It may still arrive, and must stay released then.
			OrderTable::add( array( 'jti' => $target, 'action' => 'unknown', 'exp' => $order['exp'] ), '', '', 'released', '', $now );
			return "$target was not known here and will not be done";
		}
		if ( OrderTable::IN_FORCE !== $known->status ) {
			return "$target had ended before ({$known->status})";
		}
		$this->close( array( $known ), 'released', 'released by ' . $order['jti'], $now );
		return "$target is released";
	}

	/** @param object[] $orders */
	private function close( array $orders, string $status, string $detail, int $now ): void {
		foreach ( $orders as $order ) {
			$held = (string) $order->held;
			OrderTable::end( $order->jti, $status, $now );
			if ( '' !== $held && ! OrderTable::hand_over( $order->target, $held ) ) {
				HeldWork::release( $held );
			}
			$this->recorder->outcome( $order->jti, $status, $detail );
		}
		if ( $orders ) {
			$this->write_state();
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
		$orders = array();
		foreach ( OrderTable::in_force() as $row ) {
			$orders[] = array( 'jti' => $row->jti, 'action' => $row->action, 'target' => $row->target, 'exp' => (int) $row->expires, 'jws' => $row->jws );
		}
		return $orders;
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
