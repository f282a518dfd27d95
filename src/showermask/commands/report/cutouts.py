"""Cutouts around a shower: evidence, rates before and after the mask, flags; its light curve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import EntryError
from showermask.exposure.dq import DO_NOT_USE
from showermask.exposure.images import ImageReader
from showermask.exposure.names import product_root
from showermask.files import is_file
from showermask.glow.evidence import Evidence
from showermask.glow.quicklook import MaskedPlaces, estimate_rate
from showermask.glow.shower_model import ShowerModel
from showermask.glow.without import residual_evidence
from showermask.masking.footprint import Footprint
from showermask.regionfile.entry import Box, box_within, grow_box

__all__ = ["Curve", "Cutout", "RateSource", "cut_out"]

_MARGIN = 0.6  # of the shower's extent, on each side
_LEAST_MARGIN = 8  # pixels
#: Pixels around a cutout from which the level and the noise of the evidence are told.
_SURROUNDINGS = 60
_ESTIMATE = "mean of the usable differences"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A light curve in DN/s (DN without a group time).

    Parameters
    ----------
    values, errors : `numpy.ndarray`
        ``(n,)``; NaN where unknown.
    model : `numpy.ndarray` or None
        The glow that fits, likewise.
    first : int
        Group or integration of the first value.
    is_of_groups : bool
        Whether it goes over groups, or over integrations.
    unit : str
        Of the values.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    model: NDArray[np.float64] | None
    first: int
    is_of_groups: bool
    unit: str


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """The surroundings of one shower, arrays of ``(rows, columns)``.

    Parameters
    ----------
    box : tuple of slice
        Rows and columns of the frame.
    evidence : `numpy.ndarray`
        Evidence in sigma; or, where there is none for an entry, a difference or the image itself.
    evidence_title, evidence_unit : str
        Which it is, and its unit.
    curve : Curve or None
        The light curve, where there is one.
    before : `numpy.ndarray` or None
        Rate of the shower's integration, NaN where there is none; None where it can't be had.
    before_title : str
        Where it comes from.
    after : `numpy.ndarray` or None
        That rate with the mask.
    after_title : str
        Where it comes from.
    dq : `numpy.ndarray`
        Flags with the mask.
    dq_title : str
        Which they are.
    residual : `numpy.ndarray` or None
        Evidence of the ramp without the light of the shower, where that is taken out.
    """

    box: Box
    evidence: NDArray[np.float32]
    evidence_title: str
    evidence_unit: str
    curve: Curve | None
    before: NDArray[np.float32] | None
    before_title: str
    after: NDArray[np.float32] | None
    after_title: str
    dq: NDArray[np.unsignedinteger]
    dq_title: str
    residual: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class RateSource:
    """The rates of an exposure on disk."""

    #: Rateints or rate without and with the mask.
    before: Path | None = None
    after: Path | None = None

    @classmethod
    def near(cls, exposure: Path, output: Path | None) -> RateSource:
        """Look for rates beside an exposure and in the output of a batch."""
        return cls(
            before=_rate_file(exposure, exposure.parent),
            after=None if output is None else _rate_file(exposure, output),
        )


def cut_out(
    reader: ImageReader,
    footprint: Footprint,
    masked: MaskedPlaces,
    rates: RateSource,
    model: ShowerModel | None = None,
) -> Cutout:
    """Cut out the surroundings of a shower; without its light, where there is a model of it."""
    box = _padded(footprint, reader.exposure.image_shape)
    where = footprint.integration
    # A first group tells little by itself, and is flagged all over.
    group = footprint.groups.start or min(1, footprint.ngroups - 1)
    image, title, unit, curve = _evidence(reader, footprint, group, box)
    if reader.exposure.is_ramp:
        before = estimate_rate(reader, where, box)
        after = estimate_rate(reader, where, box, masked)
        before_title = after_title = _ESTIMATE
        if model is not None and before is not None:
            after = before - model.mean_rate(reader.exposure.group_time or 1.0, box)
            after_title = f"{_ESTIMATE}, light taken out"
    else:
        before = reader.window(where, 0, box)
        before[(reader.dq_window(where, 0, box) & DO_NOT_USE) > 0] = np.nan
        lost = masked.bits(where, 0, box) > 0
        after = np.where(lost, np.float32(np.nan), before)
        before_title = after_title = _kind(reader.path)
    # Rates are compared with rates: an estimate is not as good as either.
    if rates.before is not None and rates.after is not None:
        before, before_title = _rate(rates.before, where, box), _kind(rates.before)
        after, after_title = _rate(rates.after, where, box), _kind(rates.after)
    dq = reader.dq_window(where, group, box) | masked.bits(where, group, box)
    return Cutout(
        box=box,
        evidence=image,
        evidence_title=title,
        evidence_unit=unit,
        curve=curve,
        before=before,
        before_title=before_title,
        after=after,
        after_title=after_title,
        dq=dq,
        dq_title=f"flags, group {group}" if reader.exposure.is_ramp else "flags",
        residual=None if model is None else _residual(reader, footprint, model, box),
    )


def _padded(footprint: Footprint, image_shape: tuple[int, int]) -> Box:
    """Return the box of a shower with a margin, clipped to the frame."""
    padded = []
    for part, size in zip(footprint.box, image_shape, strict=True):
        margin = max(_LEAST_MARGIN, round(_MARGIN * (part.stop - part.start) / 2))
        padded.append(slice(max(0, part.start - margin), min(size, part.stop + margin)))
    return padded[0], padded[1]


def _evidence(
    reader: ImageReader, footprint: Footprint, group: int, box: Box
) -> tuple[NDArray[np.float32], str, str, Curve | None]:
    """Return the evidence for an entry, its title and unit, and the light curve."""
    exposure, where = reader.exposure, footprint.integration
    try:
        evidence = Evidence.of_entry(reader, footprint.entry, integration=where)
        # Level and noise are told by what is around.
        wide = grow_box(box, _SURROUNDINGS, exposure.image_shape)
        image = evidence.image(box=wide)
    except EntryError:
        return *_difference(reader, where, group, box), None
    title = f"evidence, smoothed {evidence.smoothing:g} px"
    return image[box_within(box, wide)], title, "σ", _curve(evidence, exposure.group_time)


def _residual(
    reader: ImageReader, footprint: Footprint, model: ShowerModel, box: Box
) -> NDArray[np.float32] | None:
    """Return the evidence of a ramp without the light of a shower."""
    try:
        evidence = Evidence.of_entry(reader, footprint.entry)
        left = residual_evidence(reader, evidence, footprint.entry, [model])
        wide = grow_box(box, _SURROUNDINGS, reader.exposure.image_shape)
        return left.image(box=wide)[box_within(box, wide)]
    except EntryError:
        return None


def _curve(evidence: Evidence, group_time: float | None) -> Curve | None:
    measured, fit = evidence.curve, evidence.fit
    if measured is None:
        return None
    scale = 1 / group_time if fit is not None and group_time else 1.0
    return Curve(
        values=measured.values * scale,
        errors=measured.errors * scale,
        model=None if fit is None else (fit.glow + fit.level) * scale,
        first=0 if fit is None else 1,
        is_of_groups=fit is not None,
        unit="DN" if fit is not None and not group_time else "DN/s",
    )


def _difference(
    reader: ImageReader, integration: int, group: int, box: Box
) -> tuple[NDArray[np.float32], str, str]:
    _, ngroups = reader.stack_shape
    if ngroups < 2:
        return reader.window(integration, 0, box), "image", "DN/s"
    later = max(group, 1)
    difference = reader.window(integration, later, box) - reader.window(integration, later - 1, box)
    return difference, f"group {later} − group {later - 1}", "DN"


def _rate(path: Path, integration: int, box: Box) -> NDArray[np.float32]:
    with ImageReader(path) as reader:
        which = integration if reader.exposure.product.is_rateints else 0
        rate = reader.window(which, 0, box)
        rate[(reader.dq_window(which, 0, box) & DO_NOT_USE) > 0] = np.nan
    return rate


def _kind(path: Path) -> str:
    """Return what a file is called after its root: all that the title of a picture has room for."""
    return path.name.removeprefix(product_root(path))


def _rate_file(exposure: Path, folder: Path) -> Path | None:
    root = product_root(exposure)
    paths = (folder / f"{root}_{kind}.fits" for kind in ("rateints", "rate"))
    return next((path for path in paths if is_file(path)), None)
