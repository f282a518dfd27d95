"""Find candidate showers for the reviewer: a matched filter in space and time."""
