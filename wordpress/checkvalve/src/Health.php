<?php
namespace Checkvalve;

use Checkvalve\Orders\StateFile;
use Checkvalve\Outbox\Flusher;
use Checkvalve\Outbox\Outbox;
use Checkvalve\People\Register;
use Checkvalve\Probe\ProbeProduct;

/**
 * What the status page and `wp checkvalve status` say about the sensor itself.
 */
final class Health {

	const GOOD = 'good';
	const WARN = 'warn';
	const NOTE = 'note';

	/** @return array<int, array{0: string, 1: string, 2: string}> Name, grade, text. */
	public static function lines( Outbox $outbox, int $now ): array {
		return array_merge(
			array( self::contact( $now ), self::transport(), self::outbox( $outbox, $now ), self::loader(), self::state(), self::gate(), self::sodium(), self::register(), self::shop() ),
			self::faults()
		);
	}

	private static function contact( int $now ): array {
		$contact = Flusher::contact();
		if ( '' !== $contact['problem'] ) {
			return array( 'Core', self::WARN, $contact['problem'] . ( $contact['ok'] ? ' (last good contact ' . self::ago( $contact['ok'], $now ) . ')' : '' ) );
		}
		return $contact['ok'] ? array( 'Core', self::GOOD, 'last contact ' . self::ago( $contact['ok'], $now ) ) : array( 'Core', self::NOTE, 'no events sent yet' );
	}

	private static function transport(): array {
		$url  = (array) wp_parse_url( Settings::core_url() ) + array( 'scheme' => '', 'host' => '' );
		$near = in_array( $url['host'], array( 'localhost', '127.0.0.1', '[::1]' ), true );
		return 'https' === $url['scheme'] || $near
			? array( 'Way to core', self::GOOD, $near ? 'on this machine' : 'encrypted (https)' )
			: array( 'Way to core', self::WARN, 'not encrypted: who listens in between reads the pseudonyms. Pair again with an https address' );
	}

	private static function outbox( Outbox $outbox, int $now ): array {
		$missing = Tables::missing();
		if ( $missing ) {
			return array( 'Outbox', self::WARN, 'tables are missing in the database (' . implode( ', ', $missing ) . '): nothing is recorded. May the database user create tables?' );
		}
		$pending = $outbox->pending();
		if ( 0 === $pending ) {
			return array( 'Outbox', self::GOOD, 'empty, everything is with core' );
		}
		$oldest = $outbox->oldest();
		return array( 'Outbox', $now - $oldest > 600 ? self::WARN : self::NOTE, number_format_i18n( $pending ) . ' waiting, the oldest from ' . self::ago( $oldest, $now ) );
	}

	private static function loader(): array {
		return Installer::loader_in_place()
			? array( 'Early loader', self::GOOD, 'in place' )
			: array( 'Early loader', self::WARN, 'missing: make ' . WPMU_PLUGIN_DIR . ' writable and reload this page; until then nothing can be contained here' );
	}

	private static function state(): array {
		$expected = StateFile::expected();
		if ( StateFile::IN_DATABASE === $expected || ! is_dir( StateFile::directory() ) ) {
			return array( 'State file', self::WARN, StateFile::directory() . ' cannot be written; orders are read from the database' );
		}
		return StateFile::nothing_in_force() || null !== StateFile::read( $expected )
			? array( 'State file', self::GOOD, '' === $expected ? 'no order in force' : 'agrees with the database' )
			: array( 'State file', self::WARN, 'missing or changed by somebody; orders are read from the database' );
	}

	private static function gate(): array {
		return defined( 'CHECKVALVE_GATE' )
			? array( 'Gate for direct files', self::GOOD, 'active (auto_prepend_file)' )
			: array( 'Gate for direct files', self::NOTE, 'off: an isolated plugin\'s own PHP files can still be called directly; the manual says how to close them' );
	}

	private static function sodium(): array {
		return extension_loaded( 'sodium' ) ? array( 'Signatures', self::GOOD, 'sodium' ) : array( 'Signatures', self::NOTE, 'WordPress\' own sodium_compat (slower); install php-sodium' );
	}

	private static function register(): array {
		$stage = Register::stage();
		return 'done' === $stage ? array( 'Register of people', self::GOOD, 'complete' ) : array( 'Register of people', self::NOTE, "being sent ($stage)" );
	}

	private static function shop(): array {
		return ProbeProduct::id() ? array( 'Checkout probe', self::GOOD, 'ready' ) : array( 'Checkout probe', self::NOTE, 'WooCommerce is not active' );
	}

	private static function faults(): array {
		$lines = array();
		foreach ( (array) get_option( Recorder::FAULTS, array() ) as $sensor => $fault ) {
			$lines[] = array( 'Fault in ' . basename( str_replace( '\\', '/', (string) $sensor ) ), self::WARN, $fault['count'] . ' times, last: ' . $fault['last'] );
		}
		return $lines;
	}

	public static function ago( int $then, int $now ): string {
		return human_time_diff( $then, max( $now, $then + 1 ) ) . ' ago';
	}
}
