"""Reprocess many exposures from their reviewed region files."""
