"""Mutants: small changes to the code that the fast tests must notice."""
