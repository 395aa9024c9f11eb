"""The first response, end to end, on synthetic people: `make demo`."""
