"""Validate region files, and say what they mask."""
