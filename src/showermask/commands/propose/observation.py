"""When and where on a detector an exposure was taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from showermask.exceptions import ExposureError
from showermask.exposure.product import Exposure

__all__ = ["Observation", "read_observation"]

_SECONDS_OF_A_DAY = 86400.0
_CORNER = ("SUBSTRT2", "SUBSTRT1")  # row, column
_LAST_DAY = 1e6  # MJD


@dataclass(frozen=True, kw_only=True)
class Observation:
    """An exposure, and when and where on the detector it was taken.

    Parameters
    ----------
    path : Path
        Its file.
    exposure : Exposure
        Its facts.
    detector : str
        Name of the detector.
    instrument, filter : str or None
        Of the header.
    start, end : float
        Time in s.
    corner : tuple of int
        Row and column of its first pixel on the detector, from 1.
    """

    path: Path
    exposure: Exposure
    detector: str
    instrument: str | None
    filter: str | None
    start: float
    end: float
    corner: tuple[int, int]

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns of the detector that the exposure covers."""
        rows, columns = (
            slice(first, first + size)
            for first, size in zip(self.corner, self.exposure.image_shape, strict=True)
        )
        return rows, columns

    def seconds_after(self, source: Observation) -> float:
        """Return the time from the end of an earlier exposure to the start of this one, in s."""
        return max(0.0, self.start - source.end)


def read_observation(path: Path, exposure: Exposure) -> Observation:
    """Read when and where an exposure was taken.

    Parameters
    ----------
    path : Path
        The file.
    exposure : Exposure
        Its facts.

    Returns
    -------
    Observation
        What its header says.

    Raises
    ------
    ExposureError
        When the header does not say it.
    """
    header = fits.getheader(path)
    detector = header.get("DETECTOR")
    start, end = header.get("EXPSTART"), header.get("EXPEND")
    corner = [header.get(key, 1) for key in _CORNER]
    problems = [] if isinstance(detector, str) else [f"DETECTOR is {detector!r}"]
    for key, day in (("EXPSTART", start), ("EXPEND", end)):
        if not isinstance(day, float | int) or isinstance(day, bool) or not 0 < day < _LAST_DAY:
            problems.append(f"{key} is {day!r}")
    if not problems and end < start:
        problems.append(f"EXPEND is {end}, before EXPSTART")
    problems += [
        f"{k} is {v!r}" for k, v in zip(_CORNER, corner, strict=True) if type(v) is not int
    ]
    if problems:
        raise ExposureError(
            f"{path}: {'; '.join(problems)}: expected what says when (MJD) and where on the "
            "detector it was taken"
        )
    texts = [header.get(key) for key in ("INSTRUME", "FILTER")]
    instrument, name = (text if isinstance(text, str) else None for text in texts)
    return Observation(
        path=path,
        exposure=exposure,
        detector=str(detector),
        instrument=instrument,
        filter=name,
        start=float(start) * _SECONDS_OF_A_DAY,
        end=float(end) * _SECONDS_OF_A_DAY,
        corner=(int(corner[0]), int(corner[1])),
    )
