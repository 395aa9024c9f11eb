<?php
namespace Checkvalve\Orders\Hands;

use Checkvalve\CallingPlugin;
use Checkvalve\Orders\Closed;
use Checkvalve\Orders\Code;
use Checkvalve\Orders\Hand;
use Checkvalve\Orders\HeldWork;
use Checkvalve\Orders\KeptRequests;
use Checkvalve\Orders\PublicSurface;
use Checkvalve\Orders\Request;
use Checkvalve\Orders\Webhooks;
use Checkvalve\Refused;

/**
 * One plugin, in one of three widths. `everywhere`: it is not loaded. `except_checkout`: it is loaded for cart, checkout and payment
 * providers' calls alone, and there without its public surface. `surface`: it is loaded, and a visitor reaches nothing of it.
 */
final class IsolatePlugin extends Hand {

	const ARGS   = array( 'plugin', 'mode' );
	const MODES  = array( 'everywhere', 'except_checkout', 'surface' );
	const EFFECT = 'isolated from the next request on';
	const UNDO   = 'loaded again; cron events, scheduled actions and providers\' calls that waited are done';
	const COST   = 'what it does stops; a plugin that pays, ships or prices needs except_checkout or surface';

	/** @var string[] Not loaded in this request. */
	private $absent = array();

	public function rule( array $args ): array {
		$plugin = self::text( $args, 'plugin', 250 );
		$mode   = $args['mode'] ?? 'everywhere';
		if ( 0 !== validate_file( $plugin ) ) {
			throw new Refused( 'refused', 'isolate_plugin needs {"plugin": "dir/file.php"} or its folder' );
		}
		if ( ! in_array( $mode, self::MODES, true ) ) {
			throw new Refused( 'refused', 'the mode is one of ' . implode( ', ', self::MODES ) );
		}
		$plugin = self::basename_of( $plugin );
		$folder = CallingPlugin::first_part( $plugin );
		if ( CHECKVALVE_FOLDER === $folder ) {
			throw new Refused( 'refused', 'Checkvalve does not isolate itself' );
		}
		if ( 'woocommerce' === $folder ) {
			throw new Refused( 'refused', 'WooCommerce is the checkout; isolating it would close the shop' );
		}
		if ( is_multisite() && isset( ( (array) get_site_option( 'active_sitewide_plugins' ) )[ $plugin ] ) ) {
			throw new Refused( 'failed', "$plugin is active for the whole network; it can only be isolated by the network's administrator" );
		}
		if ( ! in_array( $plugin, (array) get_option( 'active_plugins', array() ), true ) ) {
			throw new Refused( 'failed', "$plugin is not active in this shop" );
		}
		$target = 'everywhere' === $mode ? $plugin : "$plugin ($mode)";
		return array( 'target' => $target, 'plugin' => $plugin, 'mode' => $mode, 'webhooks' => 'except_checkout' === $mode ? array() : Webhooks::of( $plugin ) );
	}

	public function effect( array $rule ): string {
		$does = array(
			'everywhere'      => 'is not loaded from the next request on',
			'except_checkout' => 'is loaded for cart, checkout and payment providers alone from the next request on',
			'surface'         => 'is loaded, but no visitor reaches it, from the next request on',
		);
		return $rule['plugin'] . ' ' . $does[ $rule['mode'] ];
	}

	/** With its public surface alone closed, the plugin is there to do its work itself. */
	public function enact( array $rule, int $now ): string {
		return 'surface' === $rule['mode'] ? '' : HeldWork::hold( $rule['plugin'], $now );
	}

	public function undo( string $held ): string {
		HeldWork::release( $held );
		return '';
	}

	public function enforce( array $rules ): void {
		$shy      = array();
		$checkout = null;
		foreach ( $rules as $rule ) {
			$plugin = (string) $rule['plugin'];
			if ( Code::lies_in( Request::script(), Code::place( $plugin ) ) ) {
				Closed::answer(); // a file of the plugin, called directly, that loads WordPress
			}
			if ( Webhooks::called( (array) ( $rule['webhooks'] ?? array() ) ) ) {
				KeptRequests::keep( $plugin, time() );
			}
			if ( 'except_checkout' === $rule['mode'] ) {
				$checkout = $checkout ?? Request::is_checkout();
			}
			if ( 'surface' === $rule['mode'] ) {
				$shy[ $plugin ] = false;
			} elseif ( 'except_checkout' === $rule['mode'] && $checkout ) {
				$shy += array( $plugin => true );
			} else {
				$this->absent[] = $plugin;
			}
		}
		$shy = array_diff_key( $shy, array_flip( $this->absent ) );
		$this->hook();
		foreach ( array( true, false ) as $webhooks ) {
			$plugins = array_keys( $shy, $webhooks, true );
			$plugins && new PublicSurface( $plugins, $webhooks );
		}
	}

	private function hook(): void {
		if ( $this->absent ) {
			add_filter( 'option_active_plugins', array( $this, 'without_absent' ), PHP_INT_MAX );
			add_action( 'plugins_loaded', array( $this, 'stop_filtering' ), PHP_INT_MIN );
			add_filter( 'pre_get_ready_cron_jobs', array( HeldWork::class, 'hold_cron' ), PHP_INT_MAX );
		}
	}

	/**
	 * @param mixed $active
	 * @return mixed
	 */
	public function without_absent( $active ) {
		return is_array( $active ) ? array_values( array_diff( $active, $this->absent ) ) : $active;
	}

	/** Whoever reads the list after the plugins are loaded may write it back, and must see all of it. */
	public function stop_filtering(): void {
		remove_filter( 'option_active_plugins', array( $this, 'without_absent' ), PHP_INT_MAX );
	}

	/** What a call to the model knows of its caller is the folder; the list of active plugins knows the file. */
	private static function basename_of( string $plugin ): string {
		if ( false !== strpos( $plugin, '/' ) || '.php' === substr( $plugin, -4 ) ) {
			return $plugin;
		}
		foreach ( (array) get_option( 'active_plugins', array() ) as $active ) {
			if ( CallingPlugin::first_part( (string) $active ) === $plugin ) {
				return (string) $active;
			}
		}
		return $plugin;
	}
}
