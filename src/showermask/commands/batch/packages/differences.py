"""Differences of two products that ought to be the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.io.fits.diff import FITSDiff, HDUDiff

__all__ = ["find_differences"]

#: Keywords and columns that say when a file was written.
_TIMES = ("DATE",)
#: All metadata once more, with the same times.
_METADATA = "ASDF"
#: Times of a table in text.
_TIME = re.compile(r"date: *'?[\d-]+[T ][\d:.]+")


def find_differences(theirs: Path, ours: Path) -> list[str]:
    """Compare two products: every value of every array and table, and every keyword.

    Parameters
    ----------
    theirs, ours : Path
        FITS files, or texts.

    Returns
    -------
    list of str
        A phrase for each difference; none but those that tell when a file was written.
    """
    if theirs.suffix != ".fits":
        texts = [_TIME.sub("date", path.read_text(encoding="utf-8")) for path in (theirs, ours)]
        return [] if texts[0] == texts[1] else ["its text differs"]
    with fits.open(theirs) as one, fits.open(ours) as other:
        names = [[(hdu.name, hdu.ver) for hdu in hdus] for hdus in (one, other)]
        if names[0] != names[1]:
            return [f"has the extensions {_joined(names[1])}, not {_joined(names[0])}"]
        found = FITSDiff(
            one, other, ignore_hdus=[_METADATA], ignore_keywords=_TIMES, ignore_fields=_TIMES
        )
        return [phrase for entry in found.diff_hdus for phrase in _of_hdu(entry, one)]


def _of_hdu(entry: Any, hdus: fits.HDUList) -> Iterator[str]:
    index, found = entry[0], entry[1]
    name = hdus[index].name or "PRIMARY"
    if not isinstance(found, HDUDiff):
        yield f"{name} differs"
        return
    headers = found.diff_headers
    if headers is not None and not headers.identical:
        for keyword, values in headers.diff_keyword_values.items():
            for before, now in filter(None, values):  # cards of one keyword, None where they agree
                yield f"{keyword} is {now!r}, not {before!r}"
        gone, new = headers.diff_keywords or ((), ())
        if gone or new:
            yield f"{name} has other keywords ({', '.join(sorted({*gone, *new}))})"
    data = found.diff_data
    if data is None or data.identical:
        return
    shapes = getattr(data, "diff_dimensions", ())
    if shapes:
        yield f"{name} has the shape {shapes[1]}, not {shapes[0]}"
    elif getattr(data, "diff_total", 0):
        yield f"{name}: {data.diff_total} values ({data.diff_ratio:.1%}) differ"
    else:
        yield f"{name} differs"


def _joined(names: list[tuple[str, int]]) -> str:
    return ", ".join(name or "PRIMARY" for name, _ in names)
