"""Pictures of found pixels: where they are, how far they stand out, what they do."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from showermask.defects.found import FoundPixels, Threshold
from showermask.exposure.images import ImageReader

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_examples", "draw_histogram", "draw_map"]

#: Colours that people with any colour vision tell apart (Okabe and Ito), then shapes.
_COLOURS = ("#d55e00", "#e69f00", "#cc79a7", "#0072b2", "#56b4e9", "#009e73", "#7f7f7f", "#000000")
_MARKERS = "os^"
#: Examples of a kind: the best and the worst; integrations of each; pixels around.
_EXAMPLES, _RAMPS, _AROUND = 10, 4, 5


def draw_map(found: Sequence[FoundPixels], image_shape: tuple[int, int]) -> str:
    """Return a map of all found pixels, as the address of a picture."""
    figure = _figure(8.6, 6.4)
    axes = figure.add_subplot()
    for number, one in enumerate(one for one in found if len(one)):
        axes.scatter(
            one.x,
            one.y,
            s=9,
            c=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number // len(_COLOURS)],
            linewidths=0,
            label=f"{one.kind.name} ({len(one)})",
        )
    ny, nx = image_shape
    axes.set(xlim=(-0.5, nx - 0.5), ylim=(-0.5, ny - 0.5), xlabel="x", ylabel="y", aspect="equal")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8)
    return _address(figure)


def draw_histogram(threshold: Threshold) -> str:
    """Return a histogram of a statistic over the detector, with its threshold."""
    from matplotlib.ticker import NullLocator

    figure = _figure(3.6, 2.2, layout=None)
    axes = figure.add_axes((0.13, 0.13, 0.84, 0.74))
    values = threshold.values[np.isfinite(threshold.values)]
    low, high = np.quantile(values, [0.001, 0.999]) if values.size else (0.0, 1.0)
    limit = threshold.value
    ends = min(low, limit) - 0.05 * abs(limit), max(high, 1.3 * limit if limit > 0 else limit)
    counts, edges = np.histogram(np.clip(values, *ends), bins=100, range=ends)
    axes.stairs(counts, edges, fill=True, color="#0072b2", baseline=0.5)
    axes.set(yscale="log", ylim=(0.5, None))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axvline(limit, color="#d55e00", lw=1.2)
    axes.set_title(f"{threshold.statistic}: {limit:.3g} {threshold.unit}", fontsize=7)
    axes.tick_params(labelsize=7)
    return _address(figure)


def draw_examples(one: FoundPixels, readers: Sequence[ImageReader]) -> str:
    """Return pictures and ramps of the pixels of highest and of lowest score."""
    count = min(_EXAMPLES, len(one))
    best = list(range(count))
    worst = list(range(max(count, len(one) - _EXAMPLES), len(one)))
    rows = [numbers for numbers in (best, worst) if numbers]
    # Few axes, for each takes matplotlib a fiftieth of a second.
    figure = _figure(1.25 * _EXAMPLES, 2.6 * len(rows), layout=None)
    ends = {"left": 0.005, "right": 0.995, "bottom": 0.01, "top": 1 - 0.14 / len(rows)}
    grid = figure.add_gridspec(2 * len(rows), 1, hspace=0.12, **ends)
    for row, numbers in enumerate(rows):
        cutouts, ramps = (figure.add_subplot(grid[2 * row + k, 0]) for k in range(2))
        for axes in (cutouts, ramps):
            axes.set(xlim=(0, _EXAMPLES), ylim=(0, 1))
            axes.axis("off")
        for column, number in enumerate(numbers):
            place = int(one.y[number]), int(one.x[number])
            _draw_cutout(cutouts, column, readers[0], place)
            label = f"{place[1]}, {place[0]}\n{one.score[number]:.3g}"
            cutouts.text(column + 0.5, 1.02, label, ha="center", va="bottom", fontsize=7)
            _draw_ramps(ramps, column, readers, place)
    return _address(figure)


def _draw_cutout(axes: Any, column: int, reader: ImageReader, place: tuple[int, int]) -> None:
    """Draw the rate around a pixel: the difference of two groups, or a rate."""
    y, x = place
    ny, nx = reader.exposure.image_shape
    box = (
        slice(max(0, y - _AROUND), min(ny, y + _AROUND + 1)),
        slice(max(0, x - _AROUND), min(nx, x + _AROUND + 1)),
    )
    ngroups = reader.stack_shape[1]
    image: NDArray[np.float32] = reader.window(0, max(0, ngroups - 2), box)
    if ngroups > 3:
        image = image - reader.window(0, 1, box)
    known = image[np.isfinite(image)]
    low, high = np.quantile(known, [0.05, 0.95]) if known.size else (0.0, 1.0)
    # The pixel itself is not to be one of many white ones.
    own = float(np.nan_to_num(image[y - box[0].start, x - box[1].start]))
    low, high = min(low, own), max(high, own)
    axes.imshow(
        image,
        origin="lower",
        cmap="gray",
        vmin=low,
        vmax=high,
        extent=(column + 0.06, column + 0.94, 0, 1),
        aspect="auto",
    )


def _draw_ramps(
    axes: Any, column: int, readers: Sequence[ImageReader], place: tuple[int, int]
) -> None:
    """Draw some integrations of a pixel, each less its middle, in a column of the axes."""
    ramps: list[NDArray[np.float64]] = []
    for reader in readers:
        nints, ngroups = reader.stack_shape
        for integration in range(nints if ngroups > 1 else 0):
            if len(ramps) == _RAMPS:
                break
            ramp = reader.pixel(integration, place[1], place[0])
            values = np.array([np.nan if v is None else v for v in ramp.values], float)
            values[[flag & 3 != 0 for flag in ramp.flags]] = np.nan
            if np.isfinite(values).any():
                ramps.append(values - np.nanmedian(values))
    if not ramps:
        return
    low, high = (f(np.concatenate(ramps)) for f in (np.nanmin, np.nanmax))
    for values in ramps:
        at = column + 0.06 + 0.88 * np.arange(len(values)) / max(1, len(values) - 1)
        axes.plot(at, 0.02 + 0.8 * (values - low) / max(high - low, 1e-9), lw=0.6)
    axes.text(column + 0.5, 0.9, f"{high - low:.3g} DN", ha="center", fontsize=6)


def _figure(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout=layout)


def _address(figure: Figure) -> str:
    """Return a picture as an address that holds it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", pil_kwargs={"compress_level": 3})
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
