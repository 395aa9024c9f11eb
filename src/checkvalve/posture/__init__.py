"""Configuration as values -> weaknesses. Pure: the texts of files come in, results go out."""
