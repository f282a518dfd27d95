"""The sky behind a pixel, as the keywords of a file tell it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

__all__ = ["read_wcs"]


def read_wcs(path: Path) -> Any | None:
    """Return the celestial `astropy.wcs.WCS` of an exposure; None where its keywords have none.

    It is that of the pointing keywords, which ``set_telescope_pointing`` writes into raw exposures
    and ``assign_wcs`` refines: good to a fraction of a pixel between dithers, without distortion.
    """
    from astropy.io import fits
    from astropy.wcs import WCS, WcsError

    header = fits.getheader(path, "SCI")
    if not str(header.get("CTYPE1", "")).startswith("RA"):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of keywords that are not standard
        try:
            wcs = WCS(header, naxis=2)
        except (WcsError, ValueError):
            return None
    return wcs if wcs.has_celestial else None
