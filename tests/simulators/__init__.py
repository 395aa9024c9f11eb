"""The other side of the wire, for tests and demo: a real shop, a vulnerable assistant in it, a real model."""
