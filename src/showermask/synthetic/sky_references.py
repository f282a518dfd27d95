"""Reference files with which ``calwebb_image2`` and ``calwebb_image3`` run offline.

A plain camera: square pixels, no distortion, a flat of 1, and one conversion to MJy/sr.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["PHOTMJSR", "PIXEL_SCALE", "point", "sky_reference_models"]

#: Arcseconds of a pixel of MIRI's imager, and place of its middle in the telescope's frame (JDox).
PIXEL_SCALE = 0.11
_V2, _V3 = -453.0, -373.0
#: MJy/sr for a DN/s; a round number near that of F1000W.
PHOTMJSR = 0.5
_FILTERS = ("F560W", "F770W", "F1000W", "F1500W", "F2100W")
#: Width of a star in pixels, as the aperture corrections have it.
_STAR_WIDTH = 1.5
_STERADIANS = (PIXEL_SCALE * math.pi / 180 / 3600) ** 2


def sky_reference_models(image_shape: tuple[int, int], subarray: str) -> Iterator[tuple[str, Any]]:
    """Yield ``(reference type, datamodel)`` for each file that stages 2 and 3 ask for.

    Parameters
    ----------
    image_shape : tuple of int
        Rows and columns.
    subarray : str
        Name of the subarray.

    Yields
    ------
    tuple
        Reference type and datamodel.
    """
    from astropy import units
    from astropy.modeling import models
    from astropy.table import Table
    from stdatamodels.jwst import datamodels

    ny, nx = image_shape
    to_middle = models.Shift(-nx / 2) & models.Shift(-ny / 2)
    to_arcseconds = models.Scale(-PIXEL_SCALE) & models.Scale(PIXEL_SCALE)
    to_telescope = models.Shift(_V2) & models.Shift(_V3)
    distortion = datamodels.DistortionModel(
        model=to_middle | to_arcseconds | to_telescope,
        input_units=units.pixel,
        output_units=units.arcsec,
    )
    distortion.meta.exposure.type = "MIR_IMAGE"
    distortion.meta.exposure.p_exptype = "MIR_IMAGE|"
    distortion.meta.input_units = units.pixel
    distortion.meta.output_units = units.arcsec
    yield "distortion", distortion

    offset = datamodels.FilteroffsetModel()
    offset.filters = [
        {"filter": name, "column_offset": 0.0, "row_offset": 0.0} for name in _FILTERS
    ]
    yield "filteroffset", offset

    ones = np.ones(image_shape, np.float32)
    yield (
        "flat",
        datamodels.FlatModel(data=ones, dq=np.zeros(image_shape, np.uint32), err=0.01 * ones),
    )

    photom = datamodels.MirImgPhotomModel()
    photom.phot_table = np.array(
        [(name, subarray, PHOTMJSR, 0.01 * PHOTMJSR) for name in _FILTERS],
        dtype=[
            ("filter", "S12"),
            ("subarray", "S15"),
            ("photmjsr", "<f4"),
            ("uncertainty", "<f4"),
        ],
    )
    area = datamodels.PixelAreaModel(data=ones)
    for reftype, model in (("photom", photom), ("area", area)):
        model.meta.photometry.pixelarea_steradians = _STERADIANS
        model.meta.photometry.pixelarea_arcsecsq = PIXEL_SCALE**2
        yield reftype, model

    yield "apcorr", _aperture_corrections(subarray)
    vega = datamodels.ABVegaOffsetModel()
    vega.abvega_offset = Table({"filter": list(_FILTERS), "abvega_offset": [5.0] * len(_FILTERS)})
    yield "abvegaoffset", vega


def _aperture_corrections(subarray: str) -> Any:
    """Return apertures of a Gaussian star, with what lies outside of each."""
    from stdatamodels.jwst import datamodels

    rows = [
        (name, subarray, share, _STAR_WIDTH * math.sqrt(-2 * math.log(1 - share)), 1 / share, 8, 12)
        for name in _FILTERS
        for share in (0.2, 0.3, 0.5, 0.6, 0.7, 0.8)
    ]
    numbers = [(name, "<f4") for name in ("eefraction", "radius", "apcorr", "skyin", "skyout")]
    model = datamodels.MirImgApcorrModel()
    model.apcorr_table = np.array(rows, dtype=[("filter", "S12"), ("subarray", "S17"), *numbers])
    model.meta.exposure.type = "MIR_IMAGE"
    model.meta.exposure.p_exptype = "MIR_IMAGE|"
    return model


def point(model: Any, ra: float, dec: float) -> None:
    """Point an exposure of the camera at a place in the sky, north up.

    Parameters
    ----------
    model : datamodel
        The exposure. Modified in place.
    ra, dec : float
        Right ascension and declination of the middle of the image in degrees.
    """
    wcs = model.meta.wcsinfo
    wcs.v2_ref, wcs.v3_ref = _V2, _V3
    wcs.v3yangle, wcs.vparity, wcs.roll_ref = 0.0, -1, 0.0
    wcs.ra_ref, wcs.dec_ref = ra, dec
    model.meta.velocity_aberration.scale_factor = 1.0
    model.meta.aperture.name = model.meta.aperture.pps_name = "MIRIM_FULL"
    model.meta.target.ra, model.meta.target.dec = ra, dec
    model.meta.target.type = "FIXED"
    model.meta.target.catalog_name = "field"
