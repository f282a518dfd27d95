"""Persistence: pixels that saturated before an exposure, masked in it."""
