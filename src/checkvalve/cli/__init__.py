"""The checkvalve command."""
