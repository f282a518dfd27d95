"""What a file of another kind does not say, and whoever converts it has to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from showermask.exceptions import ConvertError
from showermask.exposure import Exposure
from showermask.regionfile import RegionFile

__all__ = ["Context"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the user says of a file.

    Parameters
    ----------
    exposure : Exposure, optional
        What the regions are for.
    integration, group, last_group : int, optional
        Of entries that have none.
    origin : int, optional
        Index of the first pixel, 0 or 1, in lists of pixels.
    is_drawn_size : bool, optional
        Whether the axes of the original tool are taken as it drew them, half of what it masked.
    path : `~pathlib.Path`, optional
        File of the exposure.
    overwrite : bool, optional
        Whether files that exist may be replaced.
    """

    exposure: Exposure | None = None
    integration: int | None = None
    group: int | None = None
    last_group: int | None = None
    origin: int | None = None
    is_drawn_size: bool = False
    path: Path | None = None
    overwrite: bool = False

    @property
    def frame(self) -> tuple[int, int] | None:
        """Rows and columns, where known."""
        return self.exposure.frame if self.exposure is not None else None

    @property
    def times(self) -> dict[str, int]:
        """Integration and groups, those that are given."""
        given = {"integration": self.integration, "group": self.group}
        given["last_group"] = self.last_group
        return {name: value for name, value in given.items() if value is not None}

    def need_frame(self, path: Path, why: str) -> tuple[int, int]:
        """Return rows and columns.

        Parameters
        ----------
        path : `~pathlib.Path`
            The file, for the message.
        why : str
            What they are needed for.

        Returns
        -------
        tuple of int
            Rows and columns.

        Raises
        ------
        ConvertError
            When the exposure was not given.
        """
        if self.frame is None:
            raise ConvertError(f"{path}: {why}, for which the frame is needed; give --exposure")
        return self.frame

    def empty(self) -> RegionFile:
        """Return a region file without entries: for the exposure, if it is known."""
        if self.exposure is None:
            return RegionFile(showers=())
        return RegionFile.for_exposure(self.exposure)
