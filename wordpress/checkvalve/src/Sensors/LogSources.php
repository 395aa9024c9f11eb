<?php
namespace Checkvalve\Sensors;

use Checkvalve\Recorder;
use Checkvalve\Seen;

/**
 * Whether the logs of other plugins can be followed: for each that is active, whether its source fires the hooks and its tables
 * have the columns that OtherLogs and LogTables rely on. Looked at anew when the plugin changes; what changes is an event, and
 * core makes a finding of a log that can no longer be followed.
 */
final class LogSources {

	const KNOWN   = 'checkvalve_log_sources';
	const FILES   = 6000; // looked into, of one plugin
	const LARGEST = 2097152;

	/** Name of the log => folders the plugin is known to have, hooks it fires. */
	const SOURCES = array(
		'wordfence'      => array(
			array( 'wordfence' ),
			array( 'wordfence_security_event', 'wordfence_created_ip_pattern_block', 'wordfence_deleted_block' ),
		),
		'solid'          => array(
			array( 'better-wp-security', 'ithemes-security-pro', 'solid-security-pro' ),
			array( 'itsec_log_add' ),
		),
		'aios'           => array(
			array( 'all-in-one-wp-security-and-firewall' ),
			array( 'aiowps_record_event', 'aiowps_bulk_record_events', 'aiowps_lockdown_event' ),
		),
		'wsal'           => array(
			array( 'wp-security-audit-log', 'wp-security-audit-log-premium' ),
			array( 'wsal_logged_alert' ),
		),
		'simple-history' => array(
			array( 'simple-history' ),
			array( 'simple_history/log/inserted' ),
		),
	);

	/** Tell what is new about any of the logs since this was last called. */
	public static function look( Recorder $recorder ): void {
		$known = (array) get_option( self::KNOWN, array() );
		$found = array();
		foreach ( self::SOURCES as $name => list( $folders, $hooks ) ) {
			$plugin = self::active( $folders );
			$before = $known[ $name ] ?? array( 'mark' => '', 'missing' => array() );
			$mark   = '' === $plugin ? '' : self::mark( $plugin, (bool) $before['missing'] );
			if ( $mark === $before['mark'] ) {
				$found[ $name ] = $before;
				continue;
			}
			$missing        = '' === $plugin ? array() : array_merge( self::missing_hooks( $plugin, $hooks ), LogTables::missing( $name ) );
			$found[ $name ] = array( 'mark' => $mark, 'missing' => $missing );
			if ( '' === $plugin || '' === $before['mark'] || $missing !== $before['missing'] ) {
				self::tell( $recorder, $name, '' === $plugin ? 'off' : ( $missing ? 'changed' : 'followed' ), $missing, $plugin );
			}
		}
		if ( $found !== $known ) {
			update_option( self::KNOWN, $found, false );
		}
	}

	/** A hook came with arguments that cannot be read, or a table was begun anew: once a day. */
	public static function strange( Recorder $recorder, string $name, string $what ): void {
		if ( Seen::first_time( "log $name $what", time() + 86400 ) ) {
			self::tell( $recorder, $name, 'changed', array( $what ), self::active( self::SOURCES[ $name ][0] ) );
		}
	}

	private static function tell( Recorder $recorder, string $name, string $state, array $missing, string $plugin ): void {
		$source = array( 'name' => $name, 'state' => $state, 'version' => '' === $plugin ? '' : self::version( $plugin ), 'missing' => $missing );
		$recorder->record( 0, 99, array( 'severity_id' => 'followed' === $state ? 1 : 3 ), array( 'log_source' => array_filter( $source ), 'plugin' => $plugin ), (int) floor( microtime( true ) * 1000 ) );
	}

	/** Main file of the active plugin in one of these folders; '' when none is active. */
	private static function active( array $folders ): string {
		$listed = array_merge( (array) get_option( 'active_plugins', array() ), array_keys( (array) get_site_option( 'active_sitewide_plugins', array() ) ) );
		foreach ( $listed as $plugin ) {
			if ( is_string( $plugin ) && in_array( strtok( $plugin, '/' ), $folders, true ) && is_file( WP_PLUGIN_DIR . "/$plugin" ) ) {
				return $plugin;
			}
		}
		return '';
	}

	/** Changes with the plugin; each hour while something of it was missing. */
	private static function mark( string $plugin, bool $doubtful ): string {
		return implode( ' ', array( $plugin, self::version( $plugin ), filemtime( WP_PLUGIN_DIR . "/$plugin" ), $doubtful ? intdiv( time(), 3600 ) : '' ) );
	}

	private static function version( string $plugin ): string {
		return get_file_data( WP_PLUGIN_DIR . "/$plugin", array( 'Version' => 'Version' ) )['Version'];
	}

	/** @return string[] Hooks that nothing in the plugin's source fires. */
	private static function missing_hooks( string $plugin, array $hooks ): array {
		$files = new \RecursiveIteratorIterator( new \RecursiveDirectoryIterator( dirname( WP_PLUGIN_DIR . "/$plugin" ), \FilesystemIterator::SKIP_DOTS ) );
		$left  = self::FILES;
		foreach ( $files as $file ) {
			if ( ! $hooks || $left <= 0 ) {
				break;
			}
			if ( 'php' === $file->getExtension() && $file->getSize() <= self::LARGEST ) {
				--$left;
				$source = (string) file_get_contents( $file->getPathname() ); // phpcs:ignore
				$hooks  = array_filter(
					$hooks,
					static function ( $hook ) use ( $source ) {
						return false === strpos( $source, $hook ) || ! preg_match( '#do_action(?:_ref_array)?\s*\(\s*[\'"]' . preg_quote( $hook, '#' ) . '[\'"]#', $source );
					}
				);
			}
		}
		return array_values( $hooks );
	}
}
