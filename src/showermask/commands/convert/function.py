"""The function ``showermask.convert``."""

from __future__ import annotations

import os
from pathlib import Path

from showermask.commands.convert.conversion import convert_file
from showermask.commands.convert.options import ConvertOptions
from showermask.exposure.product import Exposure, describe_file

__all__ = ["convert"]


def convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    from_format: str | None = None,
    to_format: str | None = None,
    exposure: str | os.PathLike[str] | Exposure | None = None,
    integration: int | None = None,
    group: int | None = None,
    last_group: int | None = None,
    origin: int | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Convert a file into a region file, or a region file into another.

    Parameters
    ----------
    source, output : str or path
        The file, and the one to make; one of them is a region file.
    from_format, to_format : str, optional
        Their formats (``ds9``, ``ecsv``, ``mask`` …, as the command has them); by their suffixes
        without it.
    exposure : str, path or Exposure, optional
        What the regions are for.
    integration, group, last_group : int, optional
        Of entries that have none, zero-based.
    origin : int, optional
        Index of the first pixel, 0 or 1, in lists of pixels.
    overwrite : bool, optional
        Whether files that exist may be replaced.

    Returns
    -------
    tuple of `~pathlib.Path`
        The files that were written.

    Raises
    ------
    ShowermaskError
        When anything can't be converted; nothing is written then.
    """
    is_described = exposure is None or isinstance(exposure, Exposure)
    options = ConvertOptions(
        exposure=exposure if is_described else describe_file(exposure),  # type: ignore[arg-type]
        path=None if is_described else Path(exposure),  # type: ignore[arg-type]
        integration=integration,
        group=group,
        last_group=last_group,
        origin=origin,
        overwrite=overwrite,
    )
    converted = convert_file(
        Path(source), Path(output), options, from_format=from_format, to_format=to_format
    )
    return converted.files
