"""The report's page: HTML that needs no other file, no network and no script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from showermask import __version__
from showermask.messages import counted, printable
from showermask.pixels import PixelRegion
from showermask.report.cutouts import Cutout
from showermask.report.pictures import Scale, draw_flags, draw_image
from showermask.shower import Shower, Status

__all__ = ["EntryReport", "ExposureReport", "Summary", "page"]

_STYLE = files("showermask.report").joinpath("page.css").read_text(encoding="utf-8")

_LEGEND = (
    '<p class="soft">Rates in DN/s, grey where there is none. Flags:'
    '<span class="key" style="background:#d94d1f"></span>JUMP_DET and DO_NOT_USE (the mask)'
    '<span class="key" style="background:#292933"></span>DO_NOT_USE'
    '<span class="key" style="background:#f5b842"></span>JUMP_DET'
    '<span class="key" style="background:#734da6"></span>SATURATED'
    '<span class="key" style="background:#c7ccd6"></span>others</p>'
)


@dataclass(frozen=True, kw_only=True)
class EntryReport:
    """One shower or pixel region.

    Parameters
    ----------
    entry : Shower or PixelRegion
        The entry.
    place : str
        Where it is in the region file.
    pixels : int
        Masked pixels.
    groups : str
        Masked groups.
    seconds : float or None
        Exposure time in s that each masked pixel loses.
    cutout : Cutout or None
        Its surroundings, None where they can't be shown.
    """

    entry: Shower | PixelRegion
    place: str
    pixels: int
    groups: str
    seconds: float | None
    cutout: Cutout | None


@dataclass(frozen=True, kw_only=True)
class ExposureReport:
    """One exposure.

    Parameters
    ----------
    name : str
        Product root.
    status : str
        ``done``, ``failed`` or ``pending``.
    source : str
        What was masked, for people.
    region_file : str
        The region file.
    reviewer, reviewed : str or None
        Who reviewed it, and when.
    entries : tuple of EntryReport
        All that were reviewed.
    counts : tuple of int
        Masked showers, pixel regions, pixels of the frame, and pixels of all integrations.
    fraction : float
        Masked fraction of the frame.
    seconds : float or None
        Exposure time in s that a masked pixel loses on average.
    notes : tuple of str
        What a reader should know.
    """

    name: str
    status: str
    source: str = ""
    region_file: str = ""
    reviewer: str | None = None
    reviewed: str | None = None
    entries: tuple[EntryReport, ...] = ()
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    fraction: float = 0.0
    seconds: float | None = None
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the page is about.

    Parameters
    ----------
    title : str
        Its heading.
    subtitle : str
        A line below it.
    """

    title: str
    subtitle: str


def _html(text: str) -> str:
    """Return a text as HTML can show it, whoever wrote it."""
    return escape(printable(text))


def page(summary: Summary, exposures: Iterable[ExposureReport]) -> Iterator[str]:
    """Write the page.

    Parameters
    ----------
    summary : Summary
        What it is about.
    exposures : iterable of ExposureReport
        The exposures; taken one by one, for their pictures can be large.

    Yields
    ------
    str
        Pieces of the page.
    """
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_html(summary.title)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{_html(summary.title)}</h1>\n"
        f'<p class="soft">{_html(summary.subtitle)}; showermask {__version__}, '
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC</p>\n"
    )
    rows, sections = [], []
    for exposure in exposures:
        rows.append(_row(exposure))
        if exposure.entries or exposure.notes:
            sections.append("".join(_section(exposure)))
    yield (
        "<table><thead><tr><th>Exposure<th>Status<th>From<th class=number>Showers"
        "<th class=number>Regions<th class=number>Pixels<th class=number>In all<br>integrations"
        "<th class=number>Of a frame"
        "<th class=number>Time lost<br>of each"
        "<th>Reviewer</tr></thead><tbody>\n"
    )
    yield from rows
    yield f"</tbody></table>\n{_LEGEND}\n"
    yield from sections
    yield "</body></html>\n"


def _row(exposure: ExposureReport) -> str:
    name = _html(exposure.name)
    linked = f'<a href="#{name}">{name}</a>' if exposure.entries or exposure.notes else name
    showers, regions, pixels, integration_pixels = exposure.counts
    return (
        f"<tr><td>{linked}<td class={_html(exposure.status)}>{_html(exposure.status)}"
        f"<td>{_html(exposure.source)}<td class=number>{showers}<td class=number>{regions}"
        f"<td class=number>{pixels}<td class=number>{integration_pixels}"
        f"<td class=number>{exposure.fraction:.3%}<td class=number>{_time(exposure.seconds)}"
        f"<td>{_html(exposure.reviewer or '')}</tr>\n"
    )


def _section(exposure: ExposureReport) -> Iterator[str]:
    name = _html(exposure.name)
    yield f'<h2 id="{name}"><a href="#{name}">{name}</a></h2>\n'
    reviewed = [f"by {exposure.reviewer}"] if exposure.reviewer else []
    reviewed += [f"on {exposure.reviewed}"] if exposure.reviewed else []
    text = f"{exposure.region_file}" + (f", reviewed {' '.join(reviewed)}" if reviewed else "")
    yield f'<p class="soft">{_html(text)}</p>\n'
    for note in exposure.notes:
        yield f'<p class="{_html(exposure.status)}">{_html(note)}</p>\n'
    for entry in exposure.entries:
        yield from _entry(entry)


def _entry(report: EntryReport) -> Iterator[str]:
    entry = report.entry
    is_masked = entry.status is Status.ACCEPTED
    cost = (
        f"{counted(report.pixels, 'pixel')}, {_time(report.seconds)} of each"
        if is_masked
        else "not masked"
    )
    yield (
        f'<div class="shower"><p><b>{report.place}</b> '
        f'<span class="badge {entry.status}">{entry.status}</span> '
        f"{_html(_facts(entry, report.groups))}: <b>{cost}</b>"
    )
    if isinstance(entry, Shower) and entry.score is not None:
        yield f", S/N {entry.score:g}"
    if entry.flags:
        yield f", {_html(', '.join(entry.flags))}"
    if entry.source:
        yield f' <span class="soft">({_html(entry.source)})</span>'
    yield "</p>\n"
    if entry.comment:
        yield f"<p>“{_html(entry.comment)}”</p>\n"
    if report.cutout is not None:
        yield from _panels(entry, report.cutout)
    yield "</div>\n"


def _facts(entry: Shower | PixelRegion, groups: str) -> str:
    which = "all integrations" if entry.integration is None else f"integration {entry.integration}"
    return f"{which}, {groups}; {entry.place}"


def _panels(entry: Shower | PixelRegion, cutout: Cutout) -> Iterator[str]:
    yield '<div class="panels">'
    scale = Scale.of_values(cutout.difference)
    yield _figure(
        entry, cutout, draw_image(cutout.difference, scale), cutout.difference_title, scale
    )
    common = Scale.of_values(cutout.before, cutout.after)
    for when, image, title in (
        ("rate before", cutout.before, cutout.before_title),
        ("rate after", cutout.after, cutout.after_title),
    ):
        if image is not None:
            yield _figure(entry, cutout, draw_image(image, common), f"{when}: {title}", common)
    yield _figure(entry, cutout, draw_flags(cutout.dq), cutout.dq_title, None)
    yield "</div>\n"


def _figure(
    entry: Shower | PixelRegion, cutout: Cutout, picture: str, title: str, scale: Scale | None
) -> str:
    rows, columns = cutout.box
    height, width = rows.stop - rows.start, columns.stop - columns.start
    outline = _ellipse(entry, cutout.box) if isinstance(entry, Shower) else ""
    span = f" ({scale.low:.3g} … {scale.high:.3g})" if scale is not None else ""
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="img">'
        f"<title>{_html(title)}, columns {columns.start} to {columns.stop - 1}, "
        f"rows {rows.start} to {rows.stop - 1}</title>"
        f'<image href="{picture}" width="{width}" height="{height}" preserveAspectRatio="none"/>'
        f"{outline}</svg>"
        f"<figcaption>{_html(title)}{span}</figcaption></figure>"
    )


def _ellipse(shower: Shower, box: tuple[slice, slice]) -> str:
    rows, columns = box
    x, y = shower.x - columns.start + 0.5, rows.stop - (shower.y + 0.5)
    ellipse = (
        f'cx="{x:.2f}" cy="{y:.2f}" rx="{shower.a:.2f}" ry="{shower.b:.2f}" '
        f'transform="rotate({-shower.theta:.2f} {x:.2f} {y:.2f})"'
    )
    return f'<ellipse class="under" {ellipse}/><ellipse {ellipse}/>'


def _time(seconds: float | None) -> str:
    return "not known" if seconds is None else f"{seconds:.1f} s"
