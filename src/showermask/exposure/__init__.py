"""Exposures: their products, flags, images and names."""
