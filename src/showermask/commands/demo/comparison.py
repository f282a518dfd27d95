"""Show on two synthetic showers why masks need both bits, and what subtraction does instead."""

from __future__ import annotations

import logging
import shlex
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import OutputError
from showermask.files import atomic_write
from showermask.masking.footprint import find_footprints, set_bits
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Action
from showermask.regionfile.shower import Shower
from showermask.regionfile.writer import write_regions
from showermask.synthetic.crds_cache import Detector, build_cache, cache_environment, use_cache
from showermask.synthetic.ramps import RampBuilder

__all__ = ["run_demo"]

_ROOT = "jw99999001001_02101_00001_mirimage"
_JUMP_DET = 4

_SHOWERS = {
    "idle": Shower(
        integration=0,
        group=0,
        x=38.0,
        y=84.0,
        a=26.0,
        b=15.0,
        theta=35.0,
        comment="hit while the detector was idle",
    ),
    "mid-ramp": Shower(
        integration=0,
        group=14,
        x=86.0,
        y=40.0,
        a=30.0,
        b=12.0,
        theta=-20.0,
        comment="no bright primary hit",
    ),
}

_BUILDER = RampBuilder(ngroups=40, ny=128, nx=128, readnoise=4.0, seed=20261120)

_MASKS = {
    "unmasked": "no mask",
    "jump_det_only": "JUMP_DET only",
    "showermask": "showermask",
    "subtracted": "subtracted",
}


@dataclass(frozen=True)
class _Fit:
    """A rate image as the stock ramp fit made it: DN/s and DQ, ``(ny, nx)``."""

    rate: NDArray[np.float32]
    dq: NDArray[np.uint32]


def run_demo(folder: Path) -> Iterator[str]:
    """Make an exposure, fit it four times, and compare with the truth."""
    for path in (folder, *(folder / name for name in _MASKS)):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: can't be made a folder ({error.strerror})") from error
    ramp_path = folder / f"{_ROOT}_jump.fits"
    regions_path = folder / f"{_ROOT}_showers.yaml"
    picture_path = folder / "showermask-demo.png"
    cache_path = folder / "crds.sh"

    image_shape = f"{_BUILDER.ny} x {_BUILDER.nx}"
    yield f"Two synthetic showers in {_BUILDER.ngroups} groups of {image_shape} pixels"
    regions = RegionFile(
        showers=tuple(_SHOWERS.values()),
        exposure=_ROOT,
        shape=_BUILDER.shape,
        subarray="SUB128",
        reviewer="showermask demo",
    )
    write_regions(regions_path, regions)
    detector = Detector(ny=_BUILDER.ny, nx=_BUILDER.nx, subarray="SUB128")
    cache = build_cache(folder.resolve() / "crds", detector)
    with atomic_write(cache_path) as staged:
        staged.write_text(_shell_script(cache), encoding="utf-8")
    with use_cache(cache), _quiet():
        ramp = _ramp()
        _save(ramp, ramp_path)
        fits = {name: _fit(name, ramp_path, regions_path, folder) for name in _MASKS}
    yield from _table(fits)
    _draw(ramp.data[0], fits, picture_path)
    yield ""
    yield "Written:"
    for path in (
        ramp_path,
        regions_path,
        *(folder / name / f"{_ROOT}_rate.fits" for name in _MASKS),
        cache_path,
        picture_path,
    ):
        yield f"  {path}"


def _shell_script(cache: Path) -> str:
    """Return the lines that let CRDS read the reference files of the demonstration."""
    variables = cache_environment(cache).items()
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables)


def _ramp() -> Any:
    builder = _BUILDER
    for shower in _SHOWERS.values():
        builder = builder.add_glow(shower, amplitude=40.0, decay=20.0)
    return builder.model()


def _fit(name: str, ramp_path: Path, regions_path: Path, folder: Path) -> _Fit:
    """Treat the ramp in one of four ways, fit it with the stock step and save the rate."""
    from jwst.ramp_fitting import RampFitStep
    from stdatamodels.jwst import datamodels

    from showermask.pipeline.step import ManualShowerMaskStep
    from showermask.pipeline.subtract import SubtractShowersStep

    if name == "showermask":
        ramp = ManualShowerMaskStep.call(
            str(ramp_path), region_file=str(regions_path), configure_log=False
        )
    elif name == "subtracted":
        asked = [replace(shower, action=Action.SUBTRACT) for shower in _SHOWERS.values()]
        path = folder / name / f"{_ROOT}_showers.yaml"
        write_regions(path, RegionFile(showers=asked, exposure=_ROOT))
        options = {"region_file": str(path), "configure_log": False}
        subtracted = SubtractShowersStep.call(str(ramp_path), **options)
        # What the fit does not find convincing is left to the mask.
        ramp = ManualShowerMaskStep.call(subtracted, **options)
    else:
        ramp = datamodels.RampModel(str(ramp_path))
        if name == "jump_det_only":
            footprints = find_footprints(_SHOWERS.values(), ramp.groupdq.shape)
            set_bits(ramp.groupdq, footprints, [_JUMP_DET] * len(footprints))
    rate, _ = RampFitStep.call(ramp, configure_log=False)
    _save(rate, folder / name / f"{_ROOT}_rate.fits")
    return _Fit(rate=rate.data, dq=rate.dq)


def _save(model: Any, path: Path) -> None:
    with atomic_write(path) as draft:
        model.save(str(draft))


def _table(fits: dict[str, _Fit]) -> Iterator[str]:
    """Compare the median rate inside each shower with the truth."""
    yield ""
    yield "median rate in DN/s" + " " * 12 + "truth" + "".join(f"{t:>16s}" for t in _MASKS.values())
    inside_any = np.zeros((_BUILDER.ny, _BUILDER.nx), bool)
    for name, shower in _SHOWERS.items():
        box = shower.ellipse.box((_BUILDER.ny, _BUILDER.nx))
        inside = np.zeros_like(inside_any)
        inside[box] = shower.ellipse.inside(*box)
        inside_any |= inside
        yield _table_row(f"in the {name} shower", inside, fits)
    yield _table_row("elsewhere", ~inside_any, fits)
    yield ""
    text = (
        "The idle shower leaves no group before it. With JUMP_DET alone the fit divides the counts "
        "of one group by the group time: worse than no mask. With DO_NOT_USE as well, those pixels "
        "are NaN and flagged, for other dithers to fill. The mid-ramp shower keeps the rate of the "
        "groups before it either way. With action: subtract the light is taken out of the ramp and "
        "no pixel is lost; of the idle shower, whose slow part could be a source, some may stay."
    )
    yield from textwrap.wrap(text, 88)


def _table_row(title: str, pixels: NDArray[np.bool_], fits: dict[str, _Fit]) -> str:
    cells = []
    for fit in fits.values():
        values = fit.rate[pixels]
        known = values[np.isfinite(values)]
        cells.append(f"{np.median(known):.1f}" if known.size else "flagged")
    return f"  {title:28s} {_BUILDER.rate:5.1f}" + "".join(f"{cell:>16s}" for cell in cells)


def _draw(ramp: NDArray[np.float32], fits: dict[str, _Fit], path: Path) -> None:
    """Draw the showers as they appear and the three rates."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.patches import Polygon

    figure = Figure(figsize=(16, 4.0), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, 1 + len(fits), sharex=True, sharey=True)
    onset = _SHOWERS["mid-ramp"].group
    differences = {
        "idle": ramp[1] - ramp[0],
        "mid-ramp": ramp[onset] - ramp[onset - 1],
    }
    seen = np.maximum(differences["idle"], differences["mid-ramp"]) / _BUILDER.group_time
    titles = [
        f"the showers\n(differences of groups 1 and {onset})",
        *(f"rate\n{title}" for title in _MASKS.values()),
    ]
    level = float(np.median(_BUILDER.rate))
    norm = Normalize(vmin=level - 2, vmax=level + 4)
    images = [seen, *(fit.rate for fit in fits.values())]
    norms = [Normalize(vmin=level - 5, vmax=level + 15), *[norm] * len(fits)]
    for panel, title, image, stretch in zip(panels, titles, images, norms, strict=True):
        panel.set_facecolor("0.55")
        panel.imshow(image, origin="lower", cmap="viridis", norm=stretch, interpolation="nearest")
        panel.set_title(title, fontsize=11)
        panel.set_xlabel("x (column)")
        for shower in _SHOWERS.values():
            panel.add_patch(Polygon(shower.outline(), fill=False, edgecolor="#e4572e", lw=1.4))
    panels[0].set_ylabel("y (row)")
    bar = figure.colorbar(ScalarMappable(norm, "viridis"), ax=panels, fraction=0.02, pad=0.01)
    bar.set_label(f"rate, DN/s (truth {_BUILDER.rate:g}; grey: flagged)")
    with atomic_write(path) as staged:
        canvas.print_png(str(staged))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the pipeline's log and warnings out of the demonstration's few lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
