"""What the tests compare with: slow, and plain enough to be believed."""

import numpy as np

DO_NOT_USE, SATURATED, JUMP_DET = 1, 2, 4


def lone_groups(dq):
    """Return, group by group, whether a usable group of one pixel has no link to a neighbour."""
    usable = [not value & (DO_NOT_USE | SATURATED) for value in dq]
    links = [usable[i] and usable[i + 1] and not dq[i + 1] & JUMP_DET for i in range(len(dq) - 1)]
    padded = [False, *links, False]
    return [usable[i] and not padded[i] and not padded[i + 1] for i in range(len(dq))]


def reffiles_flat_kinds(images):
    """Return dead, low_qe, open and adj_open pixels by the rules of jwst_reffiles.

    As read in bad_pixel_mask/badpix_from_flats.py (absolute_rate, smoothed): mean flat over its
    box smooth of 15 x 15 pixels; below 0.05, 0.05 to 0.5, and low with neighbours above 1.05.
    """
    from scipy.ndimage import uniform_filter

    mean = images.mean(axis=0)
    flat = mean / np.maximum(uniform_filter(mean, 15, mode="nearest"), 1e-6)
    dead, low = flat < 0.05, (flat >= 0.05) & (flat < 0.5)
    is_open, adjacent = np.zeros_like(low), np.zeros_like(low)
    for y, x in np.argwhere(low):
        beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        inside = [(a, b) for a, b in beside if 0 <= a < len(flat) and 0 <= b < flat.shape[1]]
        if all(flat[place] > 1.05 for place in inside):
            is_open[y, x] = True
            for place in inside:
                adjacent[place] = True
    return {"dead": dead, "low_qe": low & ~is_open, "open": is_open, "adj_open": adjacent}


def reffiles_dark_kinds(rates, jumps):
    """Return hot and telegraph pixels by the rules of jwst_reffiles.

    As read in bad_pixel_mask/badpix_from_darks.py: rate above median + 5 sigma in three of four
    integrations; ten jumps or more in more than 80 % of them.
    """
    from astropy.stats import sigma_clipped_stats

    is_hot = []
    for rate in rates:
        _, median, sigma = sigma_clipped_stats(rate[np.isfinite(rate)], sigma=5, maxiters=5)
        is_hot.append(rate > median + 5 * sigma)
    return {
        "hot": np.mean(is_hot, axis=0) >= 0.75,
        "telegraph": np.mean(jumps >= 10, axis=0) > 0.8,
    }
