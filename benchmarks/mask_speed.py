"""Time the mask itself: against the original tool's way, and against the least that could be done.

Run as ``python benchmarks/mask_speed.py``. All figures are ratios of times taken in one run, the
least of several repeats; the pixels are compared as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from astropy.modeling.functional_models import Ellipse2D
from numpy.typing import NDArray

from showermask import Shower
from showermask.masking.cost import measure
from showermask.masking.footprint import find_footprints, set_bits
from showermask.masking.lone_groups import flag_lone_groups

FULL_FRAME = (1, 40, 1024, 1032)
LRS_SERIES = (1000, 10, 416, 72)


def draw_showers(
    count: int, shape: tuple[int, int, int, int], largest: float, seed: int
) -> list[Shower]:
    """Draw showers anywhere in a ramp, with semi-axes up to ``largest`` pixels."""
    rng = np.random.default_rng(seed)
    nints, ngroups, ny, nx = shape
    return [
        Shower(
            integration=int(rng.integers(nints)),
            group=int(rng.integers(ngroups)),
            x=rng.uniform(0, nx),
            y=rng.uniform(0, ny),
            a=rng.uniform(5, largest),
            b=rng.uniform(5, largest),
            theta=rng.uniform(0, 360),
        )
        for _ in range(count)
    ]


def mask(plane: NDArray[np.uint8], showers: list[Shower]) -> None:
    """Mask as the step does: footprints, the count for the cap, the bits, the lone groups."""
    footprints = find_footprints(showers, plane.shape)
    bits = [5] * len(footprints)
    measure(footprints, plane.shape)
    set_bits(plane, footprints, bits)
    flag_lone_groups(plane, footprints, bits)


def mask_like_the_original(plane: NDArray[np.uint8], showers: list[Shower]) -> None:
    """Mask as MaskShowers.py does: an Ellipse2D over the whole frame, again for every group."""
    y, x = np.mgrid[: plane.shape[2], : plane.shape[3]]
    for s in showers:
        model = Ellipse2D(amplitude=1, x_0=s.x, y_0=s.y, a=s.a, b=s.b, theta=np.radians(s.theta))
        for group in range(s.group, plane.shape[1]):
            image_shape = plane[s.integration, group]
            image_shape[model(x, y) == 1] |= 5


def or_bare_boxes(plane: NDArray[np.uint8], showers: list[Shower]) -> None:
    """OR a byte into the same boxes, with no ellipse at all: the least that could be done."""
    for s in showers:
        plane[s.integration, s.group :, *s.ellipse.box(plane.shape[-2:])] |= 5


def seconds(work: Callable[[], None], repeats: int) -> float:
    """Return the least time of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def compare_full_frame() -> None:
    """Mask 30 showers in 40 full-frame groups in three ways."""
    showers = draw_showers(30, FULL_FRAME, largest=60, seed=1)
    ours, theirs, boxes = (np.zeros(FULL_FRAME, np.uint8) for _ in range(3))
    for plane in (ours, theirs, boxes):
        plane[:] = 0  # touch the memory, so that no way pays for its first use
    least = seconds(lambda: or_bare_boxes(boxes, showers), 20)
    own = seconds(lambda: mask(ours, showers), 20)
    original = seconds(lambda: mask_like_the_original(theirs, showers), 1)
    same = np.array_equal(ours, theirs)
    print(f"30 showers, 40 groups of {FULL_FRAME[2]} x {FULL_FRAME[3]}:")
    print(f"  showermask {own * 1e3:8.2f} ms; the same pixels as the original: {same}")
    print(f"  original   {original * 1e3:8.0f} ms, {original / own:.0f} times as long")
    print(f"  bare boxes {least * 1e3:8.2f} ms, showermask takes {own / least:.2f} times that")


def follow_the_area() -> None:
    """Mask 2000 showers in 1000 integrations, with larger and larger ellipses."""
    plane = np.zeros(LRS_SERIES, np.uint8)
    plane[:] = 0
    print(f"2000 showers, {LRS_SERIES[0]} integrations of 10 groups of 416 x 72:")
    for largest in (10, 20, 40, 80, 160):
        showers = draw_showers(2000, LRS_SERIES, largest, seed=2)
        footprints = find_footprints(showers, LRS_SERIES)
        samples = sum(footprint.pixels * footprint.ngroups for footprint in footprints)
        own = seconds(lambda showers=showers: mask(plane, showers), 3)
        print(
            f"  {samples / 1e6:7.2f} million samples: {own * 1e3:7.1f} ms, "
            f"{own / samples * 1e9:6.2f} ns a sample, {own / 2000 * 1e6:5.0f} µs a shower"
        )


if __name__ == "__main__":
    compare_full_frame()
    follow_the_area()
