"""The report's page, from the template ``page.html.j2``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from showermask import __version__
from showermask.exposure.product import Exposure
from showermask.masking.footprint import Footprint
from showermask.messages import counted, printable
from showermask.regionfile.entry import Entry, Status
from showermask.report.cutouts import Curve, Cutout
from showermask.report.pictures import (
    COLOUR_MAP,
    LEGEND,
    Scale,
    draw_curve,
    draw_flags,
    draw_image,
    save_picture,
)

__all__ = ["PICTURE_NAME", "Album", "EntryReport", "ExposureReport", "Figure", "Summary", "page"]

#: What the files of an album are called.
PICTURE_NAME = re.compile(r"\d{5,}-(evidence|residual|curve|before|after|flags)\.(png|svg)")


@dataclass(frozen=True)
class Figure:
    """A picture beside the page, its title, and the values at the ends of its colours."""

    #: Address, relative to the page.
    picture: str
    title: str
    extent: str
    low: str = ""
    high: str = ""


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
    return files("showermask.report").joinpath(name).read_text(encoding="utf-8")
