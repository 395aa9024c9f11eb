<?php
namespace Checkvalve\Outbox;

use Checkvalve\Lock;
use Checkvalve\Settings;

/**
 * Empties the outbox to core, one request of the shop at a time. Runs in the sync route, in wp-cron, in WP-CLI, and
 * after the answer has left (FastCGI); never while a visitor waits.
 */
final class Flusher {

	const CONTACT = 'checkvalve_contact';
	const LINES   = 500;
	const BYTES   = 7340032; // core takes 8 MiB

	/** @var Outbox */
	private $outbox;

	/** @var Core */
	private $core;

	public function __construct( Outbox $outbox, Core $core ) {
		$this->outbox = $outbox;
		$this->core   = $core;
	}

	/** @return int Events that core acknowledged. */
	public function flush( int $seconds, int $timeout ): int {
		$lock = new Lock( 'flush' );
		if ( ! Settings::paired() || ! $lock->take( $seconds + $timeout + 30 ) ) {
			return 0;
		}
		try {
			return $this->send_all( time() + $seconds, $timeout );
		} finally {
			$lock->release();
		}
	}

	/**
	 * When core last answered and last came by itself, when orders were last fetched, what core said last, and until when it asked to be
	 * left alone (seconds since the epoch).
	 */
	public static function contact(): array {
		$stored = get_option( self::CONTACT );
		return ( is_array( $stored ) ? $stored : array() ) + array( 'ok' => 0, 'tried' => 0, 'synced' => 0, 'fetched' => 0, 'problem' => '', 'not_before' => 0 );
	}

	public static function remember( array $what ): void {
		update_option( self::CONTACT, $what + self::contact(), false );
	}

	/** Core came by itself; written now and then, because it comes each few seconds. */
	public static function note_sync( int $now ): void {
		if ( $now - self::contact()['synced'] >= 20 ) {
			self::remember( array( 'synced' => $now ) );
		}
	}

	public static function due( int $now ): bool {
		$contact = self::contact();
		return $now >= $contact['not_before'] && $now - $contact['tried'] >= 5;
	}

	private function send_all( int $until, int $timeout ): int {
		$sent  = 0;
		$lines = self::LINES;
		do {
			list( $first, $batch ) = $this->outbox->batch( $lines, self::BYTES );
			if ( ! $batch ) {
				$this->outbox->number();
				list( $first, $batch ) = $this->outbox->batch( $lines, self::BYTES );
			}
			if ( ! $batch ) {
				return $sent;
			}
			$answer = $this->core->post_events( $first, $batch, $timeout );
			$this->note( $answer );
			if ( 202 === $answer['status'] && isset( $answer['body']['acknowledged'] ) ) {
				$upto = min( (int) $answer['body']['acknowledged'], $first + count( $batch ) - 1 );
				$this->outbox->acknowledged( $upto );
				$sent += $upto - $first + 1;
			} elseif ( 413 === $answer['status'] && count( $batch ) > 1 ) {
				$lines = intdiv( count( $batch ), 2 );
			} else {
				return $sent; // kept; the next flush tries again
			}
		} while ( time() < $until );
		return $sent;
	}

	private function note( array $answer ): void {
		$contact          = self::contact();
		$contact['tried'] = time();
		if ( 202 === $answer['status'] ) {
			$contact = array( 'ok' => time(), 'problem' => '', 'not_before' => 0 ) + $contact;
		} else {
			$said                  = trim( ( $answer['body']['error'] ?? 'HTTP ' . $answer['status'] ) . ': ' . ( $answer['body']['hint'] ?? '' ), ': ' );
			$contact['problem']    = substr( $said, 0, 300 );
			$contact['not_before'] = time() + max( 5, min( 300, $answer['retry_after'] ) );
		}
		self::remember( $contact );
	}
}
