"""Make one region file of those of two reviewers."""
