"""The log entry, its place in the tree, and the proof anyone can check."""
