"""The mask of a region file in a data-quality plane, and its cost."""
