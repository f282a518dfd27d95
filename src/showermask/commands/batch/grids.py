"""The grids of mosaics: their pixels on the sky, handed on to other mosaics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from showermask.commands.batch.matching import Matches
from showermask.exceptions import OutputError
from showermask.exposure.setting import Setting, read_setting

__all__ = ["find_grids", "grid_fingerprint", "write_grid"]

_KEYWORDS = (
    *("NAXIS1", "NAXIS2", "CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"),
    *("CDELT1", "CDELT2", "PC1_1", "PC1_2", "PC2_1", "PC2_2"),
)


def find_grids(matches: Matches, given: Sequence[Path]) -> dict[str, Path]:
    """Tell which of some mosaics is of the same field and optical path as each of a batch's.

    Parameters
    ----------
    matches : Matches
        The exposures and mosaics of the batch.
    given : sequence of Path
        The mosaics (``i2d``).

    Returns
    -------
    dict of str to Path
        By the name of the batch's mosaic.

    Raises
    ------
    OutputError
        When one is of none of the batch's, or two are of the same.
    """
    if not given:
        return {}
    names: dict[Setting, str] = {}
    for association in matches.associations:
        first = next(
            (matches.inputs[root] for root in association.exposures if root in matches.inputs),
            *association.files[:1],
        )
        names[_field(first)] = association.name
    found: dict[str, Path] = {}
    for path in given:
        grid_fingerprint(path)  # refuses what is no mosaic
        name = names.get(_field(path))
        if name is None and len(given) == len(names) == 1:
            (name,) = names.values()
        if name is None or name in found:
            wrong = "none of this batch's mosaics" if name is None else f"{name}, as {found[name]}"
            raise OutputError(
                f"{path}: is of the same target, filter and detector as {wrong}; expected one "
                f"mosaic for each of {', '.join(sorted(names.values()))}"
            )
        found[name] = path.absolute()
    return found


def _field(path: Path) -> Setting:
    """Return what a mosaic has in common with its exposures."""
    return replace(read_setting(path), subarray="", exposure_type="", is_time_series=False)


def grid_fingerprint(mosaic: Path) -> dict[str, Any]:
    """Return the keywords that tell the grid of a mosaic from others.

    Parameters
    ----------
    mosaic : Path
        The mosaic (``i2d``).

    Returns
    -------
    dict
        Size, projection, reference point and scale.

    Raises
    ------
    OutputError
        When the file is no mosaic.
    """
    from astropy.io import fits

    try:
        header = fits.getheader(mosaic, "SCI")
    except (OSError, KeyError, ValueError) as error:
        raise OutputError(f"{mosaic}: can't be read as a mosaic, _i2d.fits ({error})") from error
    if header.get("NAXIS") != 2 or "CRVAL1" not in header:
        raise OutputError(f"{mosaic}: has no image on the sky, expected a mosaic, _i2d.fits")
    return {key: header[key] for key in _KEYWORDS if key in header}


def write_grid(mosaic: Path, path: Path) -> None:
    """Write the grid of a mosaic as ``resample`` takes it (``output_wcs``).

    Parameters
    ----------
    mosaic : Path
        The mosaic (``i2d``).
    path : Path
        File to write (ASDF).
    """
    import asdf
    from stdatamodels.jwst import datamodels

    with datamodels.open(mosaic) as model:
        wcs = model.meta.wcs
        if wcs is None:
            raise OutputError(f"{mosaic}: has no WCS, expected a mosaic of jwst, _i2d.fits")
        tree = {
            "wcs": wcs,
            "array_shape": list(model.data.shape),
            "pixel_area": model.meta.photometry.pixelarea_arcsecsq,
        }
        asdf.AsdfFile(tree).write_to(path)
