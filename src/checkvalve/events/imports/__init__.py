"""Other programs' logs: cut into records, read into events. Pure; the bytes are kept as they came, whatever they say."""
