<?php
namespace Checkvalve\Sensors;

/**
 * Mails that could not be sent (OCSF 4009): to how many, not to whom or what. A shop whose mail fails warns nobody.
 */
final class Mails extends Sensor {

	/** @param \WP_Error $error */
	public function failed( $error ): void {
		$data = is_object( $error ) && method_exists( $error, 'get_error_data' ) ? (array) $error->get_error_data() : array();
		$to   = is_array( $data['to'] ?? null ) ? count( $data['to'] ) : 1;
		$this->recorder->record( 4009, 1, array( 'status_id' => 2, 'status_code' => (string) ( $data['phpmailer_exception_code'] ?? '' ) ), array( 'mail' => array( 'recipients' => $to ) ) );
	}
}
