<?php
namespace Checkvalve\Orders;

/**
 * Takes from loaded plugins everything a visitor can reach, and leaves what they do inside WooCommerce: prices, shipping,
 * payment. Routes, ajax actions, feeds, shortcodes, blocks, XML-RPC methods are gone; hooks that run in every request run
 * blindfolded.
 */
final class PublicSurface {

	/** Actions that a request names. */
	const NAMED = '/^(wp_ajax_|admin_post_|wc_ajax_|do_feed_|woocommerce_api_|load-)/';

	/** Hooks of every request in which plugins look at what was asked. */
	const COMMON = array(
		'plugins_loaded', 'setup_theme', 'after_setup_theme', 'init', 'widgets_init', 'wp_loaded', 'admin_init', 'do_parse_request', 'request', 'parse_request',
		'send_headers', 'pre_get_posts', 'wp', 'template_redirect', 'template_include', 'rest_api_init', 'rest_pre_dispatch', 'rest_pre_serve_request',
		'wp_enqueue_scripts', 'wp_head', 'the_content', 'wp_footer', 'shutdown', 'login_init', 'authenticate', 'determine_current_user',
	);

	/** @var string[] Real paths of the plugins. */
	private $places;

	/** @var bool Whether payment providers' calls get through. */
	private $webhooks;

	/** @var array<string, true> What is wrapped already. */
	private $blind = array();

	/** @param string[] $plugins Basenames. */
	public function __construct( array $plugins, bool $webhooks ) {
		$this->places   = array_filter( array_map( array( Code::class, 'place' ), $plugins ) );
		$this->webhooks = $webhooks;
		$this->load_blindfolded( $plugins );
		foreach ( array( 'plugins_loaded', 'setup_theme', 'after_setup_theme', 'init', 'wp_loaded', 'admin_init', 'parse_request', 'wp', 'template_redirect', 'rest_api_init' ) as $hook ) {
			add_action( $hook, array( $this, 'sweep' ), PHP_INT_MIN );
		}
		add_action( 'init', array( $this, 'sweep' ), PHP_INT_MAX );
		add_action( 'admin_init', array( $this, 'sweep' ), PHP_INT_MAX );
		add_filter( 'rest_endpoints', array( $this, 'without_routes' ), PHP_INT_MAX );
		add_filter( 'xmlrpc_methods', array( $this, 'without_methods' ), PHP_INT_MAX );
		add_filter( 'query_vars', array( $this, 'sweep' ), PHP_INT_MIN );
		add_filter( 'pre_do_shortcode_tag', array( $this, 'no_shortcode' ), PHP_INT_MAX, 2 );
		add_filter( 'pre_render_block', array( $this, 'no_block' ), PHP_INT_MAX, 2 );
	}

	/**
	 * Hooks come while plugins run, so this looks again at each stage.
	 *
	 * @param mixed $passed_on
	 * @return mixed
	 */
	public function sweep( $passed_on = null ) {
		global $wp_filter;
		foreach ( array_keys( $wp_filter ) as $hook ) {
			$named = preg_match( self::NAMED, $hook ) && ! ( $this->webhooks && 0 === strpos( $hook, 'woocommerce_api_' ) );
			if ( $named || 'query_vars' === $hook || in_array( $hook, self::COMMON, true ) ) {
				$this->sweep_hook( $hook, $named || 'query_vars' === $hook );
			}
		}
		return $passed_on;
	}

	private function sweep_hook( string $hook, bool $remove ): void {
		global $wp_filter;
		foreach ( $wp_filter[ $hook ]->callbacks as $priority => $callbacks ) {
			foreach ( $callbacks as $id => $callback ) {
				if ( isset( $this->blind[ "$hook $priority $id" ] ) || ! $this->owns( $callback['function'] ) ) {
					continue;
				}
				if ( $remove ) {
					remove_filter( $hook, $callback['function'], $priority );
				} else {
					$this->blind[ "$hook $priority $id" ] = true;
					$wp_filter[ $hook ]->callbacks[ $priority ][ $id ]['function'] = Blindfold::around( $callback['function'] );
				}
			}
		}
	}

	/**
	 * @param array $endpoints
	 * @return array
	 */
	public function without_routes( $endpoints ) {
		foreach ( $endpoints as $route => $handlers ) {
			$callbacks = isset( $handlers['callback'] ) ? array( $handlers['callback'] ) : array_column( array_filter( $handlers, 'is_array' ), 'callback' );
			if ( array_filter( $callbacks, array( $this, 'owns' ) ) && ! ( $this->webhooks && Webhooks::looks_like_one( (string) $route ) ) ) {
				unset( $endpoints[ $route ] );
			}
		}
		return $endpoints;
	}

	/**
	 * @param array $methods
	 * @return array
	 */
	public function without_methods( $methods ) {
		return array_diff_key( $methods, array_filter( $methods, array( $this, 'owns' ) ) );
	}

	/**
	 * @param mixed  $output
	 * @param string $tag
	 * @return mixed
	 */
	public function no_shortcode( $output, $tag ) {
		return $this->owns( $GLOBALS['shortcode_tags'][ $tag ] ?? null ) ? '' : $output;
	}

	/**
	 * @param mixed $output
	 * @param array $block
	 * @return mixed
	 */
	public function no_block( $output, $block ) {
		$type = \WP_Block_Type_Registry::get_instance()->get_registered( (string) ( $block['blockName'] ?? '' ) );
		return $type && $this->owns( $type->render_callback ) ? '' : $output;
	}

	/** @param mixed $callback */
	public function owns( $callback ): bool {
		foreach ( null === $callback ? array() : $this->places as $place ) {
			if ( Code::is_in( $callback, $place ) ) {
				return true;
			}
		}
		return false;
	}

	/** Code outside all functions runs when the file is loaded, which WordPress tells only afterwards: so of the file before. */
	private function load_blindfolded( array $plugins ): void {
		$before = function ( $loaded ) use ( $plugins ) {
			$order = array_values( (array) get_option( 'active_plugins', array() ) );
			$own   = '' === $loaded ? -1 : array_search( plugin_basename( $loaded ), $order, true );
			if ( '' !== $loaded && false !== $own && in_array( $order[ $own ], $plugins, true ) ) {
				Blindfold::take_off();
			}
			if ( false !== $own && in_array( $order[ $own + 1 ] ?? '', $plugins, true ) ) {
				Blindfold::put_on();
			}
		};
		add_action(
			'muplugins_loaded',
			static function () use ( $before ) {
				$before( '' );
			},
			PHP_INT_MAX
		);
		add_action( 'plugin_loaded', $before, PHP_INT_MAX );
		add_action( 'plugins_loaded', array( Blindfold::class, 'take_off' ), PHP_INT_MIN ); // should a file have been missing
	}
}
