"""Chooses how often the tail is looked at."""
