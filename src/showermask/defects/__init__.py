"""What is wrong with the pixels of a detector: told from darks and flats."""
