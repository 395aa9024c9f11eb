"""Checkvalve: emergency response for data leaks on shops that run their own LLM."""

__version__ = "0.1.0"
