<?php
class Broken { function ( { 
