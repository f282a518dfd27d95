"""What is left of showers in the rate: unmasked, masked, and with their light taken out.

Run: python benchmarks/subtract/compare.py KIND FIRST_SEED COUNT [--proposed] [--verbose]
         [--prototype FILE] [--offset PART] [--scale PART]
     python benchmarks/subtract/compare.py FOLDER [PATTERN] [...]

Kinds and folders are those of ``benchmarks/propose/score.py``. Rates are made by the stock
``ramp_fit``. The error is the rate less that of the twin without showers, summed over blocks of
3 x 3 pixels inside of the true footprints, without sign, in units of the same without any mask.
Compared are, side by side: a mask to the end, a mask to the best end (`best_last_group`, told the
true glow), a prototype (a Python file with a function ``subtract``), the subtraction of all
showers, and that of those that pass the rule, with the mask to the best end for the rest.

Entries are the ellipses of the true footprints, moved and scaled with ``--offset`` and ``--scale``;
or, with ``--proposed``, what the proposer finds.
"""

import importlib
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "propose"))

from scenes import Scene, TrueShower
from score import KINDS, build, load, match

from showermask import Shower
from showermask.commands.propose.finder import find_candidates
from showermask.glow.duration import best_last_group
from showermask.glow.removal import fit_showers
from showermask.masking.footprint import find_footprints, set_bits
from showermask.masking.lone_groups import flag_lone_groups
from showermask.synthetic.crds_cache import Detector, build_cache, cache_environment

_BITS = 5
_BLOCK = 3
_LEAST_SNR = 3.0
METHODS = ("to the end", "best end", "prototype", "subtract", "with rule")


@dataclass
class Row:
    """What became of a shower: errors by method, in units of that without a mask."""

    shower: TrueShower
    scene: str
    errors: dict[str, float] = field(default_factory=dict)
    blind: dict[str, float] = field(default_factory=dict)  # part of its pixels without a rate
    unmasked: float = 0.0
    snr: float = 0.0
    chi_square: float = 0.0
    doubt: str | None = None
    is_fitted_idle: bool = False


def main(arguments: list[str]) -> None:
    """Score some scenes and print tables."""
    given = [a for a in arguments if not a.startswith("-")]
    options = {
        name: arguments[arguments.index(f"--{name}") + 1]
        for name in ("prototype", "offset", "scale")
        if f"--{name}" in arguments
    }
    given = [a for a in given if a not in options.values()]
    if given[0] in (*KINDS, "sub", "real", "series", "multi"):
        first, count = int(given[1]), int(given[2])
        work: list[Any] = [(given[0], s) for s in range(first, first + count)]
    else:
        work = sorted(Path(given[0]).glob(given[1] if len(given) > 1 else "*.npz"))
    with ProcessPoolExecutor(2) as pool:
        results = list(pool.map(score, work, [arguments] * len(work), [options] * len(work)))
    rows = [row for rows, _ in results for row in rows]
    for rows_of_scene, told in results:
        print(told)
        print("   ", _totals(rows_of_scene))
    report(rows)


def score(work: Any, arguments: list[str], options: dict[str, str]) -> tuple[list[Row], str]:
    """Score a scene."""
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        cache = build_cache(Path(scratch), Detector(ny=1024, nx=1032, subarray="FULL"))
        os.environ.update(cache_environment(cache))
        return _score(work, arguments, options)


def _score(work: Any, arguments: list[str], options: dict[str, str]) -> tuple[list[Row], str]:
    scene = load(work) if isinstance(work, Path) else build(*work)
    name = work.stem if isinstance(work, Path) else " ".join(map(str, work))
    image_shape = scene.data.shape[-2:]
    true = [s for s in scene.showers if s.snr >= _LEAST_SNR and "continued" not in s.traits]
    if "--proposed" in arguments:
        found = list(find_candidates(scene, image_shape, group_time=scene.group_time))
        pairs = [(m.shower, m.entry) for m in match(replace_showers(scene, true), found)]
        entries = found
        of_shower = {id(s): found.index(e) for s, e in pairs if e is not None}
        ends = entries
    else:
        shift, scale = float(options.get("offset", 0)), float(options.get("scale", 1))
        entries = [true_entry(s, shift=shift, scale=scale) for s in true]
        of_shower = {id(s): i for i, s in enumerate(true)}
        ends = [
            replace(e, last_group=best_end(s, scene, e)) for s, e in zip(true, entries, strict=True)
        ]
    started = time.monotonic()
    models = fit_showers(scene, entries, image_shape, scene.group_time)
    spent = time.monotonic() - started
    bare = fit(scene, scene.data, scene.groupdq)
    twin = fit(scene, scene.twin, scene.groupdq)
    accepted = [m is not None and m.doubt() is None for m in models]
    rates = {
        "to the end": fit(
            scene, scene.data, masked(scene, [replace(e, last_group=None) for e in entries])
        ),
        "best end": fit(scene, scene.data, masked(scene, ends)),
        "subtract": fit(scene, taken_out(scene, models), scene.groupdq),
        "with rule": fit(
            scene,
            taken_out(scene, [m if a else None for m, a in zip(models, accepted, strict=True)]),
            masked(scene, [e for e, a in zip(ends, accepted, strict=True) if not a]),
        ),
    }
    if "prototype" in options:
        rates["prototype"] = fit(
            scene, prototype(options["prototype"])(scene, entries), scene.groupdq
        )
    rows = []
    for shower in true:
        row = Row(shower, name)
        inside = shower.footprint
        where = shower.integration if bare.ndim == 3 else ...
        reference = twin[where]
        row.unmasked = _blocks(bare[where] - reference, inside)
        for method, rate in rates.items():
            row.errors[method] = _blocks(rate[where] - reference, inside)
            row.blind[method] = float(np.mean(~np.isfinite(rate[where][inside])))
        position = of_shower.get(id(shower))
        model = None if position is None else models[position]
        if position is None:
            row.doubt = "not proposed"
        elif model is None:
            row.doubt = "no light"
        else:
            row.snr, row.chi_square, row.doubt = model.snr, model.chi_square, model.doubt()
            row.is_fitted_idle = model.is_idle
        rows.append(row)
    told = f"{name}: {len(true)} showers, {spent / max(1, len(entries)):.2f} s each"
    if "--verbose" in arguments:
        told = "\n".join([told, *map(_told, rows)])
    return rows, told


def replace_showers(scene: Scene, showers: list[TrueShower]) -> Scene:
    """Return a scene with some of its showers as the truth."""
    return replace(scene, showers=showers)


def _told(row: Row) -> str:
    s = row.shower
    errors = ", ".join(
        f"{m} {row.errors[m] / row.unmasked:.2f}" for m in METHODS if m in row.errors
    )
    return (
        f"  S/N {s.snr:5.1f} (fit {row.snr:5.1f}, chi2 {row.chi_square:.2f}) onset {s.onset:.0f} s "
        f"{s.form}, {s.decay}, {s.traits}: {errors}; {row.doubt or ''}"
    )


def true_entry(s: TrueShower, *, shift: float = 0.0, scale: float = 1.0) -> Shower:
    """Return the ellipse of a true footprint."""
    rows, columns = np.nonzero(s.shape > 0.1)
    weights = s.shape[rows, columns].astype(float)
    x, y = (float(np.average(places, weights=weights)) for places in (columns, rows))
    covariance = np.cov(np.stack([columns, rows]), aweights=weights) + np.eye(2) / 12
    values, vectors = np.linalg.eigh(covariance)
    b, a = 2 * np.sqrt(values)
    lit = np.flatnonzero(s.light > 0)
    group = int(lit[0]) if len(lit) and s.onset >= 0 else 0
    return Shower(
        integration=s.integration,
        group=group,
        x=x + shift * float(a),
        y=y + shift * float(b),
        a=scale * float(a),
        b=scale * float(b),
        theta=float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))),
    )


def best_end(s: TrueShower, scene: Scene, entry: Shower) -> int | None:
    """Return where the mask of a true shower should end."""
    ngroups = scene.data.shape[1]
    course = np.diff(s.light)
    flags = scene.groupdq[s.integration]
    used = (flags & 1).mean(axis=(1, 2)) < 0.5
    typical = float(np.median(s.shape[s.footprint])) if s.footprint.any() else 0.5
    return best_last_group(
        typical * course,
        noise=8.6,
        correlation=-0.45,
        first_group=entry.group,
        valid=used[1:] & used[:-1] if ngroups > 1 else used[1:],
    )


def masked(scene: Scene, entries: Sequence[Any]) -> NDArray[np.uint8]:
    """Return the flags with entries masked, as the step does it."""
    flags = scene.groupdq.copy()
    footprints = find_footprints(entries, flags.shape, [_BITS] * len(entries))
    bits = [_BITS] * len(footprints)
    set_bits(flags, footprints, bits)
    flag_lone_groups(flags, footprints, bits)
    return flags


def taken_out(scene: Scene, models: Sequence[Any]) -> NDArray[np.float32]:
    """Return the ramp without the light of some models."""
    data = scene.data.copy()
    for model in models:
        if model is not None:
            model.take_out(data[model.integration])
    return data


def prototype(file: str) -> Callable[[Scene, Sequence[Shower]], NDArray[np.float32]]:
    """Return the function of a prototype that subtracts showers."""
    sys.path.insert(0, str(Path(file).parent))
    module = importlib.import_module(Path(file).stem)

    def subtract(scene: Scene, entries: Sequence[Shower]) -> NDArray[np.float32]:
        given = [
            (e.integration, e.group, *ellipse)
            for e in entries
            if (ellipse := _ellipse_of(e)) is not None
        ]
        data, _, _ = module.subtract(
            scene.data,
            scene.groupdq,
            scene.pixeldq,
            given,
            tg=scene.group_time,
            cds=8.485,
            gain=4.0,
        )
        return data

    return subtract


def _ellipse_of(entry: Any) -> tuple[float, ...] | None:
    if isinstance(entry, Shower):
        return entry.x, entry.y, entry.a, entry.b, entry.theta
    corners = entry.outline()
    x, y = corners.mean(axis=0)
    radius = float(np.sqrt(entry.area / np.pi))
    return float(x), float(y), radius, radius, 0.0


def _blocks(error: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Return the sum over blocks of 3 x 3 pixels of the sum inside, without sign."""
    ny, nx = (size // _BLOCK * _BLOCK for size in error.shape)
    chosen = np.where(inside & np.isfinite(error), error, 0.0)[:ny, :nx]
    blocks = chosen.reshape(ny // _BLOCK, _BLOCK, nx // _BLOCK, _BLOCK).sum(axis=(1, 3))
    return float(np.abs(blocks).sum())


def fit(scene: Scene, data: Any, flags: Any) -> NDArray[np.float64]:
    """Return the rates that ``ramp_fit`` makes: of each integration where there are several."""
    from jwst.ramp_fitting import RampFitStep

    from showermask.synthetic.ramps import RampBuilder

    nints, ngroups, ny, nx = data.shape
    model = RampBuilder(
        nints=nints, ngroups=ngroups, ny=8, nx=8, group_time=scene.group_time
    ).model(subarray="FULL")
    model.data, model.groupdq = data.copy(), flags.copy()
    model.pixeldq = scene.pixeldq.copy()
    model.meta.subarray.xsize, model.meta.subarray.ysize = nx, ny
    rate, rateints = RampFitStep.call(model)
    chosen = rate if nints == 1 else rateints
    return chosen.data.astype(float)


def _totals(rows: Sequence[Row]) -> str:
    """Return the errors of some showers together, by method, and the part without a rate."""
    whole = sum(row.unmasked for row in rows)
    if not whole:
        return "nothing"
    return ", ".join(
        f"{m} {sum(row.errors[m] for row in rows) / whole:.3f}"
        + (
            f" ({100 * np.mean([row.blind[m] for row in rows]):.0f} % NaN)"
            if m in METHODS[:2]
            else ""
        )
        for m in METHODS
        if all(m in row.errors for row in rows)
    )


def report(rows: Sequence[Row]) -> None:
    """Print the table."""
    snr = np.array([row.shower.snr for row in rows])
    idle = np.array([row.shower.onset < 0 for row in rows])

    def line(title: str, here: NDArray[np.bool_]) -> None:
        chosen = [row for row, is_here in zip(rows, here, strict=True) if is_here]
        if chosen:
            print(f"{title} ({len(chosen)}): {_totals(chosen)}")

    for low, high in ((3, 6), (6, 10), (10, 30), (30, np.inf)):
        line(f"onset S/N {low} to {high}", ~idle & (snr >= low) & (snr < high))
        line(f"idle S/N {low} to {high}", idle & (snr >= low) & (snr < high))
    line("onset S/N >= 10", ~idle & (snr >= 10))
    line("idle S/N >= 10", idle & (snr >= 10))
    for name in ("decay", "form"):
        values = np.array([getattr(row.shower, name) for row in rows])
        for value in np.unique(values):
            line(f"onset S/N >= 10, {value}", (values == value) & ~idle & (snr >= 10))
    line("all", snr > 0)
    refused = [row for row in rows if row.doubt and row.shower.snr >= 10]
    print(f"refused at S/N >= 10: {len(refused)} of {np.sum(snr >= 10)}")
    passed = [row for row in rows if not row.doubt]
    worse = [row for row in passed if row.errors["subtract"] > row.unmasked]
    better = [row for row in passed if row.errors["subtract"] < row.errors["best end"]]
    print(
        f"passed: {len(passed)}; worse than unmasked: {len(worse)}; "
        f"better than the mask to the best end: {len(better)}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
