"""A model folder of the real size with random weights."""
