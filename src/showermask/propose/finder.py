"""From an exposure to candidate showers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from showermask.glow.common_mode import read_typical_ramp
from showermask.glow.differences import Images
from showermask.glow.duration import best_last_group
from showermask.glow.time_filters import TimeFilters, make_filters
from showermask.propose.detect import Peak, find_peaks
from showermask.propose.measure import LARGEST, Glow, measure_glow
from showermask.propose.residuals import BIN, Residuals, read_residuals
from showermask.regionfile.ellipse import Ellipse
from showermask.regionfile.entry import Status
from showermask.regionfile.shower import PROPOSED, Shower

__all__ = ["MIN_GROUPS", "THRESHOLD", "find_candidates"]

#: Signal-to-noise ratio from which on a glow is proposed.
THRESHOLD = 6.0

#: With fewer groups, of which two are not used, there is no course in time.
MIN_GROUPS = 6

_PEAK_THRESHOLD = 5.0
_LEAST_DIFFERENCES = 3
#: A glow has light all over; what a tenth of its bins make up to so large a part is something else.
_MOST_COMPACT = 0.6
#: What is no larger, as a semi-axis in pixels, is a hit; or, if it is there from the beginning, the
#: latent of a star.
_HIT, _LATENT = 3.0, 4.0
_MOST_BLIND = 0.4
#: What is so much thinner than long is a row, or the trail of something.
_THINNEST = 0.15
#: What fills more of the frame can't be told from what the frame has in common.
_LARGEST_PART = 0.15
_COMMON_AREA, _AREA_POWER = 100.0, 0.3  # pixels
#: On a source of so many times the noise, a glow has to stand out so much more.
_ON_SOURCE, _SOURCE_FACTOR = 5.0, 2.0
#: A glow goes on beyond its ellipse, to so many times its size.
_BLANKED = 1.5
#: Of two glows in one place, the fainter counts if it begins so many groups apart.
_APART = 4


def find_candidates(
    images: Images,
    image_shape: tuple[int, int],
    *,
    group_time: float,
    integrations: range | None = None,
    threshold: float = THRESHOLD,
) -> Iterator[Shower]:
    """Find glows in a ramp that no one has told of."""
    nints, ngroups = images.stack_shape
    if ngroups < MIN_GROUPS:
        return
    typical_ramp = read_typical_ramp(images, image_shape)
    for integration in range(nints) if integrations is None else integrations:
        residuals = read_residuals(images, integration, image_shape, typical_ramp)
        yield from _of_integration(residuals, integration, group_time, threshold)


def _of_integration(
    residuals: Residuals, integration: int, group_time: float, threshold: float
) -> Iterator[Shower]:
    valid = np.median(residuals.weights, axis=(1, 2)) > 0
    if np.count_nonzero(valid) < _LEAST_DIFFERENCES:
        return
    correlation = _correlation(residuals, valid)
    filters = make_filters(len(valid), group_time, correlation, valid)
    found: list[tuple[Glow, int]] = []
    for peak in find_peaks(residuals, filters, _PEAK_THRESHOLD):
        if _is_taken(peak, int(filters.onset[peak.filter]), found):
            continue
        glow = measure_glow(residuals, filters, peak)
        if glow is None:
            continue
        onset = int(filters.onset[glow.filter])
        smallest = _LATENT if _is_early(onset, valid) else _HIT
        if max(glow.ellipse.a, glow.ellipse.b) < smallest:
            continue
        if not _is_believed(glow, min(threshold, THRESHOLD), residuals.image_shape):
            continue
        found.append((glow, onset))
        _blank(residuals, glow)
    # A higher threshold takes some of what is found with the usual one, and finds nothing else.
    believed = [glow for glow, _ in found if _is_believed(glow, threshold, residuals.image_shape)]
    for glow in sorted(believed, key=lambda glow: -glow.significance):
        yield _shower(glow, integration, filters, correlation, valid)


def _is_early(onset: int, valid: NDArray[np.bool_]) -> bool:
    """Tell whether a glow is there from the first usable difference on: it may be older still."""
    return bool(onset <= np.flatnonzero(valid)[0])


def _is_believed(glow: Glow, threshold: float, image_shape: tuple[int, int]) -> bool:
    """Tell a glow from what only looks like one."""
    a, b = glow.ellipse.a, glow.ellipse.b
    if glow.compactness > _MOST_COMPACT or glow.blind > _MOST_BLIND:
        return False
    if min(a, b) < _THINNEST * max(a, b):
        return False
    if max(a, b) >= LARGEST or math.pi * a * b > _LARGEST_PART * image_shape[0] * image_shape[1]:
        return False
    # There are more places for something small, and more of what stands out there is chance.
    needed = threshold * max(1.0, (_COMMON_AREA / (math.pi * a * b)) ** _AREA_POWER)
    if glow.brightness > _ON_SOURCE:
        needed *= _SOURCE_FACTOR
    return bool(glow.significance >= needed)


def _correlation(residuals: Residuals, valid: NDArray[np.bool_]) -> float:
    """Return the correlation of the noise of one difference with the next, from the data."""
    pairs = np.flatnonzero(valid[1:] & valid[:-1])
    if not len(pairs):
        return 0.0
    sample = residuals.values[:, ::3, ::3]
    weight = residuals.weights[:, ::3, ::3] > 0
    both = weight[pairs] & weight[pairs + 1]
    product = float(np.sum(sample[pairs] * sample[pairs + 1] * both))
    square = float(np.sum((sample[pairs] ** 2 + sample[pairs + 1] ** 2) / 2 * both))
    return float(np.clip(product / square, -0.45, 0.0)) if square > 0 else 0.0


def _blank(residuals: Residuals, glow: Glow) -> None:
    """Take a glow and its surroundings out of the residuals, so that it is not found again."""
    e = glow.ellipse
    grown = Ellipse(x=e.x, y=e.y, a=_BLANKED * e.a, b=_BLANKED * e.b, theta=e.theta)
    rows, columns = grown.box(residuals.image_shape)
    ny, nx = residuals.brightness.shape
    box = (
        slice(rows.start // BIN, min(ny, -(-rows.stop // BIN))),
        slice(columns.start // BIN, min(nx, -(-columns.stop // BIN))),
    )
    y = (np.arange(box[0].start, box[0].stop) + 0.5) * BIN - 0.5
    x = (np.arange(box[1].start, box[1].stop) + 0.5) * BIN - 0.5
    inside = grown.radius(x, y[:, np.newaxis]) <= 1
    residuals.values[:, *box][:, inside] = 0
    residuals.weights[:, *box][:, inside] = 0


def _is_taken(peak: Peak, onset: int, found: list[tuple[Glow, int]]) -> bool:
    """Tell whether a peak belongs to a glow that was found before."""
    for glow, begun in found:
        e = glow.ellipse
        reach = 1.3 + peak.size / math.sqrt(e.a * e.b)
        is_near = float(e.radius(peak.x, peak.y)) < reach
        if is_near and (abs(onset - begun) < _APART or peak.significance < 0.7 * glow.significance):
            return True
    return False


def _shower(
    glow: Glow,
    integration: int,
    filters: TimeFilters,
    correlation: float,
    valid: NDArray[np.bool_],
) -> Shower:
    onset = int(filters.onset[glow.filter])
    group = 0 if _is_early(onset, valid) else onset + 1
    e = glow.ellipse
    return Shower(
        integration=integration,
        group=group,
        last_group=best_last_group(
            glow.amplitude * filters.shape[glow.filter],
            noise=glow.noise,
            correlation=correlation,
            first_group=group,
            valid=valid,
        ),
        x=round(e.x, 1),
        y=round(e.y, 1),
        a=round(e.a, 1),
        b=round(e.b, 1),
        theta=round(e.theta % 180, 1),
        status=Status.CANDIDATE,
        source=PROPOSED,
        score=round(glow.significance, 1),
    )
