"""The errors that showermask raises on purpose.

Each message says where the problem is, what was found, what was expected and what to do. Everything
derives from `ShowermaskError`, so one ``except`` (or the command line) tells a user's mistake from
a defect of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from showermask.messages import one_line

__all__ = [
    "ClusterError",
    "ConvertError",
    "EntryError",
    "ExposureError",
    "FlagError",
    "LockedError",
    "MaskTooLargeError",
    "OutputError",
    "PixelsError",
    "PolygonError",
    "RegionFileError",
    "ShowerError",
    "ShowermaskError",
]


class ShowermaskError(ValueError):
    """A problem that the user can mend.

    Parameters
    ----------
    *problems : str
        One sentence each; all that were found. Each is kept on one line, of a length
        that people read, without control characters.

    Attributes
    ----------
    problems : tuple of str
        The sentences.
    """

    def __init__(self, *problems: str) -> None:
        self.problems: tuple[str, ...] = tuple(one_line(problem) for problem in problems)
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)

    @classmethod
    def check_none(cls, problems: Sequence[str]) -> None:
        """Raise one error with all ``problems``; return when there are none."""
        if problems:
            raise cls(*problems)


class EntryError(ShowermaskError):
    """An entry of a region file whose values make no sense."""


class ShowerError(EntryError):
    """A shower whose numbers make no sense."""


class PixelsError(EntryError):
    """Pixels that can't be masked."""


class PolygonError(EntryError):
    """A polygon whose corners make no sense."""


class RegionFileError(ShowermaskError):
    """A region file that can't be read, is not valid, or does not fit the exposure."""


class ExposureError(ShowermaskError):
    """Data that showermask does not take."""


class FlagError(ShowermaskError):
    """A data-quality flag which the plane to be written does not have."""


class MaskTooLargeError(ShowermaskError):
    """A mask that covers more of the frame than allowed."""


class ConvertError(ShowermaskError):
    """A file that can't be converted."""


class OutputError(ShowermaskError):
    """An output that would overwrite an input, or can't be written."""


class LockedError(OutputError):
    """Something that another process is at work on."""

    def __init__(self, *problems: str, by: str = "") -> None:
        super().__init__(*problems)
        self.by = by


class ClusterError(ShowermaskError):
    """The workers of a batch can't be had, or were lost."""
