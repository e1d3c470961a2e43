"""Benchmarks: this package and its peers on the same arrays in the same process; run with ``python -m benchmarks``."""
