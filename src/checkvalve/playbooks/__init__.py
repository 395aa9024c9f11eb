"""CACAO 2.0 playbooks: types, linter, and an interpreter without I/O."""
