"""The LLM proxy: logs, detects in the stream, enforces."""
