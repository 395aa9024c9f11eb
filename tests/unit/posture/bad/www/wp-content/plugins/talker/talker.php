<?php
$url = "https://api.openai.com/v1/chat/completions";
