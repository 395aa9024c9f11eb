"""HTTP in front of the engine: ingest and control API, console."""
