<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\Orders\Hand;

/**
 * What another person's answer may lie in: object cache, pages, transients of the cache plugins that are there.
 */
final class PurgeCaches extends Hand {

	const EFFECT = 'emptied';
	const UNDO   = 'none: caches fill by themselves';
	const COST   = 'pages are slower for some minutes';
	const PURGES = array( 'litespeed_purge_all', 'cache_enabler_clear_complete_cache', 'w3tc_flush_all', 'wphb_clear_page_cache', 'breeze_clear_all_cache', 'swcfpc_purge_cache' );
	const CALLS  = array( 'wp_cache_clear_cache', 'rocket_clean_domain', 'sg_cachepress_purge_cache', 'w3tc_flush_all', 'wpfc_clear_all_cache', 'nitropack_purge_cache' );

	public function rule( array $args ): array {
		return array( 'target' => 'object cache and page caches' );
	}

	public function enact( array $rule, int $now ): string {
		wp_cache_flush();
		foreach ( self::PURGES as $action ) {
			do_action( $action ); // phpcs:ignore
		}
		array_map( 'call_user_func', array_filter( self::CALLS, 'function_exists' ) );
		/**
		 * Empty caches of your own: another person's data may lie in them.
		 */
		do_action( 'checkvalve_purge_caches' );
		return '';
	}
}
