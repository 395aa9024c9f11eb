"""A third-party plugin's source, read and never run: what it opens, what it touches, what breaks when it is isolated."""
