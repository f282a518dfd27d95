"""What masks take from the rate, and what they spoil, fitted with the stock ``ramp_fit``.

For the candidates of the proposer, for the same ellipses masked to the end, and for the true
footprints masked to the end:

- charge left: what showers add to the rate with the mask, in units of without, over all of them;
- damage: what the same mask changes in the rate of a twin with the same noise and no shower, in the
  same units, summed over pixels without sign, and in brackets with sign within each shower;
- time lost: part of all samples.

Candidates count from a score of 6 on. Run: python benchmarks/propose/masks.py KIND FIRST_SEED COUNT
(for the kinds see ``score.py``).
"""

import logging
import os
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenes import Scene
from score import build

from showermask.commands.propose.finder import find_candidates
from showermask.masking.footprint import find_footprints
from showermask.synthetic.crds_cache import Detector, build_cache, cache_environment

_BITS = 5
_LEAST_SCORE = 6.0


def main(kind: str, first: int, count: int) -> None:
    """Score some scenes and print a table."""
    sums: dict[str, NDArray[np.float64]] = {}
    for seed in range(first, first + count):
        scene = build(kind, seed)
        image_shape = scene.data.shape[-2:]
        found = [
            entry
            for entry in find_candidates(scene, image_shape, group_time=scene.group_time)
            if (entry.score or 0.0) >= _LEAST_SCORE
        ]
        bare = [fit(scene, cube, scene.groupdq) for cube in (scene.data, scene.twin)]
        for title, masks in (
            ("candidates", masked(scene, found)),
            ("candidates, to the end", masked(scene, [replace(c, last_group=None) for c in found])),
            ("true footprints, to the end", truth(scene)),
        ):
            flags = scene.groupdq | np.where(masks, np.uint8(_BITS), np.uint8(0))
            with_mask = [fit(scene, cube, flags) for cube in (scene.data, scene.twin)]
            sums[title] = sums.get(title, np.zeros(5)) + scored(scene, bare, with_mask, masks)
    for title, (charge, left, spoiled, signed, lost) in sums.items():
        print(
            f"{title:28s} charge left {left / charge:.2f}, damage {spoiled / charge:.2f} "
            f"({signed / charge:.2f}), time lost {lost / count:.4f}"
        )


def masked(scene: Scene, showers: list[Any]) -> NDArray[np.bool_]:
    """Return the samples that showers mask."""
    masks = np.zeros(scene.data.shape, bool)
    for footprint in find_footprints(showers, masks.shape):
        masks[footprint.integration, footprint.groups, *footprint.box] |= footprint.inside
    return masks


def truth(scene: Scene) -> NDArray[np.bool_]:
    """Return the samples that the true footprints mask."""
    masks = np.zeros(scene.data.shape, bool)
    for shower in scene.showers:
        first = max(0, int(np.ceil(shower.onset / scene.group_time)) - 1)
        masks[0, first:, shower.footprint] = True
    return masks


def scored(scene: Scene, bare: list[Any], with_mask: list[Any], masks: Any) -> NDArray[np.float64]:
    """Return charge without and with the mask, damage, signed damage, and time lost."""
    total = np.zeros(5)
    for shower in scene.showers:
        inside = shower.footprint & np.all([np.isfinite(r) for r in (*bare, *with_mask)], axis=0)
        change = (with_mask[1] - bare[1])[inside]
        total[:4] += (
            np.sum((bare[0] - bare[1])[inside]),
            np.sum((with_mask[0] - with_mask[1])[inside]),
            np.sum(np.abs(change)),
            abs(np.sum(change)),
        )
    total[4] = masks.mean()
    return total


def fit(scene: Scene, data: Any, flags: Any) -> Any:
    """Return the rate that ``ramp_fit`` makes."""
    from jwst.ramp_fitting import RampFitStep

    from showermask.synthetic.ramps import RampBuilder

    _, ngroups, ny, nx = data.shape
    # The header of a ramp of one pixel is that of any: the builder's own noise takes its time.
    model = RampBuilder(ngroups=ngroups, ny=8, nx=8, group_time=scene.group_time).model(
        subarray="FULL"
    )
    model.data, model.groupdq = data.copy(), flags.copy()
    model.pixeldq = scene.pixeldq.copy()
    model.meta.subarray.xsize, model.meta.subarray.ysize = nx, ny
    rate, _ = RampFitStep.call(model)
    return rate.data.astype(float)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        cache = build_cache(Path(scratch), Detector(ny=1024, nx=1032, subarray="FULL"))
        os.environ.update(cache_environment(cache))
        logging.disable(logging.ERROR)
        warnings.simplefilter("ignore")
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
