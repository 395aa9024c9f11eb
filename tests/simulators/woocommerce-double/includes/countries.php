<?php
/**
 * Where the shop sells to (ISO 3166-1), and what an address must have.
 */

defined( 'ABSPATH' ) || exit;

const WC_DOUBLE_COUNTRIES = 'AF AX AL DZ AS AD AO AI AQ AG AR AM AW AU AT AZ BS BH BD BB BY PW BE BZ BJ BM BT BO BQ BA BW BV BR IO BN BG BF BI KH CM CA CV KY CF TD CL CN CX CC CO KM CG CD CK CR HR CU CW CY CZ DK DJ DM DO EC EG SV GQ ER EE SZ ET FK FO FJ FI FR GF PF TF GA GM GE DE GH GI GR GL GD GP GU GT GG GN GW GY HT HM HN HK HU IS IN ID IR IQ IE IM IL IT CI JM JP JE JO KZ KE KI XK KW KG LA LV LB LS LR LY LI LT LU MO MG MW MY MV ML MT MH MQ MR MU YT MX FM MD MC MN ME MS MA MZ MM NA NR NP NL NC NZ NI NE NG NU NF KP MK MP NO OM PK PS PA PG PY PE PH PN PL PT PR QA RE RO RU RW BL SH KN LC SX MF PM VC WS SM ST SA SN RS SC SL SG SK SI SB SO ZA GS KR SS ES LK SD SR SJ SE CH SY TW TJ TZ TH TL TG TK TO TT TN TR TM TC TV UG UA AE GB US UM UY UZ VU VA VE VN VG VI WF EH YE ZM ZW';

const WC_DOUBLE_ADDRESS = array( 'first_name', 'last_name', 'company', 'address_1', 'address_2', 'city', 'state', 'postcode', 'country', 'phone' );

const WC_DOUBLE_REQUIRED = array(
	'country'    => 'Country / Region',
	'first_name' => 'First name',
	'last_name'  => 'Last name',
	'address_1'  => 'Street address',
	'city'       => 'Town / City',
	'postcode'   => 'Postcode / ZIP',
);

function wc_double_countries() {
	return explode( ' ', WC_DOUBLE_COUNTRIES );
}

function wc_double_postcode_ok( $postcode, $country ) {
	$forms = array(
		'DE' => '/^[0-9]{5}$/',
		'AT' => '/^[0-9]{4}$/',
		'FR' => '/^[0-9]{5}$/',
		'ES' => '/^[0-9]{5}$/',
		'IT' => '/^[0-9]{5}$/',
		'PL' => '/^[0-9]{2}-[0-9]{3}$/',
		'GB' => '/^[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}$/',
		'US' => '/^[0-9]{5}(-[0-9]{4})?$/',
	);
	return ! isset( $forms[ $country ] ) || preg_match( $forms[ $country ], strtoupper( trim( $postcode ) ) );
}

/** What is missing of an address: messages as the Store API words them. */
function wc_double_address_errors( array $address ) {
	$errors = array();
	foreach ( WC_DOUBLE_REQUIRED as $name => $label ) {
		if ( '' === (string) ( $address[ $name ] ?? '' ) ) {
			$errors[] = $label . ' is required';
		}
	}
	return $errors;
}
