"""Region files from and to the files that people already have."""
