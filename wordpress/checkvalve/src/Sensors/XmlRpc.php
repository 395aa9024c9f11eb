<?php
namespace Checkvalve\Sensors;

/**
 * Methods called by XML-RPC (OCSF 6003); their arguments hold the password and are not looked at.
 */
final class XmlRpc extends Sensor {

	public function called( $method ): void {
		$this->recorder->record( 6003, 1, array( 'api' => array( 'operation' => 'XMLRPC ' . substr( (string) $method, 0, 100 ) ) ) );
	}
}
