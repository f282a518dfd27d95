"""The cost of a mask: pixels, and exposure time of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from showermask.exposure.product import Exposure
from showermask.masking.footprint import Footprint
from showermask.messages import counted
from showermask.regionfile.content import count_by_section, counts_text

__all__ = [
    "Cost",
    "Coverage",
    "count_samples",
    "has_rate_left",
    "measure",
    "pixels_text",
    "time_lost",
]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The part of an exposure that a mask covers.

    Parameters
    ----------
    counts : mapping of str to int
        Number of entries by section of the region file.
    pixels : int
        Number of masked pixels of an image; one that is masked in several integrations counts
        once.
    integration_pixels : int
        The same, with each pixel counted once for each integration in which it is masked.
    fraction : float
        Masked fraction of the image, in the integration where it is largest.
    """

    counts: Mapping[str, int]
    pixels: int
    integration_pixels: int
    fraction: float

    @property
    def showers(self) -> int:
        """Number of showers."""
        return self.counts["showers"]

    @property
    def others(self) -> int:
        """Number of entries that are no showers."""
        return sum(self.counts.values()) - self.showers

    def entries_text(self) -> str:
        """Return the number of entries, in words."""
        return counts_text(self.counts)

    def pixels_text(self) -> str:
        """Return the number of pixels, in words."""
        return pixels_text(self.pixels, self.integration_pixels)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The part of an exposure that is lost with a mask.

    Parameters
    ----------
    samples : float
        Masked fraction of all samples (pixels of single groups) of a ramp, of all pixels of
        rateints or a rate.
    seconds : float or None
        Exposure time in s that a masked pixel loses, on average; None where the header does not
        tell, 0 where nothing is masked.
    """

    samples: float
    seconds: float | None

    @classmethod
    def of_footprints(
        cls, footprints: Sequence[Footprint], exposure: Exposure, coverage: Coverage
    ) -> Cost:
        """Return the cost of a mask, made for the shape of an exposure, of known coverage."""
        samples = count_samples(footprints, exposure.shape)
        seconds = exposure.sample_time
        if seconds is not None:
            seconds *= samples / (coverage.integration_pixels or 1)
        return cls(samples=samples / math.prod(exposure.shape), seconds=seconds)


def pixels_text(pixels: int, integration_pixels: int) -> str:
    """Return a number of masked pixels, and of those of all integrations, as in `Coverage`."""
    in_all = f" ({integration_pixels} in all integrations)" if integration_pixels != pixels else ""
    return counted(pixels, "pixel") + in_all


def measure(footprints: Sequence[Footprint], shape: tuple[int, ...]) -> Coverage:
    """Count the distinct pixels of a mask in a plane of a shape that ends in ``(ny, nx)``."""
    image = np.zeros(shape[-2:], bool)
    by_integration = [_count_union(image, group) for _, group in _by_integration(footprints)]
    entries = {id(footprint.entry): footprint.entry for footprint in footprints}
    return Coverage(
        counts=count_by_section(entries.values()),
        pixels=_count_union(image, footprints) if len(by_integration) > 1 else sum(by_integration),
        integration_pixels=sum(by_integration),
        fraction=max(by_integration, default=0) / image.size,
    )


def count_samples(footprints: Sequence[Footprint], shape: tuple[int, ...]) -> int:
    """Count the distinct samples (pixels of single groups) of a plane that a mask covers."""
    image = np.zeros(shape[-2:], bool)
    total = 0
    for _, group in _by_integration(footprints):
        members = list(group)
        edges = sorted({edge for m in members for edge in (m.groups.start, m.groups.stop)})
        for start, stop in pairwise(edges):
            active = [m for m in members if m.groups.start <= start and stop <= m.groups.stop]
            total += (stop - start) * _count_union(image, active)
    return total


def time_lost(footprint: Footprint, exposure: Exposure) -> float | None:
    """Return the exposure time in s that each pixel of an entry loses, None if not known."""
    sample_time = exposure.sample_time
    return None if sample_time is None else footprint.ngroups * sample_time


def has_rate_left(groups: slice, ngroups: int) -> bool:
    """Tell whether the ramp fit finds a slope before or after the masked groups of a MIRI ramp.

    The first and the last group of MIRI ramps are not used anyway (``rscd``, ``lastframe``), and a
    slope needs two groups in a row.
    """
    before: int = groups.start - 1
    after: int = ngroups - 1 - groups.stop
    return max(before, after) >= 2


def _by_integration(
    footprints: Sequence[Footprint],
) -> Iterator[tuple[int, Iterator[Footprint]]]:
    ordered = sorted(footprints, key=lambda footprint: footprint.integration)
    return groupby(ordered, key=lambda footprint: footprint.integration)


def _count_union(image: NDArray[np.bool_], footprints: Iterable[Footprint]) -> int:
    """Count the pixels that any footprint covers; ``image`` is all False before and after."""
    touched = list(footprints)
    total = 0
    for footprint in touched:
        window = image[footprint.box]
        total += int(np.count_nonzero(footprint.inside & ~window))
        window |= footprint.inside
    for footprint in touched:
        image[footprint.box] = False
    return total
