"""Show what was masked: one page with a picture of every shower."""
