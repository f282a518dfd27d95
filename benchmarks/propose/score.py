"""Score the proposer on simulated exposures, with what looks like a shower and is none.

Run: python benchmarks/propose/score.py KIND FIRST_SEED COUNT [--verbose]
     python benchmarks/propose/score.py FOLDER [PATTERN] [--verbose]

Kinds: zoo and steady (512 x 516 pixels, 40 groups), crowd (more of the zoo), full (the zoo on 1024
x 1032), short (6 to 10 groups), slow (20 groups of 23.9 s), sub (subarrays), series (60
integrations), real (the noise of a real ramp), bright (S/N 50 to 1000), bunch (ten bright showers
in 256 x 256 pixels). A folder holds scenes that others wrote (``*.npz``; see `load`).
Seeds below 50000 are for training.
"""

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scenes import (
    SLOWR1,
    Confuser,
    Scene,
    TrueShower,
    make_real_scene,
    make_scene,
    make_time_series,
)

from showermask import Polygon, Shower
from showermask.commands.propose.finder import find_candidates

SMALL = (512, 516)
KINDS = {
    "steady": {"frame": SMALL, "showers": 6},
    "zoo": {"frame": SMALL, "showers": 6, "zoo": 1.0},
    "full": {"frame": (1024, 1032), "showers": 16, "zoo": 1.0},
    "short": {"frame": SMALL, "showers": 6, "ngroups": 8, "zoo": 1.0},
    "slow": {"frame": SMALL, "showers": 6, "ngroups": 20, "group_time": SLOWR1, "zoo": 1.0},
    "crowd": {"frame": SMALL, "showers": 8, "zoo": 2.5},
    "bunch": {"frame": (256, 256), "showers": 10, "snr_range": (20.0, 200.0)},
    "bright": {"frame": SMALL, "showers": 6, "zoo": 1.0, "snr_range": (50.0, 1000.0)},
}
SUBARRAYS = (
    {"frame": (64, 72), "zoo": 15.0, "ngroups": 50, "group_time": 0.085},
    {"frame": (128, 136), "zoo": 6.0, "ngroups": 30},
    {"frame": (256, 256), "zoo": 2.0, "ngroups": 40, "group_time": 0.865},
)
_FOUND = 0.1  # of the union that footprint and entry have in common, and within groups of:
_LATE, _LATE_SECONDS = 3, 8.0
_COVERED = 0.5
_FULL_FRAME = 1024 * 1032
#: Confusers in the order in which a false one is said to be one of them.
_ORDER = (
    "saturation",
    "mover",
    "latent",
    "afterglow",
    "jitter",
    "telegraph",
    "variable",
    "row drift",
)


@dataclass
class Match:
    """A true shower and the entry that was found for it, if any."""

    shower: TrueShower
    entry: Shower | Polygon | None
    iou: float = 0.0
    inside: float = 0.0  # part of the charge
    late: float = 0.0  # groups
    #: Whether the entry of another shower of the same time covers half of it and more: showers
    #: that begin together and touch are one to a machine.
    is_covered: bool = False


@dataclass
class Result:
    """What became of one scene."""

    name: str
    matches: list[Match] = field(default_factory=list)
    false: list[tuple[str, float, float | None]] = field(default_factory=list)
    frames: float = 1.0
    seconds: float = 0.0


def build(kind: str, seed: int) -> Scene:
    """Make a scene of a kind."""
    if kind == "series":
        return make_time_series(seed)
    if kind == "real":
        scene = make_real_scene(seed)
        if scene is None:
            raise SystemExit("SHOWERMASK_REALDATA: expected the folder of real data")
        return scene
    if kind == "sub":
        return make_scene(seed, showers=2, **SUBARRAYS[seed % len(SUBARRAYS)])  # type: ignore[arg-type]
    options = dict(KINDS[kind])
    if kind == "short":
        options["ngroups"] = 6 + seed % 5
    return make_scene(seed, **options)  # type: ignore[arg-type]


def load(path: Path) -> Scene:
    """Read a scene that was written elsewhere.

    The file has ``data``, ``twin``, ``groupdq``, ``pixeldq``, ``group_time``, the images
    ``shape_0`` … of the showers, and ``truth`` (JSON): lists of ``showers`` and ``confusers``.
    """
    with np.load(path) as stored:
        truth = json.loads(str(stored["truth"]))
        data = stored["data"]
        frame = data.shape[-2:]
        group_time = float(stored["group_time"])
        showers = []
        for one in truth["showers"]:
            shape = np.zeros(frame, np.float32)
            y0, y1, x0, x1 = one["box"]
            shape[y0:y1, x0:x1] = stored[f"shape_{one['shape_index']}"]
            light = np.array(one["light"])
            showers.append(
                TrueShower(
                    onset=-1.0 if one["is_idle"] else group_time * one["group"],
                    footprint=shape > 0.25,
                    amplitude=float(light.max()),
                    snr=one["snr"],
                    has_primary="primary" in one["flags"],
                    light=light,
                    shape=shape,
                    form=one["form"],
                    decay=one["decay"],
                    traits=tuple(one["flags"]),
                    integration=one["integration"],
                )
            )
        confusers = [
            Confuser(c["kind"], c["x"], c["y"], c["radius"], c["group"] or 0)
            for c in truth["confusers"]
            if c.get("x") is not None and not c.get("everywhere")
        ]
        return Scene(
            data,
            stored["twin"],
            stored["groupdq"],
            stored["pixeldq"],
            group_time,
            showers,
            confusers,
        )


def score(name: str, source: tuple[str, int] | Path) -> Result:
    """Make or read a scene, look for its showers, and compare."""
    scene = load(source) if isinstance(source, Path) else build(*source)
    image_shape = scene.data.shape[-2:]
    started = time.monotonic()
    entries = list(find_candidates(scene, image_shape, group_time=scene.group_time))
    seconds = time.monotonic() - started
    matches = match(scene, entries)
    used = {id(m.entry) for m in matches if m.entry is not None}
    false = [
        (blame(scene, entry), entry.score or 0.0, getattr(entry, "probability", None))
        for entry in entries
        if id(entry) not in used
    ]
    if "--verbose" in sys.argv:
        lines = [f"{name}: {len(entries)} entries, {seconds:.1f} s"]
        lines += [_told(m) for m in matches]
        lines += [
            f"  FALSE {blame(scene, e)}: {e.score}, P {e.probability}, {e.location}, "
            f"group {e.group}, {e.kind}: {e.comment}"
            for e in entries
            if id(e) not in used
        ]
        print("\n".join(lines), flush=True)
    return Result(name, matches, false, image_shape[0] * image_shape[1] / _FULL_FRAME, seconds)


def _told(m: Match) -> str:
    """Return a line about a true shower."""
    s = m.shower
    rows, columns = np.nonzero(s.shape >= s.shape.max())
    found = "MISSED" if m.entry is None else f"{m.entry.score:6.1f}, P {m.entry.probability}"
    return (
        f"  {found} S/N {s.snr:5.1f} {s.form}, {s.decay}, onset {s.onset:.0f} s, {s.traits} at "
        f"{columns.mean():.0f} {rows.mean():.0f}, IoU {m.iou:.2f}, late {m.late:+.0f}"
    )


def mask_of(entry: Shower | Polygon, image_shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of an entry in an image."""
    mask = np.zeros(image_shape, bool)
    box, inside = entry.pixels(image_shape)
    mask[box] = inside
    return mask


def match(scene: Scene, entries: Sequence[Shower | Polygon]) -> list[Match]:
    """Bring the true showers, brightest first, together with an entry each."""
    image_shape = scene.data.shape[-2:]
    masks = [mask_of(entry, image_shape) for entry in entries]
    used: set[int] = set()
    found = []
    tolerance = max(_LATE, _LATE_SECONDS / scene.group_time)
    for shower in sorted(scene.showers, key=lambda s: -s.snr):
        bright = shower.charge_pixels()
        true_group = _true_group(shower)
        best = Match(shower, None)
        covered = 0.0
        for i, (mask, entry) in enumerate(zip(masks, entries, strict=True)):
            late = entry.group - true_group
            if entry.integration != shower.integration or abs(late) > tolerance:
                continue
            if i in used:
                covered = max(covered, float(np.sum(mask & bright) / np.sum(bright)))
                continue
            iou = float(np.sum(mask & bright) / np.sum(mask | bright))
            if iou > max(best.iou, _FOUND):
                part = float(shower.shape[mask].sum() / shower.shape.sum())
                best = Match(shower, entry, iou, part, late)
                chosen = i
        if best.entry is not None:
            used.add(chosen)
        best.is_covered = best.entry is None and covered > _COVERED
        found.append(best)
    return found


def _true_group(shower: TrueShower) -> int:
    """Return the first group that has light."""
    if shower.onset < 0:
        return 0
    lit = np.flatnonzero(shower.light > 0)
    return int(lit[0]) if len(lit) else 0


def blame(scene: Scene, entry: Shower | Polygon) -> str:
    """Return what a false one lies on."""
    corners = entry.outline()
    x, y = corners.mean(axis=0)
    reach = float(np.hypot(*(corners - (x, y)).T).min())
    mask = mask_of(entry, scene.data.shape[-2:])
    for shower in scene.showers:
        common = np.sum(mask & shower.footprint)
        smaller = min(mask.sum(), shower.footprint.sum())
        if shower.integration == entry.integration and common > 0.3 * smaller:
            return "shower"
    near = [c for c in scene.confusers if np.hypot(c.x - x, c.y - y) < c.radius + reach]
    for kind in _ORDER:
        if any(c.kind == kind for c in near):
            return kind
    return near[0].kind if near else "nothing"


def report(results: Sequence[Result]) -> None:
    """Print a table."""
    matches = [m for r in results for m in r.matches]
    snr = np.array([m.shower.snr for m in matches])
    idle = np.array([m.shower.onset < 0 for m in matches])
    hit = np.array([m.entry is not None for m in matches])

    def line(title: str, here: NDArray[np.bool_]) -> None:
        if here.any():
            print(f"recall {title}: {hit[here].mean():.2f} of {here.sum()}")

    for low, high in ((4, 6), (6, 10), (10, 20), (20, np.inf)):
        line(f"S/N {low} to {high}", (snr >= low) & (snr < high))
    line("S/N >= 10, onset", (snr >= 10) & ~idle)
    line("S/N >= 10, idle", (snr >= 10) & idle)
    line("S/N 6 to 10, onset", (snr >= 6) & (snr < 10) & ~idle)
    line("S/N 6 to 10, idle", (snr >= 6) & (snr < 10) & idle)
    missed = [m for m in matches if m.entry is None and m.shower.snr >= 10]
    print(f"missed at S/N >= 10: {len(missed)}, {sum(m.is_covered for m in missed)} of them in the "
          "entry of another shower of the same time")  # fmt: skip
    for name in ("form", "decay"):
        values = np.array([getattr(m.shower, name) for m in matches])
        print(f"recall at S/N >= 10 by {name}: " + ", ".join(
            f"{v} {hit[(values == v) & (snr >= 10)].mean():.2f}"
            for v in np.unique(values) if ((values == v) & (snr >= 10)).any()))  # fmt: skip
    traits = sorted({t for m in matches for t in m.shower.traits})
    has = {t: np.array([t in m.shower.traits for m in matches]) for t in traits}
    print("recall at S/N >= 10 by trait: " + ", ".join(
        f"{t} {hit[h & (snr >= 10)].mean():.2f}" for t, h in has.items() if (h & (snr >= 10)).any()
    ))  # fmt: skip
    frames = sum(r.frames for r in results)
    false = [f for r in results for f in r.false]
    blamed = Counter(kind for kind, _, _ in false)
    print(f"false: {len(false)} in {len(results)} exposures: {len(false) / len(results):.2f} an "
          f"exposure, {len(false) / frames:.2f} a full frame; "
          + ", ".join(f"{k} {n}" for k, n in blamed.most_common()))  # fmt: skip
    found = [m for m in matches if m.entry is not None]
    print(f"precision {len(found) / max(1, len(found) + len(false)):.2f}")
    strong = [m for m in found if m.shower.snr >= 6]
    if strong:
        ratios = [(m.entry.score or 0) / m.shower.snr for m in strong if m.entry]
        print(
            f"IoU median {np.median([m.iou for m in strong]):.2f}, charge inside "
            f"{np.median([m.inside for m in strong]):.2f}, onset within one group "
            f"{np.mean([abs(m.late) <= 1 for m in strong]):.2f}, "
            f"score / S/N {np.median(ratios):.2f}"
        )
        by_form = defaultdict(list)
        for m in strong:
            by_form[m.shower.form].append(m.iou)
        print("IoU by form: " + ", ".join(f"{k} {np.median(v):.2f}" for k, v in by_form.items()))
    _calibration(found, false)
    print(f"median seconds: {np.median([r.seconds for r in results]):.1f}")


def _calibration(found: Sequence[Match], false: Sequence[tuple[str, float, float | None]]) -> None:
    """Print how often entries of a probability are showers."""
    pairs = [(getattr(m.entry, "probability", None), True) for m in found]
    pairs += [(p, False) for _, _, p in false]
    known = np.array([(p, is_true) for p, is_true in pairs if p is not None])
    if not len(known):
        return
    lines = []
    for low, high in ((0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        here = known[(known[:, 0] >= low) & (known[:, 0] < high)]
        if len(here):
            lines.append(f"{here[:, 0].mean():.2f}: {here[:, 1].mean():.2f} of {len(here)}")
    print("probability: part that are showers: " + "; ".join(lines))


def main(arguments: list[str]) -> None:
    """Score some scenes and print a table."""
    given = [a for a in arguments if not a.startswith("-")]
    if given[0] in (*KINDS, "series", "sub", "real"):
        first, count = int(given[1]), int(given[2])
        work = [(f"{given[0]} {s}", (given[0], s)) for s in range(first, first + count)]
    else:
        files = sorted(Path(given[0]).glob(given[1] if len(given) > 1 else "*.npz"))
        work = [(path.stem, path) for path in files]
    with ProcessPoolExecutor(2) as pool:
        results = list(pool.map(score, *zip(*work, strict=True)))
    report(results)


if __name__ == "__main__":
    main(sys.argv[1:])
