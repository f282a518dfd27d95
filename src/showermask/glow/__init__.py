"""The glow of a shower in a ramp: differences, common mode, light curve, quick rates."""
