"""The function ``showermask.propose``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from showermask.commands.propose import THRESHOLD
from showermask.commands.propose.latents import earlier_exposures
from showermask.commands.propose.showers import search
from showermask.regionfile.content import RegionFile

__all__ = ["propose"]


def propose(
    exposure: str | os.PathLike[str],
    *,
    threshold: float = THRESHOLD,
    region_file: RegionFile | None = None,
    earlier: Iterable[str | os.PathLike[str]] = (),
) -> RegionFile:
    """Look for showers in a ramp.

    Parameters
    ----------
    exposure : str or path
        The ramp, calibrated up to the jump step (``_jump``, ``_ramp``); FITS.
    threshold : float, optional
        Signal-to-noise ratio from which on a glow is proposed.
    region_file : RegionFile, optional
        What is known of the exposure. What a person has decided in it stays, and is not proposed
        again.
    earlier : iterable of str or path, optional
        Other exposures; those before it on the same detector tell where a compact glow may be the
        latent of a source.

    Returns
    -------
    RegionFile
        With the candidates: ellipses and polygons with ``score``, ``probability`` and ``kind``.
        Nothing is written; `write_regions` does that.

    Raises
    ------
    ShowermaskError
        When it is no ramp that can be searched.
    """
    path = Path(exposure)
    before = earlier_exposures([*map(Path, earlier), path]).get(path, ())
    merged, _ = search(
        path,
        lambda described: region_file or RegionFile.for_exposure(described),
        threshold=threshold,
        earlier=before,
    )
    found: RegionFile = merged.region_file.unread()
    return found
