<?php
namespace Checkvalve\Sensors;

use Checkvalve\People\Pseudonym;
use Checkvalve\Recorder;
use Checkvalve\Settings;

/**
 * What security and activity plugins write into their own logs, by the hooks they fire when they do (OCSF Base Event, class 0):
 * Wordfence, Solid Security, All-In-One Security, WP Activity Log, Simple History. The plugin's name for what happened, its
 * level, the user, the address as a pseudonym; never its sentences, which quote people. A hook that comes with other arguments
 * than it is known to have is told of as such (see LogSources).
 */
final class OtherLogs extends Sensor {

	/** Wordfence: a lockout, a block, a log-in with a leaked password, … */
	public function wordfence( $event, $data = null ): void {
		if ( ! is_string( $event ) || ! is_array( $data ) ) {
			LogSources::strange( $this->recorder, 'wordfence', 'wordfence_security_event' );
			return;
		}
		$this->tell( 'wordfence', $event, '', self::about( 0, $data['username'] ?? '', $data['ip'] ?? '' ) );
	}

	public function wordfence_block( $type, $reason = '', $what = '' ): void {
		$this->tell( 'wordfence', 'block created ' . self::plain( $type ), '', self::about( 0, '', $what ) );
	}

	public function wordfence_unblock( $type, $reason = '', $what = '' ): void {
		$this->tell( 'wordfence', 'block deleted ' . self::plain( $type ), '', self::about( 0, '', $what ) );
	}

	/** Solid Security: each record of its log, whether it goes to its table or a file. */
	public function solid( $data, $id = 0 ): void {
		if ( ! is_array( $data ) || ! isset( $data['module'], $data['code'], $data['type'] ) ) {
			LogSources::strange( $this->recorder, 'solid', 'itsec_log_add' );
			return;
		}
		$code = strstr( $data['code'] . '::', '::', true ); // what follows names users and addresses
		$this->tell( 'solid', self::plain( $data['module'] ) . ' ' . self::plain( $code ), $data['type'], self::about( $data['user_id'] ?? 0, '', $data['remote_ip'] ?? '' ), $id );
	}

	/** All-In-One Security: each record of its audit log. */
	public function aios( $type, $details = null, $level = 'info', $username = '' ): void {
		if ( ! is_string( $type ) || ! is_array( $details ) ) {
			LogSources::strange( $this->recorder, 'aios', 'aiowps_record_event' );
			return;
		}
		$this->tell( 'aios', $type, $level, self::about( get_current_user_id(), $username, '' ) );
	}

	/** What its firewall saw before WordPress ran, told later and together. */
	public function aios_many( $events ): void {
		foreach ( (array) $events as $event ) {
			if ( ! is_array( $event ) || ! isset( $event['event_type'] ) ) {
				LogSources::strange( $this->recorder, 'aios', 'aiowps_bulk_record_events' );
				return;
			}
			$at = isset( $event['created'] ) && (int) $event['created'] > 0 ? (int) $event['created'] * 1000 : null;
			$this->tell( 'aios', $event['event_type'], $event['level'] ?? '', self::about( 0, $event['username'] ?? '', $event['ip'] ?? '' ), 0, $at );
		}
	}

	public function aios_lockout( $range, $username = '' ): void {
		$this->tell( 'aios', 'lockout', 'warning', self::about( 0, $username, $range ) );
	}

	/** WP Activity Log: the number of the event and the plugin's words for its object and kind. */
	public function activity_log( $unused, $type = 0, $data = null ): void {
		if ( ! is_numeric( $type ) || ! is_array( $data ) ) {
			LogSources::strange( $this->recorder, 'wsal', 'wsal_logged_alert' );
			return;
		}
		$what = trim( (int) $type . ' ' . self::plain( $data['Object'] ?? '' ) . ' ' . self::plain( $data['EventType'] ?? '' ) );
		$this->tell( 'wsal', $what, $data['Severity'] ?? '', self::about( $data['CurrentUserID'] ?? 0, $data['Username'] ?? '', $data['ClientIP'] ?? '' ) );
	}

	/** Simple History. It stores shortened addresses, so the request's own is told. */
	public function simple_history( $context, $data = null ): void {
		if ( ! is_array( $context ) || ! is_array( $data ) || ! isset( $data['logger'] ) ) {
			LogSources::strange( $this->recorder, 'simple-history', 'simple_history/log/inserted' );
			return;
		}
		$what = trim( self::plain( $data['logger'] ) . ' ' . self::plain( $context['_message_key'] ?? '' ) );
		$this->tell( 'simple-history', $what, $data['level'] ?? '', self::about( $context['_user_id'] ?? 0, $context['_user_login'] ?? '', '' ), $data['id'] ?? 0 );
	}

	/**
	 * One record of another plugin's log.
	 *
	 * @param mixed    $level
	 * @param mixed    $id    Number of the record in that log, if it has one.
	 * @param int|null $at_ms When it happened, if not in this request.
	 */
	private function tell( string $name, string $event, $level, array $about, $id = 0, $at_ms = null ): void {
		self::record( $this->recorder, $name, $event, $level, $about, is_numeric( $id ) ? (int) $id : 0, $at_ms );
	}

	/** @param mixed $level */
	public static function record( Recorder $recorder, string $name, string $event, $level, array $about, int $id, $at_ms ): void {
		$log = array( 'name' => $name, 'event' => self::plain( $event ), 'level' => self::plain( $level ), 'id' => $id ? (string) $id : '' );
		$recorder->record( 0, 99, $about, array( 'log' => array_filter( $log, 'strlen' ) ), $at_ms );
	}

	/**
	 * Who it was, and from where.
	 *
	 * @param mixed $user_id
	 * @param mixed $login
	 * @param mixed $address
	 */
	public static function about( $user_id, $login, $address ): array {
		$login   = is_scalar( $login ) ? (string) $login : '';
		$user_id = is_numeric( $user_id ) ? (int) $user_id : 0;
		$about   = array();
		if ( $user_id <= 0 && '' !== $login ) {
			$user    = get_user_by( 'login', $login ) ?: get_user_by( 'email', $login );
			$user_id = $user ? (int) $user->ID : 0;
		}
		if ( $user_id > 0 || '' !== $login ) {
			$about['user'] = array( 'uid' => $user_id > 0 ? "customer:$user_id" : Pseudonym::of( Settings::pseudonym_key(), 'login', $login ) );
		}
		if ( is_string( $address ) && false !== filter_var( $address, FILTER_VALIDATE_IP ) ) {
			$about['src_endpoint'] = array( 'uid' => Pseudonym::of( Settings::pseudonym_key(), 'ip', $address ) );
		}
		return $about;
	}

	/** A plugin's own vocabulary: words with other characters, and addresses, stay in the shop. */
	private static function plain( $text ): string {
		return is_scalar( $text ) ? substr( (string) preg_replace( '#\S*(?:[^A-Za-z0-9 _.:/-]|\d\.\d|:\S*:)\S*#', '', (string) $text ), 0, 80 ) : '';
	}
}
