<?php
namespace Checkvalve\Admin;

use Checkvalve\Installer;
use Checkvalve\Orders\OrderDesk;
use Checkvalve\Outbox\Outbox;
use Checkvalve\Pairing;
use Checkvalve\Refused;

/**
 * Tools > Checkvalve: pairing, status, orders in force, and the emergency lever.
 */
final class Page {

	const SLUG = 'checkvalve';

	/** @var Pairing */
	private $pairing;

	/** @var Outbox */
	private $outbox;

	/** @var OrderDesk */
	private $desk;

	public function __construct( Pairing $pairing, Outbox $outbox, OrderDesk $desk ) {
		$this->pairing = $pairing;
		$this->outbox  = $outbox;
		$this->desk    = $desk;
	}

	public function set_up(): void {
		add_action( 'admin_menu', array( $this, 'add' ) );
		add_action( 'admin_post_checkvalve_pair', array( $this, 'pair' ) );
		add_action( 'admin_post_checkvalve_lift', array( $this, 'lift' ) );
		add_filter( 'plugin_action_links_' . CHECKVALVE_FOLDER . '/checkvalve.php', array( $this, 'link' ) );
	}

	public function add(): void {
		$hook = add_management_page( 'Checkvalve', 'Checkvalve', self::capability(), self::SLUG, array( $this, 'show' ) );
		add_action(
			'admin_enqueue_scripts',
			static function ( $current ) use ( $hook ) {
				if ( $current === $hook ) {
					wp_enqueue_style( 'checkvalve', plugins_url( 'assets/admin.css', CHECKVALVE_DIR . '/checkvalve.php' ), array(), CHECKVALVE_VERSION );
				}
			}
		);
	}

	/**
	 * @param string[] $links
	 * @return string[]
	 */
	public function link( $links ) {
		array_unshift( $links, '<a href="' . esc_url( self::url() ) . '">Status and pairing</a>' );
		return $links;
	}

	public function show(): void {
		Installer::repair();
		( new View( $this->outbox ) )->show( $this->take_notice(), time() );
	}

	public function pair(): void {
		$this->allow( 'checkvalve_pair' );
		try {
			$site = $this->pairing->pair( sanitize_text_field( wp_unslash( $_POST['code'] ?? '' ) ) ); // phpcs:ignore
			$this->back( 'success', "Paired. Core knows this shop as $site." );
		} catch ( Refused $refused ) {
			$this->back( 'error', $refused->getMessage() );
		}
	}

	public function lift(): void {
		$this->allow( 'checkvalve_lift' );
		if ( 'yes' !== ( $_POST['sure'] ?? '' ) ) { // phpcs:ignore
			$this->back( 'error', 'Nothing was lifted: tick the box first.' );
		}
		$count = $this->desk->lift_all( 'lifted in the shop by customer:' . get_current_user_id(), time() );
		$this->back( 'warning', 1 === $count ? 'One order was lifted; core is told.' : "$count orders were lifted; core is told." );
	}

	public static function url(): string {
		return admin_url( 'tools.php?page=' . self::SLUG );
	}

	/** Pairing makes this server call an address; in a network that is not for the administrator of one site. */
	public static function capability(): string {
		return is_multisite() ? 'manage_network_plugins' : 'manage_options';
	}

	private function allow( string $action ): void {
		if ( ! current_user_can( self::capability() ) ) {
			wp_die( 'You may not do this.', 403 );
		}
		check_admin_referer( $action );
	}

	private function back( string $kind, string $text ): void {
		set_transient( 'checkvalve_notice_' . get_current_user_id(), array( $kind, $text ), 60 );
		wp_safe_redirect( self::url() );
		exit;
	}

	/** @return array{0: string, 1: string}|null */
	private function take_notice(): ?array {
		$name   = 'checkvalve_notice_' . get_current_user_id();
		$notice = get_transient( $name );
		delete_transient( $name );
		return is_array( $notice ) ? $notice : null;
	}
}
