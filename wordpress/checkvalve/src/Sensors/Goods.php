<?php
namespace Checkvalve\Sensors;

/**
 * Coupons and stock (OCSF 3004), files downloaded by customers (6005).
 */
final class Goods extends Sensor {

	public function coupon_made( $id, $coupon = null ): void {
		$this->entity( 1, 'coupon', (string) (int) $id, array(), self::worth( $coupon ) );
	}

	public function coupon_changed( $id, $coupon = null ): void {
		$this->entity( 3, 'coupon', (string) (int) $id, array(), self::worth( $coupon ) );
	}

	public function coupon_deleted( $id ): void {
		$this->entity( 4, 'coupon', (string) (int) $id );
	}

	/** @param \WC_Product $product */
	public function stock( $product ): void {
		$this->entity( 3, 'stock', (string) $product->get_id(), array(), array( 'stock' => array( 'quantity' => (string) $product->get_stock_quantity() ) ) );
	}

	public function downloaded( $email, $key, $product_id, $user_id = 0, $download_id = '', $order_id = 0 ): void {
		$this->data( 1, 'download', array( 'product' => (string) (int) $product_id, 'order' => (string) (int) $order_id ) );
	}

	/** What it is worth; the code may be a name. @param \WC_Coupon|null $coupon */
	private static function worth( $coupon ): array {
		return is_object( $coupon ) ? array( 'coupon' => array( 'amount' => (string) $coupon->get_amount(), 'kind' => (string) $coupon->get_discount_type() ) ) : array();
	}
}
