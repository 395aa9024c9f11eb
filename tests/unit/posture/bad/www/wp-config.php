<?php
// define( 'DB_PASSWORD', 'commented' );
define( 'DB_NAME', 'shop' );
define( 'DB_PASSWORD', 'example-password' );
