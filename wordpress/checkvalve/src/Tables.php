<?php
namespace Checkvalve;

/**
 * The plugin's own tables.
 *
 * outbox  events on their way to core; `seq` is empty until the event has its number, `sent` = 1 marks the last acknowledged
 *         one, which stays so that the highest number is never forgotten
 * orders  every order that was accepted, with what came of it
 * seen    nonces and reports that must count once
 * kept    calls for an isolated plugin, and deliveries of paused webhooks, until they are made
 * letters one row a person who is to be written to, until the letter was dealt with
 * people  which form of a person core knows last
 */
final class Tables {

	const NAMES = array( 'outbox', 'orders', 'seen', 'people', 'kept', 'letters' );

	public static function name( string $table ): string {
		global $wpdb;
		return $wpdb->prefix . 'checkvalve_' . $table;
	}

	public static function create(): void {
		global $wpdb;
		require_once ABSPATH . 'wp-admin/includes/upgrade.php';
		$charset = $wpdb->get_charset_collate();
		$outbox  = self::name( 'outbox' );
		$orders  = self::name( 'orders' );
		$seen    = self::name( 'seen' );
		$people  = self::name( 'people' );
		$kept    = self::name( 'kept' );
		$letters = self::name( 'letters' );
		dbDelta( "CREATE TABLE $outbox (
			id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
			seq bigint(20) unsigned DEFAULT NULL,
			sent tinyint(1) NOT NULL DEFAULT 0,
			made bigint(20) NOT NULL,
			body longtext NOT NULL,
			PRIMARY KEY  (id),
			UNIQUE KEY seq (seq),
			KEY waiting (sent, made)
		) $charset;" );
		dbDelta( "CREATE TABLE $orders (
			jti varchar(80) NOT NULL,
			action varchar(40) NOT NULL,
			target varchar(255) NOT NULL,
			rule longtext NOT NULL,
			jws longtext NOT NULL,
			expires bigint(20) NOT NULL,
			status varchar(20) NOT NULL,
			at bigint(20) NOT NULL,
			held longtext NOT NULL,
			PRIMARY KEY  (jti),
			KEY status (status)
		) $charset;" );
		dbDelta( "CREATE TABLE $seen (
			mark varchar(100) NOT NULL,
			expires bigint(20) NOT NULL,
			PRIMARY KEY  (mark)
		) $charset;" );
		dbDelta( "CREATE TABLE $people (
			ref varchar(100) NOT NULL,
			digest varchar(64) NOT NULL,
			PRIMARY KEY  (ref)
		) $charset;" );
		dbDelta( "CREATE TABLE $kept (
			id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
			plugin varchar(255) NOT NULL,
			body longtext NOT NULL,
			made bigint(20) NOT NULL,
			tries int(11) NOT NULL DEFAULT 0,
			PRIMARY KEY  (id)
		) $charset;" );
		dbDelta( "CREATE TABLE $letters (
			id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
			batch varchar(80) NOT NULL,
			ref varchar(100) NOT NULL,
			letter int(11) NOT NULL,
			guest_order bigint(20) unsigned DEFAULT NULL,
			due bigint(20) NOT NULL,
			tries int(11) NOT NULL DEFAULT 0,
			PRIMARY KEY  (id),
			KEY batch (batch),
			KEY due (due)
		) $charset;" );
	}

	/** @return string[] */
	public static function missing(): array {
		global $wpdb;
		return array_filter(
			self::NAMES,
			static function ( $table ) use ( $wpdb ) {
				return self::name( $table ) !== $wpdb->get_var( $wpdb->prepare( 'SHOW TABLES LIKE %s', $wpdb->esc_like( self::name( $table ) ) ) );
			}
		);
	}

	public static function drop(): void {
		global $wpdb;
		foreach ( self::NAMES as $table ) {
			$wpdb->query( 'DROP TABLE IF EXISTS ' . self::name( $table ) ); // phpcs:ignore
		}
	}
}
