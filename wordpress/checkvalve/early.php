<?php
/**
 * Enforces the orders in force before any other plugin is loaded. Included by the must-use loader.
 */

defined( 'ABSPATH' ) || exit;

require_once __DIR__ . '/bootstrap.php';

try {
	\Checkvalve\Orders\KeptRequests::play( time() );
	\Checkvalve\Orders\Enforcer::start( time() );
} catch ( \Throwable $checkvalve_fault ) {
	error_log( 'Checkvalve: orders could not be enforced: ' . $checkvalve_fault->getMessage() ); // phpcs:ignore
}
