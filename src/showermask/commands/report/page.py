"""The report's page, from the template ``page.html.j2``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from showermask import __version__
from showermask.commands.report.cutouts import Curve, Cutout
from showermask.commands.report.mosaics import Mosaic, MosaicPlace
from showermask.commands.report.pictures import (
    COLOUR_MAP,
    LEGEND,
    Scale,
    draw_curve,
    draw_flags,
    draw_image,
    save_picture,
)
from showermask.exposure.product import Exposure
from showermask.masking.footprint import Footprint
from showermask.messages import counted, printable
from showermask.regionfile.entry import Box, Entry, Status, grow_box

__all__ = [
    "PICTURE_NAME",
    "Album",
    "EntryReport",
    "ExposureReport",
    "Figure",
    "FilterReport",
    "MosaicReport",
    "Report",
    "Summary",
    "page",
]

_MOST_CHANGED = 10
#: Pixels around a shower in a picture of the mosaic, at least.
_LEAST_MARGIN = 16

#: What the files of an album are called.
PICTURE_NAME = re.compile(
    r"\d{5,}-(mosaic-)?(evidence|residual|curve|before|after|difference|weight|flags)\.(png|svg)"
)


@dataclass(frozen=True)
class Figure:
    """A picture beside the page, its title, and the values at the ends of its colours."""

    #: Address, relative to the page.
    picture: str
    title: str
    extent: str
    low: str = ""
    high: str = ""
    #: A picture to blink it with, and its title.
    other: str = ""
    other_title: str = ""


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
    #: What its subtraction does, or why it is left to the mask, where it asks for that.
    verdict: str = ""
    is_subtracted: bool = False
    #: Its surroundings; none where they can't be shown.
    figures: tuple[Figure, ...] = ()
    #: Where it lies in the mosaic, and its surroundings there.
    place: MosaicPlace | None = None
    mosaic_figures: tuple[Figure, ...] = ()

    @property
    def facts(self) -> str:
        """Integration, groups and position."""
        integration = self.entry.integration
        which = "all integrations" if integration is None else f"integration {integration}"
        return f"{which}, {self.groups}; {self.entry.location}"

    @property
    def is_masked(self) -> bool:
        """Whether its pixels are masked."""
        return self.entry.is_accepted and not self.is_subtracted

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
    #: Name of the filter.
    filter: str = ""
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
    def largest_loss(self) -> float | None:
        """Exposure time in s that a pixel of the costliest entry loses."""
        losses = [report.seconds for report in self.entries if report.is_masked]
        known = [seconds for seconds in losses if seconds is not None]
        return max(known) if known or losses else 0.0 if self.is_known else None

    @property
    def is_known(self) -> bool:
        """Whether there are numbers to show: of exposures that failed there are none."""
        return self.status == "done"

    @property
    def by_rank(self) -> list[EntryReport]:
        """The entries: accepted, candidates, rejected; of each, the strongest first."""
        order = [Status.ACCEPTED, Status.CANDIDATE, Status.REJECTED]
        return sorted(self.entries, key=lambda r: (order.index(r.entry.status), -(r.score or 0.0)))

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
class MosaicReport:
    """One mosaic."""

    name: str
    filter: str
    #: Number of its exposures.
    exposures: int
    #: Unit of its pixels.
    unit: str
    #: Whether there is a mosaic without masks to compare it with.
    is_compared: bool = False
    #: Showers that lie in it, those that changed it most first, and in which exposure.
    entries: tuple[tuple[str, EntryReport], ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def most_changed(self) -> list[tuple[str, EntryReport]]:
        """The ten showers that changed it most."""
        return list(self.entries[:_MOST_CHANGED])

    @property
    def empty(self) -> list[tuple[str, EntryReport]]:
        """The showers that leave pixels of it empty."""
        return [one for one in self.entries if one[1].place is not None and one[1].place.empty]

    @property
    def empty_pixels(self) -> int:
        """Number of pixels that showers leave empty."""
        return sum(report.place.empty for _, report in self.entries if report.place is not None)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The content of the page."""

    exposures: tuple[ExposureReport, ...]
    mosaics: tuple[MosaicReport, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def by_filter(self) -> list[FilterReport]:
        """The cost of the masks in each filter, where more than one is known."""
        names = sorted({one.filter for one in self.exposures if one.is_known and one.filter})
        return [FilterReport.of_exposures(name, self.exposures) for name in names]


@dataclass(frozen=True, kw_only=True)
class FilterReport:
    """The cost of the masks in one filter."""

    name: str
    exposures: int
    showers: int
    #: Masked pixels of all integrations.
    pixels: int
    #: Exposure time in s that is lost, summed over the masked pixels, and over all pixels that
    #: lose any its mean; and the largest of a pixel.
    mean_loss: float | None
    largest_loss: float | None

    @classmethod
    def of_exposures(cls, name: str, exposures: Iterable[ExposureReport]) -> FilterReport:
        """Sum the exposures of a filter."""
        found = [one for one in exposures if one.is_known and one.filter == name]
        pixels = sum(one.integration_pixels for one in found)
        lost = [(one.seconds, one.integration_pixels) for one in found if one.integration_pixels]
        known = [seconds * count for seconds, count in lost if seconds is not None]
        largest = [one.largest_loss for one in found if one.largest_loss is not None]
        return cls(
            name=name,
            exposures=len(found),
            showers=sum(one.showers for one in found),
            pixels=pixels,
            mean_loss=sum(known) / pixels if pixels and len(known) == len(lost) else None,
            largest_loss=max(largest, default=None),
        )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The heading of the page, and a line below it."""

    title: str
    subtitle: str


def page(summary: Summary, report: Report) -> Iterator[str]:
    """Yield the page in pieces."""
    yield from _template().generate(
        summary=summary,
        exposures=report.exposures,
        mosaics=report.mosaics,
        notes=report.notes,
        filters=report.by_filter,
        style=Markup(_resource("page.css")),  # noqa: S704  # our own
        legend=LEGEND,
        gradient=Markup(_gradient()),  # noqa: S704  # likewise
        version=__version__,
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    )


class Album:
    """The pictures of a page, in a folder beside it.

    Parameters
    ----------
    folder : Path
        Where pictures are written.
    address : str
        The folder as the page names it.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address
        self._count = 0

    def draw(self, footprint: Footprint, cutout: Cutout, exposure: Exposure) -> tuple[Figure, ...]:
        """Draw the evidence, the light curve, the rates before and after, and the flags."""
        self._count += 1
        outline = _outline(footprint.entry, cutout)
        scale = Scale.of_values(cutout.evidence)
        drawn = draw_image(cutout.evidence, scale)
        title, unit = cutout.evidence_title, cutout.evidence_unit
        figures = [self._add("evidence", drawn, outline, cutout, title, (scale, unit))]
        if cutout.residual is not None:
            drawn = draw_image(cutout.residual, scale)
            title = "evidence, light taken out"
            figures.append(self._add("residual", drawn, outline, cutout, title, (scale, unit)))
        if cutout.curve is not None:
            figures.append(self._add_curve(cutout.curve, footprint, exposure))
        common = Scale.of_values(cutout.before, cutout.after)
        for name, source, image in (
            ("before", cutout.before_title, cutout.before),
            ("after", cutout.after_title, cutout.after),
        ):
            if image is not None:
                title = f"rate {name}: {source}"
                drawn = draw_image(image, common)
                figures.append(self._add(name, drawn, outline, cutout, title, (common, "DN/s")))
        if cutout.residual is None:  # what is taken out is not flagged
            flags = draw_flags(cutout.dq)
            figures.append(self._add("flags", flags, outline, cutout, cutout.dq_title, None))
        return tuple(figures)

    def draw_place(self, place: MosaicPlace, mosaic: Mosaic) -> tuple[Figure, ...]:
        """Draw a shower in the mosaic: with and without masks, the difference, the weight."""
        self._count += 1
        ny, nx = mosaic.after.shape
        margin = max(_LEAST_MARGIN, *(part.stop - part.start for part in place.box))
        box = grow_box(place.box, margin // 2, (ny, nx))
        around = np.zeros((ny, nx), bool)
        around[place.box] = place.inside
        return self._draw_mosaic(mosaic, box, _edges(around[box]))

    def draw_mosaic(self, mosaic: Mosaic) -> tuple[Figure, ...]:
        """Draw a mosaic as a whole."""
        self._count += 1
        ny, nx = mosaic.after.shape
        return self._draw_mosaic(mosaic, (slice(0, ny), slice(0, nx)), None)

    def _draw_mosaic(
        self, mosaic: Mosaic, box: Box, outline: NDArray[np.bool_] | None
    ) -> tuple[Figure, ...]:
        after = mosaic.after[box]
        before = None if mosaic.before is None else mosaic.before[box]
        scale = Scale.of_values(after) if before is None else Scale.of_values(before, after)
        drawn: list[tuple[str, str, NDArray[np.float32], Scale, str]] = []
        if before is not None:
            drawn.append(("before", "mosaic without masks", before, scale, mosaic.unit))
        drawn.append(("after", "mosaic with masks", after, scale, mosaic.unit))
        if before is not None:
            left = before - after
            drawn.append(("difference", "without less with", left, Scale.of_values(left), ""))
        weight = mosaic.weight[box]
        full = Scale(0.0, max(float(weight.max()), 1e-30))
        drawn.append(("weight", "weight", weight, full, "of the largest"))
        figures = []
        for name, title, image, colours, unit in drawn:
            file = f"{self._count:05d}-mosaic-{name}.png"
            save_picture(self._folder / file, draw_image(image, colours), None, outline)
            ends = ("0", "1 of the largest") if name == "weight" else None
            low, high = ends or (f"{colours.low:.3g}", f"{colours.high:.3g} {unit}".strip())
            figures.append(
                Figure(
                    picture=f"{self._address}/{file}", title=title, extent="", low=low, high=high
                )
            )
        if before is not None:  # the two that are compared, to be blinked
            both = replace(figures[1], other=figures[0].picture, other_title=figures[0].title)
            figures[1] = both
        return tuple(figures)

    def _add(
        self,
        name: str,
        picture: NDArray[np.uint8],
        outline: NDArray[np.float64] | None,
        cutout: Cutout,
        title: str,
        colours: tuple[Scale, str] | None,
    ) -> Figure:
        file = f"{self._count:05d}-{name}.png"
        save_picture(self._folder / file, picture, outline)
        rows, columns = cutout.box
        low = high = ""
        if colours is not None:
            scale, unit = colours
            low, high = f"{scale.low:.3g}", f"{scale.high:.3g} {unit}"
        return Figure(
            picture=f"{self._address}/{file}",
            title=title,
            extent=f"columns {columns.start} to {columns.stop - 1}, "
            f"rows {rows.start} to {rows.stop - 1}",
            low=low,
            high=high,
        )

    def _add_curve(self, curve: Curve, footprint: Footprint, exposure: Exposure) -> Figure:
        file = f"{self._count:05d}-curve.svg"
        time = exposure.group_time if curve.is_of_groups else exposure.integration_time
        draw_curve(self._folder / file, curve, footprint.groups, time)
        title = "light curve: inside less a ring around it"
        return Figure(picture=f"{self._address}/{file}", title=title, extent="")


def _edges(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels around a region, the first row last."""
    edges: NDArray[np.bool_] = (binary_dilation(inside) & ~inside)[::-1]
    return edges


def _outline(entry: Entry, cutout: Cutout) -> NDArray[np.float64] | None:
    """Return the outline of an entry in its picture, from the upper left corner."""
    rows, columns = cutout.box
    corners = entry.outline()
    if corners is None:
        return None
    return np.stack([corners[:, 0] - columns.start + 0.5, rows.stop - corners[:, 1] - 0.5], axis=1)


def _gradient() -> str:
    """Return the colour map as a gradient of CSS."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    colours = (to_hex(colormaps[COLOUR_MAP](part)) for part in np.linspace(0, 1, 9))
    return f"linear-gradient(to right, {', '.join(colours)})"


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
    return files("showermask.commands.report").joinpath(name).read_text(encoding="utf-8")
