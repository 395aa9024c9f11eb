<?php
namespace Checkvalve;

use Checkvalve\Orders\StateFile;
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
 * Activation, deactivation, uninstall. What one makes, another takes away.
 */
final class Installer {

	const VERSION = 'checkvalve_version';
	const OPTIONS = array(
		self::VERSION,
		Settings::PAIRING,
		Settings::KEYS,
		StateFile::OPTION,
		Register::BACKFILL,
		Letters::TURNED,
		Flusher::CONTACT,
		Outbox::DROPPED,
		Recorder::FAULTS,
		ProbeOrders::OPEN,
		ProbeProduct::OPTION,
		ProbeProduct::PHYSICAL,
		Inventory::TOLD,
		LogSources::KNOWN,
		LogTables::PLACES,
		'checkvalve_lock_flush',
		'checkvalve_lock_orders',
		'checkvalve_lock_register',
		'checkvalve_lock_letters',
		'checkvalve_lock_logs',
	);

	public static function activate(): void {
		self::set_up();
		Plugin::instance()->recorder()->self_report( 3, 'activated' );
	}

	/**
	 * Orders end here: with the plugin off, nobody would end them later. Keys and events stay for the next activation. The
	 * loader stays while other sites of the network may need it; without orders it does nothing.
	 *
	 * @param bool $network For all sites of the network.
	 */
	public static function deactivate( $network = false ): void {
		self::on_sites( (bool) $network, array( self::class, 'deactivate_site' ) );
		if ( $network || ! is_multisite() ) {
			self::remove_loader();
		}
	}

	private static function deactivate_site(): void {
		$plugin = Plugin::instance();
		if ( Settings::paired() ) {
			$plugin->desk()->lift_all( 'Checkvalve was deactivated', time() );
			$plugin->recorder()->self_report( 4, 'deactivated', 4 );
			$plugin->flush_when_answered( true );
		}
		wp_clear_scheduled_hook( Upkeep::HOOK );
		StateFile::remove();
	}

	public static function uninstall(): void {
		self::on_sites( true, array( self::class, 'uninstall_site' ) );
		self::remove_loader();
	}

	private static function uninstall_site(): void {
		Settings::forget(); // what still runs in this request writes nothing any more
		wp_clear_scheduled_hook( Upkeep::HOOK );
		ProbeProduct::remove();
		StateFile::remove();
		Tables::drop();
		array_map( 'delete_option', self::OPTIONS );
	}

	/** After an update of the files by hand or by WordPress no activation runs; nor does one on each site of a network. */
	public static function catch_up(): void {
		if ( CHECKVALVE_VERSION !== get_option( self::VERSION ) ) {
			self::set_up();
		}
		self::schedule();
	}

	/** What somebody took away comes back: tables, loader, cron event. */
	public static function repair(): void {
		if ( Tables::missing() ) {
			Tables::create();
		}
		self::loader_in_place() || self::install_loader();
		self::catch_up();
	}

	private static function set_up(): void {
		Tables::create();
		StateFile::prepare();
		add_option( StateFile::OPTION, '', '', true ); // an option that does not exist costs each request a query
		self::install_loader();
		update_option( self::VERSION, CHECKVALVE_VERSION, true );
		self::schedule();
	}

	private static function on_sites( bool $all, callable $work ): void {
		foreach ( $all && is_multisite() ? get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) : array( 0 ) as $site ) {
			$site && switch_to_blog( $site );
			$work();
			$site && restore_current_blog();
		}
	}

	public static function loader_path(): string {
		return WPMU_PLUGIN_DIR . '/checkvalve-loader.php';
	}

	public static function loader_in_place(): bool {
		return is_file( self::loader_path() ) && self::loader_text() === file_get_contents( self::loader_path() ); // phpcs:ignore
	}

	public static function install_loader(): bool {
		return wp_mkdir_p( WPMU_PLUGIN_DIR ) && false !== @file_put_contents( self::loader_path(), self::loader_text(), LOCK_EX ); // phpcs:ignore
	}

	private static function remove_loader(): void {
		if ( is_file( self::loader_path() ) ) {
			wp_delete_file( self::loader_path() );
		}
	}

	private static function loader_text(): string {
		return str_replace( '{FOLDER}', CHECKVALVE_FOLDER, (string) file_get_contents( CHECKVALVE_DIR . '/loader/checkvalve-loader.php' ) ); // phpcs:ignore
	}

	private static function schedule(): void {
		if ( ! wp_next_scheduled( Upkeep::HOOK ) ) {
			wp_schedule_event( time() + 60, Upkeep::INTERVAL, Upkeep::HOOK );
		}
	}
}
