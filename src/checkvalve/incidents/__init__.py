"""The case: what is known, since when, from which entries."""
