"""Can a reviewer see it? The contrast of the image that N opens, for showers that propose finds.

Run as ``python benchmarks/evidence.py [FIRST_SEED [COUNT [KIND]]]`` (kinds: ``propose/score.py``).
For each true shower that is found, with the ellipse and groups of its candidate: the contrast (mean
inside the ellipse less mean of a ring around it, over the standard deviation of what is shown at
the smoothing shown) of the evidence image; of what the best filter could show, which knows the
shower's light curve and the noise; and of single differences, smoothed alike.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from showermask import Polygon, Shower
from showermask.commands.propose.finder import find_candidates
from showermask.glow.evidence import Evidence
from showermask.glow.light_curve import Aperture

sys.path.insert(0, str(Path(__file__).parent / "propose"))
from scenes import GAIN, READ_NOISE, Scene, TrueShower
from score import build, match


def noise_of(image: NDArray[np.float32]) -> float:
    """Return the robust standard deviation of an image."""
    finite = image[np.isfinite(image)]
    return 1.4826 * float(np.median(np.abs(finite - np.median(finite))))


def contrast(image: NDArray[np.float32], aperture: Aperture) -> float:
    """Return mean inside less mean of the ring, over the noise of all of the image."""
    part = image[aperture.box]
    inside, ring = part[aperture.inside], part[aperture.ring]
    return float((np.nanmean(inside) - np.nanmean(ring)) / noise_of(image))


def best_contrast(
    scene: Scene, truth: TrueShower, aperture: Aperture, smoothing: float, rate: float
) -> float:
    """Return the contrast in the image of the filter that knows the light curve and the noise."""
    photons = rate * scene.group_time / GAIN
    n = len(truth.light) - 3  # differences without the first and the last
    covariance = (photons + 2 * READ_NOISE**2) * np.eye(n)
    covariance -= READ_NOISE**2 * (np.eye(n, k=1) + np.eye(n, k=-1))
    inverse = np.linalg.inv(covariance)
    glow, constant = np.diff(truth.light)[1:-1], np.ones(n)
    weights = inverse @ glow
    weights -= inverse @ constant * (glow @ inverse @ constant) / (constant @ inverse @ constant)
    signal = gaussian_filter(truth.shape * float(weights @ glow), smoothing, truncate=3.0)
    part = signal[aperture.box]
    difference = float(part[aperture.inside].mean() - part[aperture.ring].mean())
    point = np.zeros((65, 65))
    point[32, 32] = 1
    smoothed = float(np.sqrt(np.sum(gaussian_filter(point, smoothing, truncate=3.0) ** 2)))
    return difference / (float(np.sqrt(weights @ covariance @ weights)) * smoothed)


def look(seed: int, kind: str) -> list[tuple[float, ...]]:
    """Return S/N, contrasts (ours, best, differences) and seconds of each shower found."""
    scene = build(kind, seed)
    image_shape = scene.data.shape[-2:]
    candidates = list(find_candidates(scene, image_shape, group_time=scene.group_time))
    rate = float(np.median(scene.data[0, -2] - scene.data[0, 1])) / (
        (len(scene.data[0]) - 3) * scene.group_time
    )
    found = []
    for one in match(scene, candidates):
        truth, candidate = one.shower, one.entry
        if candidate is None:
            continue
        started = time.perf_counter()
        evidence = Evidence.of_ramp(scene, image_shape, candidate, 0)
        image = evidence.image()
        seconds = time.perf_counter() - started
        smoothing, aperture = evidence.smoothing, evidence.aperture
        found.append((
            truth.snr,
            contrast(image, aperture),
            best_contrast(scene, truth, aperture, smoothing, rate),
            single_difference(scene, candidate, aperture, smoothing),
            single_difference(scene, candidate, aperture, 0.0),
            seconds,
        ))  # fmt: skip
    return found


def single_difference(
    scene: Scene, candidate: Shower | Polygon, aperture: Aperture, smoothing: float
) -> float:
    """Return the contrast of the best of the first three differences of a candidate."""
    found = []
    first = max(1, candidate.group)
    for group in range(first, min(first + 3, scene.data.shape[1])):
        difference = scene.data[0, group] - scene.data[0, group - 1]
        if smoothing:
            difference = gaussian_filter(difference, smoothing, truncate=3.0)
        found.append(contrast(difference, aperture))
    return max(found)


def main(first: int = 3001, count: int = 6, kind: str = "steady") -> None:
    """Look at some scenes and print a table."""
    with ProcessPoolExecutor(2) as pool:
        found = pool.map(look, range(first, first + count), [kind] * count)
        rows = np.array(list(chain.from_iterable(found)))
    print(f"seeds {first} to {first + count - 1}, {kind}: {len(rows)} showers found")
    print("  S/N of the shower    n  evidence  /best  difference, smoothed alike / as it is")
    for low, high in ((0, 7), (7, 15), (15, 40), (40, np.inf), (0, np.inf)):
        here = rows[(rows[:, 0] >= low) & (rows[:, 0] < high)]
        if len(here):
            ratio = here[:, 1] / here[:, 2]
            middle = np.median(here, axis=0)
            print(
                f"  {low:5g} to {high:5g}     {len(here):4d}  {middle[1]:8.2f}  "
                f"{np.median(ratio):5.2f}  {middle[3]:10.2f} / {middle[4]:.2f}"
            )
    ratio = np.sort(rows[:, 1] / rows[:, 2])
    print(f"  evidence / best, tenths: {np.round(np.quantile(ratio, np.arange(0, 1.01, 0.1)), 2)}")
    print(f"  seconds: {np.median(rows[:, 5]):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
