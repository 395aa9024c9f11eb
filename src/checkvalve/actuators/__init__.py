"""Carry out a command: in the shop, at the gateway, at the checkout."""
