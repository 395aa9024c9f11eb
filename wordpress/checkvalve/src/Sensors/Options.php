<?php
namespace Checkvalve\Sensors;

/**
 * Options that decide who may enter, what is loaded, where money and mail go (OCSF 3004): the name, never the value, save for a
 * few that hold nothing but a choice.
 */
final class Options extends Sensor {

	const WATCHED  = '/^(siteurl|home|admin_email|new_admin_email|users_can_register|default_role|blog_public|template|stylesheet|active_plugins|.*user_roles|upload_path|upload_url_path|mailserver_.*|auto_update_.*|woocommerce_.+_settings|woocommerce_(api_enabled|currency|default_country|enable_.*|email_.*|stock_email_recipient|registration_.*|force_ssl_checkout|custom_orders_table_.*|feature_.*)|connectors_.*|wp_ai_.*|ai_.*|mwai_.*)$/D';
	const CHOICES  = array( 'users_can_register', 'default_role', 'blog_public', 'template', 'stylesheet', 'woocommerce_currency' );
	const ACTIVITY = array( 'added' => 1, 'changed' => 3, 'deleted' => 4 );

	public function added( $name, $value = null ): void {
		$this->report( 'added', (string) $name, null, $value );
	}

	public function changed( $name, $old = null, $new = null ): void {
		$this->report( 'changed', (string) $name, $old, $new );
	}

	public function deleted( $name ): void {
		$this->report( 'deleted', (string) $name, null, null );
	}

	private function report( string $what, string $name, $old, $new ): void {
		/**
		 * Whether a change of this option is recorded.
		 *
		 * @param bool   $watched
		 * @param string $name
		 */
		if ( ! apply_filters( 'checkvalve_watched_option', 1 === preg_match( self::WATCHED, $name ), $name ) ) {
			return;
		}
		$choice = in_array( $name, self::CHOICES, true ) ? array_filter( array( 'from' => $old, 'to' => $new ), 'is_scalar' ) : array();
		$this->entity( self::ACTIVITY[ $what ], 'option', $name, array(), $choice ? array( 'option' => array_map( 'strval', $choice ) ) : array() );
	}
}
