"""Look at exposures, mark showers, and leave with a region file: in the browser."""
