<?php
namespace Checkvalve;

/**
 * One holder at a time, across requests and web servers: a row of the options table, taken by a conditional UPDATE.
 * A holder that dies loses it after $seconds.
 */
final class Lock {

	/** @var string */
	private $option;

	/** @var string */
	private $held = '';

	public function __construct( string $name ) {
		$this->option = "checkvalve_lock_$name";
	}

	public function take( int $seconds ): bool {
		global $wpdb;
		// Fixed width, so that the database may compare the text.
		$now   = sprintf( '%012d', time() );
		$value = sprintf( '%012d', time() + $seconds ) . '.' . bin2hex( random_bytes( 8 ) );
		$wpdb->query( $wpdb->prepare( "INSERT IGNORE INTO {$wpdb->options} (option_name, option_value, autoload) VALUES (%s, '0', 'no')", $this->option ) );
		$taken = $wpdb->query( $wpdb->prepare( "UPDATE {$wpdb->options} SET option_value = %s WHERE option_name = %s AND option_value < %s", $value, $this->option, $now ) );
		if ( 1 !== $taken ) {
			return false;
		}
		$this->held = $value;
		return true;
	}

	public function release(): void {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( "UPDATE {$wpdb->options} SET option_value = '0' WHERE option_name = %s AND option_value = %s", $this->option, $this->held ) );
		$this->held = '';
	}
}
