"""Show what masking does on synthetic showers."""
