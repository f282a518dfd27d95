"""The mask: what a region file sets in a plane of an exposure, and every reason to refuse it.

The step, the drop-in pipeline, check, batch (run and dry run), the report and the review page ask
the same plan, so that none of them takes what another one refuses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import MaskTooLargeError, RegionFileError
from showermask.exposure.dq import known_flags, pixel_flags
from showermask.exposure.product import Exposure
from showermask.masking.cost import Cost, Coverage, measure
from showermask.masking.footprint import Footprint, are_set, find_footprints, set_bits
from showermask.masking.lone_groups import flag_lone_groups
from showermask.masking.refusals import (
    Refusals,
    add_refusals,
    file_remarks,
    more_problems,
    off_the_image,
)
from showermask.regionfile.content import RegionFile, combined_fingerprint
from showermask.regionfile.entry import Entry
from showermask.regionfile.reader import InvalidRegionFileError, Values, read_regions

__all__ = ["DEFAULT_FLAGS", "MAX_MASKED_FRACTION", "Mask"]

#: Both are needed: JUMP_DET keeps the mask visible in the rate's DQ, DO_NOT_USE keeps the masked
#: groups out of the fit also where fewer than two usable groups come before the shower.
DEFAULT_FLAGS = ("JUMP_DET", "DO_NOT_USE")

#: The largest shower that the pipeline itself allows (radius 200 pixels) takes 12 % of an image.
MAX_MASKED_FRACTION = 0.5


@dataclass(frozen=True)
class Mask:
    """A region file, planned for an exposure.

    Parameters
    ----------
    region_file : RegionFile
        The region file.
    exposure : Exposure
        The exposure.
    footprints : tuple of Footprint
        The accepted entries in the plane of the exposure, with their bits.
    default_flags : tuple of str
        Names of the flags of entries that name none.
    detector_file : RegionFile or None
        The bad pixels of the detector, which are masked as well.
    """

    region_file: RegionFile
    exposure: Exposure
    footprints: tuple[Footprint, ...]
    default_flags: tuple[str, ...]
    detector_file: RegionFile | None = None

    @classmethod
    def plan(
        cls,
        region_file: RegionFile,
        exposure: Exposure,
        *,
        default_flags: Sequence[str] = DEFAULT_FLAGS,
        max_masked_fraction: float = MAX_MASKED_FRACTION,
        subtracted: Collection[str] = (),
        detector_file: RegionFile | None = None,
    ) -> Mask:
        """Plan the mask of a region file in the plane of an exposure.

        Parameters
        ----------
        region_file : RegionFile
            The region file; its accepted entries are masked.
        exposure : Exposure
            The exposure.
        default_flags : sequence of str, optional
            Names of the flags of entries that name none.
        max_masked_fraction : float, optional
            Largest part of an image that may be masked, 0 to 1.
        subtracted : collection of str, optional
            Fingerprints of entries whose light was taken out of the exposure: they are not masked
            if they ask for that.
        detector_file : RegionFile, optional
            The bad pixels of the detector, masked as well.

        Returns
        -------
        Mask
            The plan.

        Raises
        ------
        ShowermaskError
            With everything for which the mask is refused, each with its place in the file: the
            file is of another exposure, an entry lies outside the exposure or covers no pixel, a
            flag is not known, too much of an image is masked. A problem that stands alone is
            of its own class, such as `~showermask.exceptions.FlagError`.
        """
        has_both = detector_file is not None and region_file.detector is None
        files = [region_file, *([detector_file] if detector_file and has_both else [])]
        refusals = Refusals(region_file.name)
        chosen: list[Entry] = []
        bits: list[int] = []
        cut = []
        for file in files:
            of_file = Refusals(file.name)
            of_file.add(RegionFileError, file.mismatches(exposure))
            own = file.cut_to(exposure)
            cut.append(own)
            if exposure.is_ramp:
                own = own.only_with_flags(known_flags(exposure.product), pixel_flags())
            accepted = _applied(own, exposure, of_file, subtracted)
            chosen += accepted
            bits += of_file.bits_of(accepted, own, exposure, default_flags)
            refusals.take(of_file)
        footprints = find_footprints(chosen, exposure.shape, bits)
        mask = cls(cut[0], exposure, tuple(footprints), tuple(default_flags), *cut[1:])
        off = (f.entry for f in mask._first_footprints.values() if not f.inside.any())
        refusals.add(
            RegionFileError,
            (f"{mask.key_of(entry)} {off_the_image(entry, exposure)}" for entry in off),
        )
        refusals.add(MaskTooLargeError, mask._too_large(max_masked_fraction))
        refusals.check_none()
        return mask

    @classmethod
    def read(cls, path: Path, exposure: Exposure, **parameters: Any) -> Mask:
        """Read a region file and plan its mask; all problems of both are raised together.

        The parameters are those of `plan`.
        """
        try:
            region_file = read_regions(path)
        except InvalidRegionFileError as error:
            raise RegionFileError(*error.problems, *more_problems(error, exposure)) from error
        return cls.plan(region_file, exposure, **parameters)

    def apply(self, plane: NDArray[np.unsignedinteger]) -> int:
        """OR the bits of the mask into the plane of its exposure.

        Parameters
        ----------
        plane : `numpy.ndarray`
            ``groupdq`` (uint8) or ``dq`` (uint32), of the exposure's shape. Modified in place.

        Returns
        -------
        int
            Number of lone groups that were flagged; see `flag_lone_groups`.
        """
        set_bits(plane, self.footprints, self._bits)
        if not self.exposure.is_ramp:
            return 0
        return flag_lone_groups(plane, self.footprints, self._bits)

    def apply_pixel_flags(self, plane: NDArray[np.uint32]) -> bool:
        """OR the flags of the bad pixels of the detector into the PIXELDQ of a ramp.

        Parameters
        ----------
        plane : `numpy.ndarray`
            ``(ny, nx)`` uint32. Modified in place.

        Returns
        -------
        bool
            Whether anything was changed.
        """
        files = [file for file in (self.region_file, self.detector_file) if file is not None]
        before = plane.copy()
        known = pixel_flags()
        for file in files:
            for entry in file.accepted if file.detector is not None else ():
                names = [name.upper() for name in entry.flags or self.default_flags]
                bits = sum({known[name] for name in names if name in known})
                box, inside = entry.pixels(self.exposure.image_shape)
                plane[box] |= inside * np.uint32(bits)
        return not np.array_equal(before, plane)

    def is_applied(self, plane: NDArray[np.unsignedinteger]) -> bool:
        """Tell whether a plane has all bits of the mask already.

        Parameters
        ----------
        plane : `numpy.ndarray`
            As in `apply`, but only read.

        Returns
        -------
        bool
            Whether `apply` would change no masked pixel.
        """
        return are_set(plane, self.footprints, self._bits)

    @cached_property
    def coverage(self) -> Coverage:
        """The pixels of the mask."""
        return measure(self.footprints, self.exposure.shape)

    @cached_property
    def cost(self) -> Cost:
        """The exposure time that is lost with the mask."""
        return Cost.of_footprints(self.footprints, self.exposure, self.coverage)

    @property
    def masked(self) -> tuple[Entry, ...]:
        """The entries that are masked, in the order of the file, those of the detector last."""
        return tuple(footprint.entry for footprint in reversed(self._first_footprints.values()))

    def footprint_of(self, entry: Entry) -> Footprint:
        """Return the footprint of an accepted entry, the first of several integrations."""
        return self._first_footprints[id(entry)]

    def remarks(self) -> Iterator[str]:
        """Yield what the reviewer may not have meant."""
        yield from file_remarks(self.region_file)
        if self.detector_file is not None:
            yield from file_remarks(self.detector_file)
        names = {
            flag.upper() for f in self.footprints for flag in f.entry.flags or self.default_flags
        }
        if self.exposure.is_ramp and self.footprints and "DO_NOT_USE" not in names:
            yield (
                f"{self.exposure.name}: masked without DO_NOT_USE; masks of the first groups will "
                "spoil the rate"
            )
        nints = self.exposure.nints or 1
        if self.exposure.product.is_rate and self.footprints and nints > 1:
            yield (
                f"{self.exposure.name}: this rate is made of {nints} integrations, and masked "
                "pixels are lost to all; mask the ramp or the rateints to lose only the "
                "integrations with a shower"
            )

    @property
    def fingerprint(self) -> str | None:
        """Hash of the region file, and of the file of the detector if there is one."""
        return combined_fingerprint(self.region_file, self.detector_file)

    def key_of(self, entry: Entry) -> str:
        """Return the place of an entry in its file; with the name of the file if it is another."""
        try:
            return self.region_file.key_of(entry)
        except ValueError:
            if self.detector_file is None:
                raise
            return f"{self.detector_file.name}: {self.detector_file.key_of(entry)}"

    @property
    def _bits(self) -> list[int]:
        return [footprint.bits for footprint in self.footprints]

    @cached_property
    def _first_footprints(self) -> dict[int, Footprint]:
        return {id(footprint.entry): footprint for footprint in reversed(self.footprints)}

    def _too_large(self, limit: float) -> Iterator[str]:
        """Yield that the mask is larger than a part of an image, if it is, and the main culprit."""
        fraction = self.coverage.fraction
        if not self.footprints or fraction <= limit:  # never when the limit is not a number
            return
        largest = max(self.footprints, key=lambda footprint: footprint.pixels)
        ny, nx = self.exposure.image_shape
        yield (
            f"the mask covers {fraction:.1%} of the frame, expected at most {limit:.1%} "
            f"({self.key_of(largest.entry)} alone {largest.pixels / (nx * ny):.1%}): "
            "look for a slip in a or b (semi-axes in pixels) or in a mask, or raise "
            "max_masked_fraction"
        )


def _applied(
    region_file: RegionFile, exposure: Exposure, refusals: Refusals, subtracted: Collection[str]
) -> list[Entry]:
    """Return the entries of a file that are to be masked; refuse those that can't be."""
    chosen = []
    for entry in region_file.entries:
        values = Values.of(entry, region_file.key_of(entry))
        is_here = add_refusals(refusals, values, exposure)
        is_gone = entry.is_to_be_subtracted and entry.fingerprint in subtracted
        if is_here and entry.is_accepted and not is_gone:
            chosen.append(entry)
    return chosen
