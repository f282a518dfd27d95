"""Packages: a batch in one folder, to be published, checked and made again."""
