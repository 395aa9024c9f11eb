"""What carries a page to people."""
