<?php
namespace Checkvalve\Sensors;

/**
 * Methods called by XML-RPC (OCSF 6003); their arguments hold the password and are not looked at.
 */
final class XmlRpc extends Sensor {

	public function set_up(): void {
		$this->listen( 'xmlrpc_call', 'called', 10, 1 );
	}

	protected function called( $method ): void {
		$this->recorder->record( 6003, 1, array( 'api' => array( 'operation' => 'XMLRPC ' . substr( (string) $method, 0, 100 ) ) ) );
	}
}
