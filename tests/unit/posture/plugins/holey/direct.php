<?php
require "../../../wp-load.php";
echo wc_get_orders();
