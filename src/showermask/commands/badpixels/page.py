"""The page of a search: map, counts, thresholds, examples, changes."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

import jinja2

from showermask import __version__
from showermask.commands.badpixels.changes import Earlier
from showermask.commands.badpixels.pictures import draw_examples, draw_histogram, draw_map
from showermask.commands.badpixels.search import SearchResult
from showermask.defects.found import Threshold
from showermask.exposure.images import ImageReader
from showermask.messages import printable
from showermask.regionfile.content import RegionFile

__all__ = ["make_page"]

_LISTED = 20


def make_page(
    result: SearchResult, region_file: RegionFile, region_name: str, earlier: Earlier | None
) -> str:
    """Return the page of a search.

    Parameters
    ----------
    result : SearchResult
        What was found.
    region_file : RegionFile
        The region file that is made of it.
    region_name : str
        Its name.
    earlier : Earlier or None
        The pixels of an earlier file.

    Returns
    -------
    str
        HTML; printable but for line breaks.
    """
    exposures = result.exposures
    darks = [ImageReader(file) for file in exposures.darks]
    flats = [ImageReader(file) for file in exposures.flats]
    changes = None if earlier is None else earlier.compare(region_file)
    thresholds: dict[tuple[str, float], Threshold] = {}
    for one in result.found:
        if one.threshold is not None and one.threshold.values.size:
            thresholds.setdefault((one.threshold.statistic, one.threshold.value), one.threshold)
    with ExitStack() as opened:
        for reader in (*darks, *flats):
            opened.enter_context(reader)
        examples = [
            (one, draw_examples(one, flats if one.noun == "exposure" else darks))
            for one in result.found
            if len(one)
        ]
    text = _template().render(
        version=__version__,
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        exposures=exposures,
        region_name=region_name,
        found=result.found,
        map=draw_map(result.found, result.image_shape),
        histograms=[draw_histogram(threshold) for threshold in thresholds.values()],
        examples=examples,
        changes=changes,
        corner=result.corner,
    )
    # Pictures are printable already; it takes a second to look at each of their characters.
    lines = (line if line.isprintable() else printable(line) for line in text.split("\n"))
    return "\n".join(lines)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files("showermask.commands.badpixels").joinpath("page.html.j2").read_text("utf-8")
    return environment.from_string(source)
