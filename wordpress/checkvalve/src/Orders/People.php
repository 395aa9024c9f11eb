<?php
namespace Checkvalve\Orders;

use Checkvalve\Refused;

/**
 * Whom an order means: one user (number or log-in), a role, or everybody, each without the one to `spare`. Numbers, not names,
 * are kept and told.
 */
final class People {

	/** @throws Refused */
	public static function rule( array $args ): array {
		$given = array_intersect_key( $args, array_flip( array( 'user', 'role', 'everybody' ) ) );
		if ( 1 !== count( $given ) ) {
			throw new Refused( 'refused', 'the order needs exactly one of {"user": …}, {"role": …}, {"everybody": "yes"}' );
		}
		$rule = array( 'user' => 0, 'role' => '', 'spare' => isset( $args['spare'] ) ? self::id( $args['spare'] ) : 0, 'target' => 'everybody' );
		if ( isset( $given['user'] ) ) {
			$rule['user']   = self::id( $given['user'] );
			$rule['target'] = 'user ' . $rule['user'];
		} elseif ( isset( $given['role'] ) ) {
			if ( ! is_string( $given['role'] ) || null === get_role( $given['role'] ) ) {
				throw new Refused( 'failed', 'there is no such role in this shop' );
			}
			$rule['role']   = $given['role'];
			$rule['target'] = 'role ' . $rule['role'];
		}
		$rule['target'] .= $rule['spare'] ? ' but user ' . $rule['spare'] : '';
		return $rule;
	}

	public static function meant( array $rule, \WP_User $user ): bool {
		if ( (int) $user->ID === (int) $rule['spare'] ) {
			return false;
		}
		if ( (int) $rule['user'] > 0 ) {
			return (int) $user->ID === (int) $rule['user'];
		}
		return '' === $rule['role'] || in_array( $rule['role'], $user->roles, true );
	}

	/** @return int[] Of those meant, who is logged in anywhere. */
	public static function with_sessions( array $rule ): array {
		global $wpdb;
		$users = array();
		foreach ( (array) $wpdb->get_col( "SELECT DISTINCT user_id FROM {$wpdb->usermeta} WHERE meta_key = 'session_tokens'" ) as $id ) {
			$user = get_userdata( (int) $id );
			if ( $user && self::meant( $rule, $user ) ) {
				$users[] = (int) $id;
			}
		}
		return $users;
	}

	/** @param mixed $given */
	private static function id( $given ): int {
		$user = is_int( $given ) || ( is_string( $given ) && ctype_digit( $given ) ) ? get_userdata( (int) $given ) : ( is_string( $given ) ? get_user_by( 'login', $given ) : false );
		if ( ! $user ) {
			throw new Refused( 'failed', 'there is no such user in this shop' );
		}
		return (int) $user->ID;
	}
}
