<?php
namespace Checkvalve\Sensors;

use Checkvalve\Lock;
use Checkvalve\Recorder;

/**
 * What Wordfence writes into its tables without a hook: log-ins, what its firewall blocked (also before WordPress ran), what its
 * scans found. Read on from the last number that was read, beside the shop's requests. What was there before Checkvalve is left
 * to `checkvalve evidence ingest`.
 */
final class LogTables {

	const PLACES  = 'checkvalve_log_places';
	const AT_ONCE = 200;
	const SETTLED = 60; // seconds: a row is written when a request begins, and changed until it ends

	/** Table => log, columns that are read. */
	const TABLES = array(
		'wflogins' => array( 'wordfence', array( 'id', 'ctime', 'fail', 'action', 'username', 'userID', 'IP' ) ),
		'wfhits'   => array( 'wordfence', array( 'id', 'ctime', 'action', 'userID', 'IP', 'statusCode' ) ),
		'wfissues' => array( 'wordfence', array( 'id', 'time', 'status', 'type', 'severity' ) ),
	);

	/** In wfhits: ordinary visits, and what wflogins says as well. */
	const UNREMARKABLE = array( '', 'loginOK', 'loginFailValidUsername', 'loginFailInvalidUsername', 'logout', 'lostPassword' );

	public static function read( Recorder $recorder ): void {
		$lock   = new Lock( 'logs' );
		$tables = self::present();
		if ( ! $tables || ! $lock->take( 60 ) ) {
			return;
		}
		$before = (array) get_option( self::PLACES, array() );
		$places = $before;
		foreach ( $tables as $table => $name ) {
			$places[ $table ] = self::read_on( $recorder, $table, $name, $places[ $table ] ?? null );
		}
		if ( $places !== $before ) {
			update_option( self::PLACES, $places, false );
		}
		$lock->release();
	}

	/** @return string[] Tables and columns of this log that are not there. */
	public static function missing( string $log ): array {
		global $wpdb;
		$missing = array();
		foreach ( self::TABLES as $table => list( $of, $columns ) ) {
			if ( $of !== $log ) {
				continue;
			}
			$name = self::name( $table );
			$here = '' === $name ? array() : $wpdb->get_col( "SHOW COLUMNS FROM `$name`" ); // phpcs:ignore
			foreach ( $here ? array_diff( $columns, $here ) : array( '' ) as $column ) {
				$missing[] = rtrim( "$table.$column", '.' );
			}
		}
		return $missing;
	}

	/** @return array<string, string> Tables that can be read, by their real names. */
	private static function present(): array {
		$known = (array) get_option( LogSources::KNOWN, array() );
		$found = array();
		foreach ( self::TABLES as $table => list( $log ) ) {
			$source = $known[ $log ] ?? array( 'mark' => '' );
			if ( '' !== $source['mark'] && ! preg_grep( "/^$table\\b/", $source['missing'] ) ) {
				$found[ $table ] = self::name( $table );
			}
		}
		return array_filter( $found );
	}

	/** Older installations of Wordfence spell their tables' names with capitals. */
	private static function name( string $table ): string {
		global $wpdb;
		foreach ( array( $table, 'wf' . ucfirst( substr( $table, 2 ) ) ) as $spelling ) {
			$name = $wpdb->base_prefix . $spelling;
			if ( $name === $wpdb->get_var( $wpdb->prepare( 'SHOW TABLES LIKE %s', $wpdb->esc_like( $name ) ) ) ) {
				return $name;
			}
		}
		return '';
	}

	/**
	 * @param int|null $place The last number that was read; null at the first time.
	 * @return int The last number read now.
	 */
	private static function read_on( Recorder $recorder, string $table, string $name, $place ): int {
		global $wpdb;
		$highest = (int) $wpdb->get_var( "SELECT MAX(id) FROM `$name`" ); // phpcs:ignore
		if ( null === $place ) {
			return $highest;
		}
		if ( $highest > 0 && $highest < $place ) {
			LogSources::strange( $recorder, self::TABLES[ $table ][0], "$table began anew" );
			$place = 0;
		}
		$columns = implode( ', ', self::TABLES[ $table ][1] );
		$until   = $highest;
		$only    = '1 = 1';
		if ( 'wfhits' === $table ) {
			$unsettled = $wpdb->get_var( $wpdb->prepare( "SELECT MIN(id) FROM `$name` WHERE id > %d AND ctime > %d", $place, time() - self::SETTLED ) ); // phpcs:ignore
			$until     = null === $unsettled ? $highest : (int) $unsettled - 1;
			$only      = "action NOT IN ('" . implode( "', '", self::UNREMARKABLE ) . "')";
		}
		$rows = (array) $wpdb->get_results( $wpdb->prepare( "SELECT $columns FROM `$name` WHERE id > %d AND id <= %d AND $only ORDER BY id LIMIT %d", $place, $until, self::AT_ONCE ), ARRAY_A ); // phpcs:ignore
		foreach ( $rows as $row ) {
			self::tell( $recorder, $table, $row, (int) ( (float) ( $row['ctime'] ?? $row['time'] ) * 1000 ) );
			$place = (int) $row['id'];
		}
		return count( $rows ) < self::AT_ONCE ? max( $place, $until ) : $place;
	}

	private static function tell( Recorder $recorder, string $table, array $row, int $at_ms ): void {
		$event = 'wfissues' === $table ? "scan found $row[type]" : $row['action'];
		$level = 'wfissues' === $table ? "severity $row[severity] $row[status]" : '';
		$about = OtherLogs::about( $row['userID'] ?? 0, $row['username'] ?? '', self::address( $row['IP'] ?? '' ) );
		if ( 'wflogins' === $table ) {
			$about['status_id'] = $row['fail'] ? 2 : 1;
		}
		OtherLogs::record( $recorder, 'wordfence', "$table $event", $level, $about, (int) $row['id'], $at_ms );
	}

	/** Wordfence stores 16 bytes, also for IPv4. */
	private static function address( $bytes ): string {
		$text = is_string( $bytes ) && 16 === strlen( $bytes ) ? (string) inet_ntop( $bytes ) : '';
		return 0 === strpos( $text, '::ffff:' ) ? substr( $text, 7 ) : $text;
	}
}
