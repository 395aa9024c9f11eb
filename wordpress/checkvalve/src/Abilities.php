<?php
namespace Checkvalve;

use Checkvalve\Orders\OrderTable;
use Checkvalve\Orders\Registry;

/**
 * What Checkvalve tells an agent by WordPress' Abilities API (6.9): how things stand, to administrators, and nothing that could be
 * changed. An agent that was talked into it must not be able to lift an order.
 */
final class Abilities {

	const CATEGORY = 'checkvalve';

	public static function set_up(): void {
		add_action( 'wp_abilities_api_categories_init', array( self::class, 'register_category' ) );
		add_action( 'wp_abilities_api_init', array( self::class, 'register' ) );
	}

	public static function register_category(): void {
		wp_register_ability_category( self::CATEGORY, array( 'label' => 'Checkvalve', 'description' => 'Emergency response for data leaks.' ) );
	}

	public static function register(): void {
		self::one( 'checkvalve/orders', 'Orders in force', 'What is contained in this shop now, since when and until when.', array( self::class, 'orders' ) );
		self::one( 'checkvalve/hands', 'Hands', 'What orders can do in this shop: effect, undo, cost.', array( self::class, 'hands' ) );
	}

	public static function orders(): array {
		return array_map(
			static function ( $row ) {
				return array( 'order' => $row->jti, 'action' => $row->action, 'target' => $row->target, 'since' => (int) $row->at, 'until' => (int) $row->expires );
			},
			OrderTable::in_force()
		);
	}

	public static function hands(): array {
		$hands = array();
		foreach ( Registry::HANDS as $action => $class ) {
			$hands[] = array( 'action' => $action, 'arguments' => $class::ARGS, 'effect' => $class::EFFECT, 'undo' => $class::UNDO, 'cost' => $class::COST );
		}
		return $hands;
	}

	private static function one( string $name, string $label, string $description, callable $answer ): void {
		wp_register_ability(
			$name,
			array(
				'label'               => $label,
				'description'         => $description,
				'category'            => self::CATEGORY,
				'output_schema'       => array( 'type' => 'array' ),
				'execute_callback'    => $answer,
				'permission_callback' => static function () {
					return current_user_can( 'manage_options' );
				},
				'meta'                => array( 'annotations' => array( 'readonly' => true ), 'show_in_rest' => true ),
			)
		);
	}
}
