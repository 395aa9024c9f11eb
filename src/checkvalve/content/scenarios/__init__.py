"""Scenarios of exercises, one a file."""
