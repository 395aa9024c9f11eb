<?php
namespace Checkvalve;

use Checkvalve\Outbox\Outbox;
use Checkvalve\Probe\Pass;

/**
 * Builds OCSF 1.8 events as docs/spec/wire.md, section 5, lists them, and puts them into the outbox. Nothing in here may
 * disturb the shop: whatever fails is caught, counted and shown on the status page.
 */
final class Recorder {

	const FAULTS  = 'checkvalve_sensor_faults';
	const CROWDED = array( 0, 3002, 6003 ); // others' logs, log-ins, REST requests: any visitor can cause them in any number

	/** @var Outbox */
	private $outbox;

	public function __construct( Outbox $outbox ) {
		$this->outbox = $outbox;
	}

	/**
	 * @param array    $attributes OCSF attributes of the class.
	 * @param array    $own        What goes into unmapped.checkvalve besides who and where.
	 * @param int|null $at_ms      When it happened, if not in this request: then who asks in it is not told.
	 */
	public function record( int $class_uid, int $activity_id, array $attributes, array $own = array(), ?int $at_ms = null ): void {
		if ( ! Settings::paired() ) {
			return;
		}
		$event = $this->event( $class_uid, $activity_id, $attributes, $own, $at_ms );
		$this->outbox->put( $event, time(), in_array( $class_uid, self::CROWDED, true ) );
		/**
		 * An event was recorded. It holds no clear personal data.
		 *
		 * @param array $event The OCSF event, without its sequence number.
		 */
		do_action( 'checkvalve_event', $event );
	}

	/** What became of an order (OCSF 7001 Remediation Activity: 1 isolate, 3 restore). */
	public function outcome( string $jti, string $status, string $detail ): void {
		$restored = in_array( $status, array( 'released', 'expired', 'lifted' ), true );
		$worked   = ! in_array( $status, array( 'refused', 'failed' ), true );
		$this->record(
			7001,
			$restored ? 3 : 1,
			array( 'command_uid' => $jti, 'status_id' => $worked ? 1 : 2 ),
			array( 'outcome' => array( 'jti' => $jti, 'status' => $status, 'detail' => $detail ) )
		);
	}

	/** The sensor about itself: 3 started, 4 stopped, 0 anything else. */
	public function self_report( int $activity_id, string $message, int $severity_id = 1 ): void {
		$this->record(
			6002,
			$activity_id,
			array(
				'app'         => array( 'name' => 'Checkvalve', 'uid' => 'checkvalve', 'version' => CHECKVALVE_VERSION ),
				'message'     => $message,
				'severity_id' => $severity_id,
			)
		);
	}

	/**
	 * Run a sensor's code so that nothing it does wrong reaches the shop.
	 *
	 * @return mixed What $work returned, null when it failed.
	 */
	public function guarded( string $sensor, callable $work ) {
		try {
			return $work();
		} catch ( \Throwable $fault ) {
			self::count_fault( $sensor, $fault );
			return null;
		}
	}

	private static function count_fault( string $sensor, \Throwable $fault ): void {
		if ( ! Settings::paired() ) {
			return; // being deleted: nothing may be written any more
		}
		try {
			$faults            = (array) get_option( self::FAULTS, array() );
			$count             = (int) ( $faults[ $sensor ]['count'] ?? 0 );
			$where             = basename( $fault->getFile() ) . ':' . $fault->getLine();
			$faults[ $sensor ] = array( 'count' => $count + 1, 'last' => get_class( $fault ) . " in $where", 'at' => time() );
			update_option( self::FAULTS, $faults, false );
		} catch ( \Throwable $again ) { // phpcs:ignore
			// The database is gone; the shop has its own message for that.
		}
	}

	private function event( int $class_uid, int $activity_id, array $attributes, array $own, ?int $at_ms ): array {
		$who     = array( 'site' => Settings::site() ) + ( null === $at_ms ? self::asking() : array() );
		$address = null === $at_ms ? Caller::address() : '';
		$trace   = null === $at_ms ? array( 'correlation_uid' => Trace::id() ) : array();
		$product = array( 'name' => 'checkvalve-wordpress', 'vendor_name' => 'Checkvalve', 'version' => CHECKVALVE_VERSION );
		$event   = array(
			'metadata'     => array( 'version' => '1.8.0', 'uid' => wp_generate_uuid4() ) + $trace + array( 'product' => $product ), // first, so that the outbox can add the sequence without parsing
			'class_uid'    => $class_uid,
			'category_uid' => intdiv( $class_uid, 1000 ),
			'activity_id'  => $activity_id,
			'type_uid'     => $class_uid * 100 + $activity_id,
			'severity_id'  => 1,
			'time'         => $at_ms ?? (int) floor( microtime( true ) * 1000 ),
		);
		if ( '' !== $address && ! in_array( $class_uid, array( 4002, 5003, 7001 ), true ) ) {
			$event['src_endpoint'] = array( 'uid' => $address );
		}
		$event             = array_merge( $event, $attributes );
		$event['unmapped'] = array( 'checkvalve' => array_merge( $who, $own ) );
		return $event;
	}

	/** Who asks in this request, where and in which session. */
	private static function asking(): array {
		$session = Caller::session();
		$route   = Caller::route();
		$who     = array( 'requester' => Caller::requester() );
		$who    += '' !== $session ? array( 'session' => $session ) : array();
		$who    += '' !== $route ? array( 'route' => $route ) : array();
		return $who + ( Pass::presented() ? array( 'probe' => true ) : array() );
	}
}
