"""Score the proposer on simulated exposures.

Run: python benchmarks/propose/score.py FIRST_SEED COUNT [fast|slow|sub]

Seeds 1 to 20 were looked at while the proposer was made; others are fresh.
"""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scenes import FASTR1, SLOWR1, Scene, TrueShower, make_scene

from showermask import Shower
from showermask.propose.finder import find_candidates

KINDS = {
    "fast": {"ngroups": 40, "group_time": FASTR1},
    "short": {"ngroups": 10, "group_time": FASTR1},
    "slow": {"ngroups": 20, "group_time": SLOWR1},
    "sub": {"ngroups": 40, "group_time": FASTR1, "frame": (256, 256), "showers": 2},
}
_FOUND = 0.1  # of the union that footprint and ellipse have in common, and within groups of:
_LATE = 3


@dataclass
class Result:
    """What became of one scene: for each true shower S/N, idle, IoU (0: missed), score."""

    showers: list[tuple[float, bool, float, float]]
    false: list[float]
    seconds: float


def score(seed: int, kind: str) -> Result:
    """Make a scene, look for its showers, and compare."""
    scene = make_scene(seed, **KINDS[kind])
    image_shape = scene.data.shape[-2:]
    started = time.monotonic()
    candidates = list(find_candidates(scene, image_shape, group_time=scene.group_time))
    seconds = time.monotonic() - started
    found = []
    is_used = {}
    for shower, candidate in match(scene, candidates):
        iou, best = 0.0, 0.0
        if candidate is not None:
            mask = mask_of(candidate, image_shape)
            iou = np.sum(mask & shower.footprint) / np.sum(mask | shower.footprint)
            best = candidate.score or 0.0
            is_used[id(candidate)] = True
        found.append((shower.snr, shower.onset < 0, iou, best))
    false = [c for c in candidates if id(c) not in is_used]
    for c in false:
        print(f"  seed {seed}: FALSE {c.score} at {c.x} {c.y}, {c.a} x {c.b}, group {c.group}")
    return Result(found, [c.score for c in false], seconds)


def mask_of(shower: Shower, image_shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a shower in an image."""
    mask = np.zeros(image_shape, bool)
    box, inside = shower.pixels(image_shape)
    mask[box] = inside
    return mask


def match(scene: Scene, candidates: Sequence[Shower]) -> list[tuple[TrueShower, Shower | None]]:
    """Bring the true showers, brightest first, together with a candidate each."""
    image_shape = scene.data.shape[-2:]
    masks = [mask_of(candidate, image_shape) for candidate in candidates]
    is_used = [False] * len(candidates)
    pairs: list[tuple[TrueShower, Shower | None]] = []
    for shower in sorted(scene.showers, key=lambda s: -s.snr):
        most, best = 0.0, -1
        for i, (mask, candidate) in enumerate(zip(masks, candidates, strict=True)):
            onset = max(0.0, shower.onset / scene.group_time)
            if is_used[i] or abs(candidate.group - onset) > _LATE + 0.1 * onset:
                continue
            common = np.sum(mask & shower.footprint) / np.sum(mask | shower.footprint)
            if common > max(most, _FOUND):
                most, best = common, i
        if best >= 0:
            is_used[best] = True
        pairs.append((shower, candidates[best] if best >= 0 else None))
    return pairs


def main(first: int, count: int, kind: str = "fast") -> None:
    """Score some scenes and print a table."""
    with ProcessPoolExecutor(2) as pool:
        results = list(pool.map(score, range(first, first + count), [kind] * count))
    showers = np.array([s for r in results for s in r.showers])
    snr, idle, iou = showers[:, 0], showers[:, 1] > 0, showers[:, 2]
    for low, high in ((3, 5), (5, 7), (7, 10), (10, 20), (20, np.inf)):
        here = (snr >= low) & (snr < high)
        if here.any():
            print(f"S/N {low:3g} to {high:3g}: {np.mean(iou[here] > 0):.2f} of {here.sum()}")
    for title, here in (
        ("S/N >= 10", snr >= 10),
        ("S/N >= 10, idle", (snr >= 10) & idle),
        ("S/N > 3", snr > 3),
        ("S/N > 3, idle", (snr > 3) & idle),
    ):
        print(f"recall, {title}: {np.mean(iou[here] > 0):.3f} of {here.sum()}")
    false = [len(r.false) for r in results]
    print(f"false per exposure: {np.mean(false):.2f}, most {max(false)}")
    print(f"median IoU: {np.median(iou[iou > 0]):.2f}")
    print(f"median seconds: {np.median([r.seconds for r in results]):.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
