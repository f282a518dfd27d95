"""Find the bad pixels of detectors in darks and flats, as candidates for a review."""
