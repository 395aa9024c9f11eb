"""What happened outside: events, who sent them, and how a person's data is recognised without being stored.

Wire format: docs/spec/wire.md. Everything here is pure: bytes and times come in as arguments.
"""
