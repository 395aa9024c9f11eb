"""State in SQL and evidence in segments; the only package that touches a database."""
