"""Search a set of darks and flats: the order for a worker, and its result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from showermask.commands.badpixels.inputs import ExposureSet
from showermask.defects.darks import search_darks
from showermask.defects.flats import search_flats
from showermask.defects.found import FoundPixels
from showermask.defects.options import DarkOptions, FlatOptions
from showermask.exceptions import ExposureError, ShowermaskError
from showermask.exposure.images import ImageReader

__all__ = ["MAX_FRACTION", "SearchResult", "SearchTask"]

#: Largest part of a frame that may be found bad.
MAX_FRACTION = 0.05
#: Options of kinds that have no threshold that is one number.
_OTHER_OPTIONS = {"saturated": "--saturated-fraction", "telegraph": "--telegraph-likelihood"}


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The bad pixels of a set."""

    exposures: ExposureSet
    #: One for each kind that was looked for.
    found: tuple[FoundPixels, ...] = ()
    #: Rows and columns of the exposures, and their place in the detector.
    image_shape: tuple[int, int] = (0, 0)
    corner: tuple[int, int] = (0, 0)
    #: Why there is none.
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SearchTask:
    """The order to search a set; see `showermask.workers.task.Task`."""

    exposures: ExposureSet
    dark_options: DarkOptions
    flat_options: FlatOptions
    threads: int = 1
    run_id: str = ""
    peak_memory: float = field(default=600e6)

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.exposures.name

    def run(self) -> SearchResult:
        """Search the set; raise nothing."""
        try:
            return self._run()
        except ShowermaskError as error:
            return SearchResult(exposures=self.exposures, problems=tuple(error.problems))
        except Exception as error:  # noqa: BLE001  # a worker raises nothing
            text = f"{self.name}: can't be searched ({type(error).__name__}: {error})"
            return SearchResult(exposures=self.exposures, problems=(text,))

    def given_up(self, error: str) -> SearchResult:
        """Return the result of a search whose workers died."""
        return SearchResult(exposures=self.exposures, problems=(f"{self.name}: {error}",))

    def _run(self) -> SearchResult:
        darks = [ImageReader(path) for path in self.exposures.darks]
        flats = [ImageReader(path) for path in self.exposures.flats]
        if darks and flats:
            _check_same_part(darks[0], flats[0], self.name)
        found: list[FoundPixels] = []
        if darks:
            found += search_darks(darks, self.dark_options, threads=self.threads)
        if flats:
            found += search_flats(flats, self.flat_options)
        exposure = (darks or flats)[0].exposure
        ExposureError.check_none(list(_too_many(found, exposure.image_shape, self.name)))
        return SearchResult(
            exposures=self.exposures,
            found=tuple(found),
            image_shape=exposure.image_shape,
            corner=exposure.corner,
        )


def _check_same_part(dark: ImageReader, flat: ImageReader, name: str) -> None:
    one, other = dark.exposure, flat.exposure
    if (one.image_shape, one.corner) != (other.image_shape, other.corner):
        raise ExposureError(
            f"{name}: darks are {one.subarray} {one.image_shape}, flats {other.subarray} "
            f"{other.image_shape}, expected the same part of the detector"
        )


def _too_many(
    found: Sequence[FoundPixels], image_shape: tuple[int, int], name: str
) -> Iterator[str]:
    """Yield kinds that would be found in too large a part of the frame."""
    for one in found:
        part = len(one) / (image_shape[0] * image_shape[1])
        if part > MAX_FRACTION:
            advice = f"raise {_OTHER_OPTIONS.get(one.kind.name, 'its threshold')}"
            if one.threshold is not None:
                advice = one.threshold.advice
            yield (
                f"{name}: {part:.1%} of the frame would be {one.kind.name}, expected at most "
                f"{MAX_FRACTION:.0%}; look at the exposures, or {advice}"
            )
