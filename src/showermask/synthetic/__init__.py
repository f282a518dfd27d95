"""Synthetic exposures and an offline CRDS cache, for demonstration, tests and benchmarks."""
