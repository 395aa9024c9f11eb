"""Documents for authorities and people, filled from facts, checked for completeness."""
