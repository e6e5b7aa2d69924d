"""How long pause and resume take."""
