"""Benchmarks and converters, never imported by common/."""
