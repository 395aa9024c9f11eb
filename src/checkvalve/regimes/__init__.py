"""Law as data, and the arithmetic of its deadlines."""
