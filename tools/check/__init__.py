"""Checks any output against every guarantee of the protocol."""
