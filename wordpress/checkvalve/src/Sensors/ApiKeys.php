<?php
namespace Checkvalve\Sensors;

use Checkvalve\Caller;
use Checkvalve\Seen;

/**
 * WooCommerce API keys made, changed, deleted (OCSF 3004) and used (3002, once an hour for each address). WooCommerce fires nothing
 * when it writes them; so its table is read before the first write of a request and again when the request ends.
 */
final class ApiKeys extends Sensor {

	const WRITES = '/^\s*(INSERT|UPDATE|DELETE|REPLACE)\b[^;]{0,60}woocommerce_api_keys/i';

	/** Each use of a key is written as well, and nothing else with it. */
	const LAST_USE = '/\\bSET\\s+`?last_access`?\\s*=\\s*\'[^\']*\'\\s+WHERE\\b/i';

	/** @var array<int, string>|null The keys before this request changed any; null while it has not. */
	private $before = null;

	/** @param string $sql A query about the keys, about to run. */
	public function query( $sql ): void {
		if ( null === $this->before && preg_match( self::WRITES, $sql ) && ! preg_match( self::LAST_USE, $sql ) ) {
			$this->before = array(); // reading them is a query too
			$this->before = self::keys();
		}
	}

	public function used( $skip, $key_id = 0, $user_id = 0 ): void {
		if ( Seen::first_time( 'key ' . (int) $key_id . ' ' . Caller::address(), time() + 3600 ) ) {
			$uid = 'customer:' . (int) $user_id;
			$this->recorder->record( 3002, 1, array( 'status_id' => 1, 'user' => array( 'uid' => $uid ), 'auth_protocol' => 'WooCommerce API key' ), array( 'requester' => array( 'ref' => $uid ), 'key' => (string) (int) $key_id ) );
		}
	}

	public function ended(): void {
		if ( null === $this->before ) {
			return;
		}
		$before       = $this->before;
		$after        = self::keys();
		$this->before = null;
		foreach ( $after + $before as $id => $whose ) {
			$was = $before[ $id ] ?? null;
			$is  = $after[ $id ] ?? null;
			if ( $was !== $is ) {
				list( $user, $permissions ) = explode( ' ', $whose );
				$this->entity( null === $was ? 1 : ( null === $is ? 4 : 3 ), 'WooCommerce API key', (string) $id, array( 'user' => array( 'uid' => "customer:$user" ) ), array( 'key' => array( 'permissions' => $permissions ) ) );
			}
		}
	}

	/** @return array<int, string> By id: user, permissions, end of the key. */
	private static function keys(): array {
		global $wpdb;
		$keys = array();
		foreach ( (array) $wpdb->get_results( "SELECT key_id, user_id, permissions, truncated_key FROM {$wpdb->prefix}woocommerce_api_keys" ) as $key ) {
			$keys[ (int) $key->key_id ] = "$key->user_id $key->permissions $key->truncated_key";
		}
		return $keys;
	}
}
