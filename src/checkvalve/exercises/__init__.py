"""Exercises without I/O: the people of a made-up shop, scenarios, what is measured, and what it scores."""
