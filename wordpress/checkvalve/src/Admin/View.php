<?php
namespace Checkvalve\Admin;

use Checkvalve\Health;
use Checkvalve\Orders\OrderTable;
use Checkvalve\Outbox\Outbox;
use Checkvalve\Settings;

/**
 * The status page as HTML.
 */
final class View {

	/** @var Outbox */
	private $outbox;

	public function __construct( Outbox $outbox ) {
		$this->outbox = $outbox;
	}

	/** @param array{0: string, 1: string}|null $notice */
	public function show( ?array $notice, int $now ): void {
		$orders = array_filter(
			OrderTable::in_force(),
			static function ( $order ) use ( $now ) {
				return (int) $order->expires > $now;
			}
		);
		echo '<div class="wrap checkvalve"><h1>Checkvalve</h1>';
		if ( $notice ) {
			printf( '<div class="notice notice-%s"><p>%s</p></div>', esc_attr( $notice[0] ), esc_html( $notice[1] ) );
		}
		if ( ! Settings::paired() ) {
			$this->welcome();
		} else {
			$this->banner( count( $orders ) );
			$this->orders( $orders, $now );
			echo '<div class="cv-columns">';
			$this->health( $now );
			$this->pairing( $now );
			echo '</div>';
		}
		echo '</div>';
	}

	private function welcome(): void {
		?>
		<section class="cv-card cv-welcome">
			<h2>Pair this shop</h2>
			<p>Checkvalve reports what happens in this shop to your own Checkvalve server, and carries out its emergency orders without closing the checkout. Nothing is recorded before pairing.</p>
			<ol>
				<li>On the server, run <code>checkvalve pair</code>, or use its console.</li>
				<li>Type the code here within 15 minutes.</li>
			</ol>
			<?php $this->form( 'Pair' ); ?>
		</section>
		<?php
	}

	private function form( string $button ): void {
		?>
		<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>" class="cv-code">
			<input type="hidden" name="action" value="checkvalve_pair">
			<?php wp_nonce_field( 'checkvalve_pair' ); ?>
			<label for="cv-code">Pairing code</label>
			<input type="text" id="cv-code" name="code" required autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="K7QM-2XPD-9FHR@https://core.example.com">
			<button class="button button-primary"><?php echo esc_html( $button ); ?></button>
		</form>
		<?php
	}

	private function banner( int $orders ): void {
		$text = 0 === $orders ? 'Watching. No containment is in force.' : ( 1 === $orders ? 'One containment order is in force.' : "$orders containment orders are in force." );
		printf( '<div class="cv-banner %s"><strong>%s</strong><span>%s</span></div>', $orders ? 'cv-held' : 'cv-calm', esc_html( $text ), $orders ? 'Each ends by itself; core releases it earlier.' : 'Orders of core would be listed here.' );
	}

	/** @param object[] $orders */
	private function orders( array $orders, int $now ): void {
		if ( ! $orders ) {
			return;
		}
		echo '<section class="cv-card"><h2>Orders in force</h2><table class="widefat striped"><thead><tr><th>What</th><th>Where</th><th>Since</th><th>Ends by itself</th><th>Order</th></tr></thead><tbody>';
		foreach ( $orders as $order ) {
			printf(
				'<tr><td>%s</td><td><code>%s</code></td><td>%s</td><td>in %s</td><td><code>%s</code></td></tr>',
				esc_html( ucfirst( str_replace( '_', ' ', $order->action ) ) ),
				esc_html( $order->target ),
				esc_html( Health::ago( (int) $order->at, $now ) ),
				esc_html( human_time_diff( $now, (int) $order->expires ) ),
				esc_html( $order->jti )
			);
		}
		echo '</tbody></table>';
		?>
		<details class="cv-lever">
			<summary>Emergency: lift all orders here</summary>
			<p>Orders are released by core. Use this only when the shop must run at once and core cannot be reached: <strong>the leak that was stopped may go on.</strong> The event is recorded, with your user number, and core does not repeat the lifted orders.</p>
			<form method="post" action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>">
				<input type="hidden" name="action" value="checkvalve_lift">
				<?php wp_nonce_field( 'checkvalve_lift' ); ?>
				<label><input type="checkbox" name="sure" value="yes" required> I know that customers' data may be leaking again.</label>
				<button class="button cv-danger">Lift all orders</button>
			</form>
		</details>
		</section>
		<?php
	}

	private function health( int $now ): void {
		echo '<section class="cv-card"><h2>Sensor</h2><dl class="cv-health">';
		foreach ( Health::lines( $this->outbox, $now ) as list( $name, $grade, $text ) ) {
			$word = array( Health::GOOD => 'OK', Health::WARN => 'Look', Health::NOTE => 'Note' )[ $grade ];
			printf( '<div class="cv-%s"><dt>%s</dt><dd><span>%s</span> %s</dd></div>', esc_attr( $grade ), esc_html( $name ), esc_html( $word ), esc_html( $text ) );
		}
		echo '</dl></section>';
	}

	private function pairing( int $now ): void {
		?>
		<section class="cv-card">
			<h2>Pairing</h2>
			<dl class="cv-facts">
				<div><dt>Site</dt><dd><code><?php echo esc_html( Settings::site() ); ?></code></dd></div>
				<div><dt>Core</dt><dd><code><?php echo esc_html( Settings::core_url() ); ?></code></dd></div>
				<div><dt>LLM gateway</dt><dd><code><?php echo esc_html( Settings::gateway_url() ?: 'none' ); ?></code></dd></div>
				<div><dt>Since</dt><dd><?php echo esc_html( Health::ago( Settings::paired_at(), $now ) ); ?></dd></div>
			</dl>
			<p>Point the assistants of this shop at the LLM gateway, not at the model. Events hold no clear names, addresses or e-mails.</p>
			<details><summary>Pair again</summary><p>Makes a new key. A fresh code from <code>checkvalve pair</code> is needed.</p><?php $this->form( 'Pair again' ); ?></details>
		</section>
		<?php
	}
}
