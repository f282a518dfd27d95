"""The region file of found pixels: an entry for each, or mask images where there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from showermask.commands.badpixels.search import SearchResult
from showermask.defects.found import FoundPixels
from showermask.defects.kinds import KINDS
from showermask.exceptions import FlagError
from showermask.exposure.dq import pixel_flags
from showermask.messages import counted
from showermask.regionfile.badpixels import BadPixels, MaskImage
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Status

__all__ = ["FlagTable", "made_regions"]

SOURCE = "badpixels"
#: More pixels of a kind than this go into mask images, by their score.
_MOST_ENTRIES = 400
#: Lowest scores of the classes of pixels that share a mask image.
_CLASSES = (100.0, 30.0, 10.0, 0.0)


@dataclass(frozen=True)
class FlagTable:
    """The flags of each kind.

    Parameters
    ----------
    values : mapping
        Names of flags by kind, where they are not the usual ones.
    do_not_use : collection of str or None
        Kinds that get DO_NOT_USE as well; the usual ones for None.
    """

    values: Mapping[str, tuple[str, ...]]
    do_not_use: frozenset[str] | None = None

    def __post_init__(self) -> None:
        known = pixel_flags()
        problems = [
            f"--flag-values: {kind} is no kind of bad pixel, expected one of {', '.join(KINDS)}"
            for kind in self.values
            if kind not in KINDS
        ]
        problems += [
            f"--do-not-use: {kind} is no kind of bad pixel, expected some of {', '.join(KINDS)}"
            for kind in sorted(self.do_not_use or ())
            if kind not in KINDS
        ]
        problems += [
            f"--flag-values: {flag} of {kind} is no flag of pixels, expected names of "
            "jwst.datamodels.dqflags.pixel"
            for kind, flags in self.values.items()
            for flag in flags
            if flag not in known
        ]
        FlagError.check_none(problems)

    def flags_of(self, kind: str) -> tuple[str, ...]:
        """Return the names of the flags of a kind."""
        flags = self.values.get(kind, KINDS[kind].flags)
        usual = KINDS[kind].is_unusable
        is_unusable = usual if self.do_not_use is None else kind in self.do_not_use
        if is_unusable and "DO_NOT_USE" not in flags:
            return (*flags, "DO_NOT_USE")
        return flags


def made_regions(
    result: SearchResult,
    table: FlagTable,
    *,
    frame_shape: tuple[int, int],
    useafter: str | None,
    is_accepted: bool,
) -> RegionFile:
    """Return the region file of the detector; its masks have images, and are to be written.

    Parameters
    ----------
    result : SearchResult
        What was found.
    table : FlagTable
        The flags of each kind.
    frame_shape : tuple of int
        Rows and columns of the whole detector.
    useafter : str or None
        Day of the first exposures that the file is for.
    is_accepted : bool
        Whether the entries need no review.

    Returns
    -------
    RegionFile
        The file.
    """
    status = Status.ACCEPTED if is_accepted else Status.CANDIDATE
    entries: list[BadPixels] = []
    stem = result.exposures.name
    for one in result.found:
        common = BadPixels(
            x=0,
            y=0,
            flags=table.flags_of(one.kind.name),
            status=status,
            source=SOURCE,
            kind=one.kind.name,
        )
        if len(one) <= _MOST_ENTRIES:
            entries += _single(one, common, result.corner)
        else:
            entries += _classes(one, common, result, frame_shape, stem)
    readpatt = result.exposures.readpatt
    return RegionFile(
        pixels=entries,
        detector=result.exposures.detector,
        readpatt=None if readpatt == "ANY" or not result.exposures.darks else readpatt,
        ngroups=result.exposures.ngroups,
        useafter=useafter,
    )


def _single(one: FoundPixels, common: BadPixels, corner: tuple[int, int]) -> list[BadPixels]:
    return [
        replace(
            common,
            x=int(one.x[k]) + corner[1],
            y=int(one.y[k]) + corner[0],
            score=round(float(one.score[k]), 1),
            comment=one.evidence(k),
        )
        for k in range(len(one))
    ]


def _classes(
    one: FoundPixels,
    common: BadPixels,
    result: SearchResult,
    frame_shape: tuple[int, int],
    stem: str,
) -> list[BadPixels]:
    """Return an entry for each class of scores, with the image of its pixels."""
    entries = []
    upper = np.inf
    for lower in _CLASSES:
        chosen = (one.score >= lower) & (one.score < upper)
        upper = lower
        if not chosen.any():
            continue
        image: NDArray[np.bool_] = np.zeros(frame_shape, bool)
        image[one.y[chosen] + result.corner[0], one.x[chosen] + result.corner[1]] = True
        seen = one.seen[chosen]
        values = one.value[chosen]
        unit = f" {one.kind.unit}" if one.kind.unit else ""
        entries.append(
            replace(
                common,
                x=None,
                y=None,
                mask=f"{stem}_{one.kind.name}_{lower:.0f}.fits",
                image=MaskImage.of_array(image),
                score=round(float(one.score[chosen].min()), 1),
                comment=(
                    f"{counted(int(chosen.sum()), f'{one.kind.name} pixel')}, in {seen.min()} to "
                    f"{seen.max()} of {one.looks} {one.noun}s, {values.min():.3g} to "
                    f"{values.max():.3g}{unit}"
                ),
            )
        )
    return entries


def all_pixels(found: Sequence[FoundPixels], image_shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of any kind, ``(ny, nx)`` bool."""
    image = np.zeros(image_shape, bool)
    for one in found:
        image[one.y, one.x] = True
    return image
