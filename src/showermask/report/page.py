"""The report's page, from the template ``page.html.j2``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from showermask import __version__
from showermask.messages import counted, printable
from showermask.regionfile.entry import Entry
from showermask.report.cutouts import Cutout
from showermask.report.pictures import LEGEND, Scale, draw_flags, draw_image

__all__ = ["EntryReport", "ExposureReport", "Figure", "Summary", "draw_figures", "page"]


@dataclass(frozen=True)
class Figure:
    """A picture with its title and the outline of the entry."""

    picture: str
    title: str
    extent: str
    span: str
    width: int
    height: int
    outline: str


@dataclass(frozen=True, kw_only=True)
class EntryReport:
    """One entry of a region file."""

    entry: Entry
    #: Its place in the region file.
    key: str
    #: Masked pixels of an image.
    pixels: int
    #: Masked groups, for people.
    groups: str
    #: Exposure time in s that each masked pixel loses.
    seconds: float | None
    #: Its surroundings; none where they can't be shown.
    figures: tuple[Figure, ...] = ()

    @property
    def facts(self) -> str:
        """Integration, groups and position."""
        integration = self.entry.integration
        which = "all integrations" if integration is None else f"integration {integration}"
        return f"{which}, {self.groups}; {self.entry.location}"

    @property
    def pixels_text(self) -> str:
        """The number of masked pixels."""
        return counted(self.pixels, "pixel")

    @property
    def score(self) -> float | None:
        """The signal-to-noise ratio, of entries that have one."""
        return getattr(self.entry, "score", None)


@dataclass(frozen=True, kw_only=True)
class ExposureReport:
    """One exposure."""

    #: Product root.
    name: str
    #: ``done``, ``failed`` or ``pending``.
    status: str
    #: The product that was masked.
    source: str = ""
    region_file: str = ""
    reviewer: str | None = None
    reviewed: str | None = None
    entries: tuple[EntryReport, ...] = ()
    showers: int = 0
    #: Number of masked entries that are no showers.
    regions: int = 0
    #: Number of masked pixels of an image, and of all integrations.
    pixels: int = 0
    integration_pixels: int = 0
    #: Masked fraction of an image.
    fraction: float = 0.0
    #: Exposure time in s that a masked pixel loses on average.
    seconds: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_section(self) -> bool:
        """Whether there is more to show than a line of the table."""
        return bool(self.entries or self.notes)

    @property
    def review_text(self) -> str:
        """The region file, and who reviewed it when."""
        reviewed = [f"by {self.reviewer}"] if self.reviewer else []
        reviewed += [f"on {self.reviewed}"] if self.reviewed else []
        return self.region_file + (f", reviewed {' '.join(reviewed)}" if reviewed else "")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The heading of the page, and a line below it."""

    title: str
    subtitle: str


def page(summary: Summary, exposures: Iterable[ExposureReport]) -> Iterator[str]:
    """Yield the page in pieces."""
    yield from _template().generate(
        summary=summary,
        exposures=list(exposures),
        style=Markup(_resource("page.css")),  # noqa: S704  # our own
        legend=LEGEND,
        version=__version__,
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    )


def draw_figures(entry: Entry, cutout: Cutout) -> tuple[Figure, ...]:
    """Draw the surroundings of an entry: difference, rates before and after, flags."""
    scale = Scale.of_values(cutout.difference)
    title = cutout.difference_title
    figures = [_figure(entry, cutout, draw_image(cutout.difference, scale), title, scale)]
    common = Scale.of_values(cutout.before, cutout.after)
    for title, image in (
        (f"rate before: {cutout.before_title}", cutout.before),
        (f"rate after: {cutout.after_title}", cutout.after),
    ):
        if image is not None:
            figures.append(_figure(entry, cutout, draw_image(image, common), title, common))
    figures.append(_figure(entry, cutout, draw_flags(cutout.dq), cutout.dq_title, None))
    return tuple(figures)


def _figure(entry: Entry, cutout: Cutout, picture: str, title: str, scale: Scale | None) -> Figure:
    rows, columns = cutout.box
    corners = entry.outline()
    points = ""
    if corners is not None:
        shifted = np.stack([corners[:, 0] - columns.start + 0.5, rows.stop - corners[:, 1] - 0.5])
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in shifted.T)
    return Figure(
        picture=picture,
        title=title,
        extent=f"columns {columns.start} to {columns.stop - 1}, "
        f"rows {rows.start} to {rows.stop - 1}",
        span="" if scale is None else f" ({scale.low:.3g} … {scale.high:.3g})",
        width=columns.stop - columns.start,
        height=rows.stop - rows.start,
        outline=points,
    )


@cache
def _template() -> jinja2.Template:
    """Return the template; whatever others wrote is escaped, and printable."""

    def shown(value: Any) -> Any:
        return printable(value) if type(value) is str else value

    environment = jinja2.Environment(
        autoescape=True, finalize=shown, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_resource("page.html.j2"))


def _resource(name: str) -> str:
    return files("showermask.report").joinpath(name).read_text(encoding="utf-8")
