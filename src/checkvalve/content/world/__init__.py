"""Words that the people of exercises are made of."""
