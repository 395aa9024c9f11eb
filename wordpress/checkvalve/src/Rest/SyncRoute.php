<?php
namespace Checkvalve\Rest;

use Checkvalve\Crypto\MessageSignature;
use Checkvalve\Orders\KeptRequests;
use Checkvalve\Orders\OrderDesk;
use Checkvalve\Orders\OrderTable;
use Checkvalve\Outbox\Flusher;
use Checkvalve\Outbox\Outbox;
use Checkvalve\Refused;
use Checkvalve\Seen;
use Checkvalve\Settings;
use Checkvalve\Upkeep;

/**
 * POST checkvalve/v1/sync: core brings orders and takes the events along (docs/spec/wire.md, section 9).
 */
final class SyncRoute {

	const MAX_BYTES = 1048576;
	const SKEW      = 300;
	const NONCE     = 600;
	const SECONDS   = 3; // for the register, and again for events; core waits 10 s

	/** @var OrderDesk */
	private $desk;

	/** @var Outbox */
	private $outbox;

	/** @var Flusher */
	private $flusher;

	/** @var Upkeep */
	private $upkeep;

	public function __construct( OrderDesk $desk, Outbox $outbox, Flusher $flusher, Upkeep $upkeep ) {
		$this->desk    = $desk;
		$this->outbox  = $outbox;
		$this->flusher = $flusher;
		$this->upkeep  = $upkeep;
	}

	public function serve( \WP_REST_Request $request ): \WP_REST_Response {
		try {
			$now    = time();
			$orders = self::orders( $request, $now );
		} catch ( Refused $refused ) {
			return Answer::refused( $refused );
		}
		Flusher::note_sync( $now );
		$applied = $this->desk->take( $orders, $now );
		$pushed  = in_array( 'done', array_column( $applied, 'status' ), true );
		if ( ! $pushed ) { // chores, and all but one batch of events, can wait while core waits for what it ordered
			$this->upkeep->portion( $now + self::SECONDS );
		}
		$sent = $this->flusher->flush( $pushed ? 0 : self::SECONDS, 3 );
		return Answer::ok( array( 'applied' => $applied, 'outbox' => array( 'pending' => $this->outbox->pending(), 'sent' => $sent ), 'kept' => KeptRequests::due( OrderTable::isolated() ) ) );
	}

	/** @throws Refused When the request is not from core, not fresh, or not to be understood. */
	private static function orders( \WP_REST_Request $request, int $now ): array {
		if ( ! Settings::paired() ) {
			throw new Refused( 'forbidden', 'this shop is not paired' );
		}
		$body = (string) $request->get_body();
		if ( strlen( $body ) > self::MAX_BYTES ) {
			throw new Refused( 'too_large', 'at most ' . self::MAX_BYTES . ' bytes' );
		}
		$values = array(
			'@method'         => 'POST',
			'content-digest'  => (string) $request->get_header( 'content-digest' ),
			'checkvalve-site' => (string) $request->get_header( 'checkvalve-site' ),
		);
		$given  = MessageSignature::verify(
			(string) $request->get_header( 'signature-input' ),
			(string) $request->get_header( 'signature' ),
			MessageSignature::POST_TO_PLUGIN,
			$values,
			Settings::core_key()
		);
		if ( ! hash_equals( MessageSignature::digest( $body ), $values['content-digest'] ) ) {
			throw new Refused( 'bad_digest', 'Content-Digest does not match the body; it was changed or cut on the way' );
		}
		if ( Settings::site() !== $values['checkvalve-site'] || 'core' !== $given['keyid'] ) {
			throw new Refused( 'forbidden', 'this request is for another site or not from core' );
		}
		if ( abs( $given['created'] - $now ) > self::SKEW ) {
			throw new Refused( 'stale', 'signed ' . ( $now - $given['created'] ) . " s ago by the shop's clock; set the time on both machines (NTP)" );
		}
		if ( ! Seen::first_time( 'nonce ' . $given['nonce'], $now + self::NONCE ) ) {
			throw new Refused( 'replayed', 'this nonce was used before' );
		}
		$said = json_decode( $body, true, 16 );
		if ( ! is_array( $said ) || Settings::site() !== ( $said['site'] ?? null ) || ! is_array( $said['orders'] ?? array() ) ) {
			throw new Refused( 'bad_request', 'the body must be {"site": …, "orders": […]}' );
		}
		return array_slice( array_values( $said['orders'] ?? array() ), 0, 200 );
	}
}
