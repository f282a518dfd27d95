"""The bad pixels of a detector, told from its darks and flats."""
