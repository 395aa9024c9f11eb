<?php
/**
 * Plugin Name: Test site
 * Description: A sender address that is valid although the site's host is an IP address.
 */

add_filter(
	'wp_mail_from',
	function () {
		return 'shop@example.com';
	}
);
