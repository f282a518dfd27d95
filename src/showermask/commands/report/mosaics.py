"""Showers in the mosaic: where they lie, which exposures fill them, what is left of them.

Everything is read off the products: which exposures a pixel of a mosaic is made of is what
``resample`` has written into its context image (CON).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import OutputError
from showermask.exposure.names import product_root
from showermask.exposure.setting import read_setting
from showermask.exposure.sky import read_wcs
from showermask.masking.footprint import Footprint
from showermask.pipeline.manifest import UNMASKED_FOLDER, Record
from showermask.regionfile.entry import Box, grow_box

__all__ = ["Mosaic", "MosaicPlace", "Pointing", "locate", "read_mosaics"]

#: Pixels around a shower from which the local sky is told.
_RING = 12
#: Fewest pixels of a ring that tell it.
_LEAST_RING = 30
_TO_SIGMA = 1.4826


@dataclass(frozen=True, kw_only=True)
class Pointing:
    """The sky behind the pixels of an exposure; no sky where it does not tell."""

    sky: Any | None
    image_shape: tuple[int, int]

    def covers(self, ra: float, dec: float) -> bool:
        """Tell whether a place of the sky falls on the exposure."""
        if self.sky is None:
            return False
        x, y = self.sky.all_world2pix(ra, dec, 0, quiet=True)
        ny, nx = self.image_shape
        return bool(-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5)


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """A mosaic of a batch; images are ``(rows, columns)``.

    Parameters
    ----------
    name : str
        Product name.
    filter : str
        Name of the filter.
    members : mapping of str to Pointing
        Where its exposures point, by product root.
    after : `numpy.ndarray`
        The mosaic, NaN where nothing is in it.
    before : `numpy.ndarray` or None
        The mosaic without masks, on the same pixels; None where it was not made.
    weight : `numpy.ndarray`
        Weight of each pixel.
    contributing : `numpy.ndarray`
        Number of exposures in each pixel.
    wcs : `~astropy.wcs.WCS`
        The sky behind its pixels.
    unit : str
        Of the images.
    """

    name: str
    filter: str
    members: Mapping[str, Pointing]
    after: NDArray[np.float32]
    before: NDArray[np.float32] | None
    weight: NDArray[np.float32]
    contributing: NDArray[np.uint8]
    wcs: Any
    unit: str


@dataclass(frozen=True, kw_only=True)
class MosaicPlace:
    """A shower in a mosaic.

    Parameters
    ----------
    mosaic : str
        Product name of the mosaic.
    box : tuple of slice
        Rows and columns of the mosaic that the shower lies in.
    inside : `numpy.ndarray`
        Which pixels of the box.
    empty : int
        How many of them have no light.
    filled_by, covered_by : int
        Exposures whose light is in them (median), and those that see its middle.
    residual : float or None
        Median of the mosaic in the shower above the median around it, in sigma of a pixel around
        it.
    change : float or None
        Mean of what the masks changed, likewise.
    total_change : float or None
        Sum of the absolute changes, in the units of the mosaic.
    """

    mosaic: str
    box: Box
    inside: NDArray[np.bool_]
    empty: int
    filled_by: int
    covered_by: int
    residual: float | None
    change: float | None
    total_change: float | None

    @property
    def pixels(self) -> int:
        """Number of pixels of the mosaic in the shower."""
        return int(np.count_nonzero(self.inside))

    def describe(self) -> str:
        """Return what the mosaic has at its place, for people."""
        parts = [f"filled by {self.filled_by} of {self.covered_by} exposures"]
        parts.append(f"{self.empty} of {self.pixels} pixels empty")
        if self.change is not None:
            parts.append(f"changed by {self.change:+.2f} σ")
        if self.residual is not None:
            parts.append(f"{self.residual:+.2f} σ of the sky around it are left")
        return f"In {self.mosaic}: {', '.join(parts)}"


def read_mosaics(records: Iterable[Record], output: Path) -> list[Mosaic]:
    """Read the mosaics of a batch that are done.

    Parameters
    ----------
    records : iterable of Record
        The records of the batch.
    output : Path
        Its output directory.

    Returns
    -------
    list of Mosaic
        The mosaics.

    Raises
    ------
    OutputError
        When one can't be read.
    """
    return [
        _read_mosaic(record, output)
        for record in records
        if record.is_mosaic and record.status == "done"
    ]


def locate(footprint: Footprint, root: str, mosaic: Mosaic) -> MosaicPlace | None:
    """Find a shower in a mosaic.

    Parameters
    ----------
    footprint : Footprint
        Its pixels in the exposure.
    root : str
        Product root of the exposure.
    mosaic : Mosaic
        The mosaic.

    Returns
    -------
    MosaicPlace or None
        The place; None where the exposure does not say where it points, or the shower lies beside
        the mosaic.
    """
    sky = mosaic.members[root].sky
    if sky is None or not footprint.inside.any():
        return None
    box = _box_in_mosaic(footprint, sky, mosaic)
    if box is None:
        return None
    inside = _inside(footprint, sky, mosaic, box)
    if not inside.any():
        return None
    ring_box = grow_box(box, _RING, mosaic.after.shape)
    ring = ~_inside(footprint, sky, mosaic, ring_box)
    return _measured(mosaic, box, inside, mosaic.after[ring_box][ring])


def _measured(
    mosaic: Mosaic, box: Box, inside: NDArray[np.bool_], around: NDArray[np.float32]
) -> MosaicPlace:
    after = mosaic.after[box][inside]
    change = total = residual = None
    around = around[np.isfinite(around)]
    is_known = around.size >= _LEAST_RING
    level = float(np.median(around)) if is_known else 0.0
    sigma = _TO_SIGMA * float(np.median(np.abs(around - level))) if is_known else 0.0
    if sigma > 0 and np.isfinite(after).any():
        residual = (float(np.nanmedian(after)) - level) / sigma
    if mosaic.before is not None:
        differences = mosaic.before[box][inside] - after
        differences = differences[np.isfinite(differences)]
        total = float(np.abs(differences).sum())
        if sigma > 0 and differences.size:
            change = float(differences.mean()) / sigma
    rows, columns = np.nonzero(inside)
    middle = mosaic.wcs.all_pix2world(columns.mean() + box[1].start, rows.mean() + box[0].start, 0)
    return MosaicPlace(
        mosaic=mosaic.name,
        box=box,
        inside=inside,
        empty=int(np.count_nonzero(mosaic.contributing[box][inside] == 0)),
        filled_by=int(np.median(mosaic.contributing[box][inside])),
        covered_by=sum(one.covers(*middle) for one in mosaic.members.values()),
        residual=residual,
        change=change,
        total_change=total,
    )


def _box_in_mosaic(footprint: Footprint, sky: Any, mosaic: Mosaic) -> Box | None:
    """Return the box of the mosaic around a shower; None where it lies beside the mosaic."""
    rows, columns = np.nonzero(footprint.inside)
    y, x = rows + footprint.box[0].start, columns + footprint.box[1].start
    found = mosaic.wcs.all_world2pix(*sky.all_pix2world(x, y, 0), 0)
    ny, nx = mosaic.after.shape
    parts = []
    for values, size in zip(found[::-1], (ny, nx), strict=True):
        start = max(0, int(np.floor(values.min())))
        stop = min(size, int(np.ceil(values.max())) + 1)
        if start >= stop:
            return None
        parts.append(slice(start, stop))
    return parts[0], parts[1]


def _inside(footprint: Footprint, sky: Any, mosaic: Mosaic, box: Box) -> NDArray[np.bool_]:
    """Return which pixels of a box of the mosaic lie in a shower."""
    rows, columns = box
    y, x = np.mgrid[rows, columns]
    ra, dec = mosaic.wcs.all_pix2world(x.ravel(), y.ravel(), 0)
    found = sky.all_world2pix(ra, dec, 0, quiet=True)
    # A pixel of the mosaic belongs to the pixel of the exposure that its middle falls in.
    in_box = [
        np.rint(values).astype(int) - part.start
        for values, part in zip(found[::-1], footprint.box, strict=True)
    ]
    height, width = footprint.inside.shape
    is_within = (in_box[0] >= 0) & (in_box[0] < height) & (in_box[1] >= 0) & (in_box[1] < width)
    inside = np.zeros(x.size, bool)
    inside[is_within] = footprint.inside[in_box[0][is_within], in_box[1][is_within]]
    return inside.reshape(x.shape)


def _read_mosaic(record: Record, output: Path) -> Mosaic:
    product = record.product("i2d")
    if product is None:
        raise OutputError(f"{record.exposure}: has no _i2d.fits; run the batch again")
    path = output / product.name
    after, weight, contributing, unit = _images(path)
    wcs = read_wcs(path)
    if wcs is None:
        raise OutputError(f"{path}: does not say where it lies on the sky")
    before = None
    given = record.parameters.get("grid_of")
    without = Path(given) if given else output / UNMASKED_FOLDER / product.name
    if without.is_file():
        before, _, _, _ = _images(without)
        if before.shape != after.shape:
            raise OutputError(
                f"{without}: has the shape {before.shape}, {path.name} has {after.shape}; "
                "run the batch again with --compare"
            )
    crfs = {product_root(one.name): one.name for one in record.outputs if "_crf." in one.name}
    cals = {product_root(name): name for name in product.made_from}
    return Mosaic(
        name=record.exposure,
        filter=read_setting(path).filter,
        members={root: _pointing(output / name) for root, name in {**cals, **crfs}.items()},
        after=after,
        before=before,
        weight=weight,
        contributing=contributing,
        wcs=wcs,
        unit=unit,
    )


def _pointing(path: Path) -> Pointing:
    """Return where an exposure points; what is taken as it is may lie elsewhere."""
    from astropy.io import fits

    if not path.is_file():
        return Pointing(sky=None, image_shape=(0, 0))
    header = fits.getheader(path, "SCI")
    return Pointing(sky=read_wcs(path), image_shape=(header["NAXIS2"], header["NAXIS1"]))


def _images(
    path: Path,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8], str]:
    """Return a mosaic, its weight, the number of exposures in each pixel, and its unit."""
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            image = hdus["SCI"].data.astype(np.float32)
            weight = hdus["WHT"].data.astype(np.float32)
            context = np.atleast_3d(hdus["CON"].data.T).T
            unit = str(hdus["SCI"].header.get("BUNIT", ""))
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise OutputError(f"{path}: can't be read as a mosaic of jwst ({error})") from error
    count = np.bitwise_count(context.astype(np.int32).view(np.uint32)).sum(axis=0)
    image[weight == 0] = np.nan
    return image, weight, count.astype(np.uint8), unit
