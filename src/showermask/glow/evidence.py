"""The evidence for an entry: its light curve, and the image in which its glow stands out most."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import EntryError
from showermask.exposure.dq import DO_NOT_USE
from showermask.exposure.images import ImageReader
from showermask.exposure.models import ModelImages
from showermask.exposure.product import Exposure
from showermask.glow.differences import NEVER_GOOD, Images, medians
from showermask.glow.light_curve import (
    Aperture,
    GlowFit,
    LightCurve,
    fit_glow,
    measure_light_curve,
    measure_rates,
)
from showermask.glow.matched_filter import combine, make_template
from showermask.glow.significance import to_sigma
from showermask.regionfile.entry import Box, Entry

__all__ = ["Evidence", "evidence"]

#: Smoothing as a part of the radius of the entry, and its limits in pixels.
_SMOOTHING, _LEAST_SMOOTHING, _MOST_SMOOTHING = 0.35, 1.0, 4.0
#: Integrations that one of rateints is compared with, at most.
_OTHERS = 15


class ExposureImages(Images, Protocol):
    """An exposure that is read image by image: an `ImageReader`, or a `ModelImages`."""

    @property
    def exposure(self) -> Exposure:
        """Its facts."""


#: Makes an image and the brightness of its pixels, of part of an exposure.
_Combine = Callable[[Box], tuple[NDArray[np.float32], NDArray[np.float32]]]


def evidence(
    exposure: str | os.PathLike[str] | Any, entry: Entry, *, smoothing: float | None = None
) -> NDArray[np.float32]:
    """Return the image in which the glow of an entry stands out most.

    Parameters
    ----------
    exposure : str, path or datamodel
        A ramp (``_jump``, ``_ramp``, ``_uncal``), rateints or a rate: a FITS file, or an open
        model of `stdatamodels.jwst.datamodels`. It is only read.
    entry : Shower or Polygon
        Where the glow is, and which groups of which integration it spoils. Of a ramp, its ``group``
        is taken for the onset; how fast the glow decays is fitted.
    smoothing : float, optional
        Standard deviation of a Gaussian in pixels, 0 to 4; by default a third of the radius of the
        entry, 1 to 4.

    Returns
    -------
    `numpy.ndarray`
        ``(ny, nx)`` float32: the evidence in units of the noise of what is shown; NaN where
        nothing is known.

    Raises
    ------
    EntryError
        When the entry has no group or integration, lies outside the exposure, or leaves no usable
        groups without its light.
    ExposureError
        When the exposure can't be read.

    Notes
    -----
    Of a ramp, every pixel is filtered with the matched filter for the fitted light curve and the
    noise of the exposure, orthogonal to a constant rate: the image is what each pixel has in the
    course of the glow, beyond what it has all the time. Of rateints, an integration less the median
    of others; of a rate, the image itself. Rows are levelled; the noise depends on the brightness.
    """
    if smoothing is not None and not 0 <= smoothing <= _MOST_SMOOTHING:
        raise ValueError(f"smoothing is {smoothing}, expected 0 to {_MOST_SMOOTHING:g} pixels")
    is_path = isinstance(exposure, str | os.PathLike)
    with ImageReader(exposure) if is_path else ModelImages(exposure) as images:
        return Evidence.of_entry(images, entry).image(smoothing=smoothing)


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """The evidence for one entry.

    Parameters
    ----------
    integration : int
        The integration that was looked at.
    aperture : Aperture
        The pixels of the entry, and those around it.
    curve : LightCurve or None
        Of a ramp over differences, of rateints over integrations; of a rate there is none.
    fit : GlowFit or None
        The glow that fits the light curve of a ramp.
    image_shape : tuple of int
        Rows and columns of images.
    combined : callable
        Makes the image and the brightness of a box.
    """

    integration: int
    aperture: Aperture
    curve: LightCurve | None
    fit: GlowFit | None
    image_shape: tuple[int, int]
    combined: _Combine

    @classmethod
    def of_entry(
        cls,
        images: ExposureImages,
        entry: Entry,
        *,
        integration: int | None = None,
        course: NDArray[np.float64] | None = None,
    ) -> Evidence:
        """Gather the evidence for an entry.

        Parameters
        ----------
        images : ExposureImages
            The exposure.
        entry : Entry
            The entry.
        integration : int, optional
            Another integration than that of the entry.
        course : `numpy.ndarray`, optional
            ``(ndiff,)``: what to look for in a ramp, in place of the glow that fits.

        Returns
        -------
        Evidence
            The evidence.
        """
        exposure = images.exposure
        found = [f"{name} {text}" for name, text in entry.outside(vars(entry), exposure)]
        EntryError.check_none(found)
        where = integration if integration is not None else entry.integration
        if exposure.product.is_rate:
            where = 0
        if where is None or (exposure.is_ramp and not hasattr(entry, "group")):
            raise EntryError(
                f"{entry.location}: is bad in all groups of all integrations, expected an entry "
                "with an integration and a group"
            )
        if exposure.is_ramp:
            return cls.of_ramp(images, exposure.image_shape, entry, where, course=course)
        aperture = Aperture.of_entry(entry, exposure.image_shape)
        curve = None
        if exposure.product.is_rateints:
            curve = measure_rates(images, aperture)
        return cls(
            integration=where,
            aperture=aperture,
            curve=curve,
            fit=None,
            image_shape=exposure.image_shape,
            combined=partial(_against_others, images, where),
        )

    @classmethod
    def of_ramp(
        cls,
        images: Images,
        image_shape: tuple[int, int],
        entry: Entry,
        integration: int,
        *,
        course: NDArray[np.float64] | None = None,
    ) -> Evidence:
        """Measure the light curve of an entry in a ramp, and fit its glow.

        The image is that of another ``course``, ``(ndiff,)``, if one is given.
        """
        aperture = Aperture.of_entry(entry, image_shape)
        curve = measure_light_curve(images, integration, aperture, image_shape)
        fit = fit_glow(curve, entry.groups(images.stack_shape[1]).start - 1)
        course = fit.shape if course is None else course
        return cls(
            integration=integration,
            aperture=aperture,
            curve=curve,
            fit=fit,
            image_shape=image_shape,
            combined=partial(
                _filtered,
                images,
                integration,
                entry,
                curve,
                aperture,
                fit.shape if course is None else course,
            ),
        )

    @property
    def smoothing(self) -> float:
        """The smoothing that suits the size of the entry, in pixels."""
        radius = float(np.sqrt(np.count_nonzero(self.aperture.inside) / np.pi))
        return round(float(np.clip(_SMOOTHING * radius, _LEAST_SMOOTHING, _MOST_SMOOTHING)), 1)

    def image(
        self, *, smoothing: float | None = None, box: Box | None = None
    ) -> NDArray[np.float32]:
        """Return the evidence image.

        Parameters
        ----------
        smoothing : float, optional
            Standard deviation of a Gaussian in pixels; what suits the entry by default.
        box : tuple of slice, optional
            Rows and columns, with both ends; all by default. It should be several times as large as
            the entry, whose surroundings tell level and noise.

        Returns
        -------
        `numpy.ndarray`
            ``(ny, nx)`` float32, in sigma; NaN where nothing is known.
        """
        ny, nx = self.image_shape
        box = box or (slice(0, ny), slice(0, nx))
        image, brightness = self.combined(box)
        around = np.zeros(self.image_shape, bool)
        around[self.aperture.box] = self.aperture.inside | self.aperture.ring
        return to_sigma(
            image, brightness, around[box], self.smoothing if smoothing is None else smoothing
        )


def _filtered(
    images: Images,
    integration: int,
    entry: Entry,
    curve: LightCurve,
    aperture: Aperture,
    course: NDArray[np.float64],
    box: Box,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a ramp, filtered for a course of light, and its rate."""
    template = make_template(curve, course)
    if template is None:
        raise EntryError(
            f"{entry.location}: its groups have no usable groups without its light to be "
            "compared with, expected some before or after"
        )
    return combine(images, integration, box, template, aperture)


def _against_others(
    images: ExposureImages, integration: int, box: Box
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return an integration less the median of others, and that median; or a rate itself."""
    image = _usable(images, integration, box)
    nints = images.stack_shape[0]
    others = [i for i in range(nints) if i != integration]
    if not others:
        return image, np.zeros_like(image)
    step = max(1, -(-len(others) // _OTHERS))
    cube = np.stack([_usable(images, i, box) for i in others[::step]])
    middle = medians(cube.reshape(len(cube), -1)).reshape(image.shape)
    return image - middle, np.nan_to_num(middle)


def _usable(images: ExposureImages, integration: int, box: Box) -> NDArray[np.float32]:
    """Return part of an integration, NaN where it is flagged."""
    image = images.window(integration, 0, box)
    image[(images.dq_window(integration, 0, box) & np.uint32(DO_NOT_USE | NEVER_GOOD)) > 0] = np.nan
    return image
