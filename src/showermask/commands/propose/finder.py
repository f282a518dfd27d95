"""From an exposure to candidate showers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from showermask.commands.propose.candidates import Candidate, find_glows
from showermask.commands.propose.entries import entry_of
from showermask.commands.propose.features import point_size
from showermask.commands.propose.merging import DOUBT
from showermask.commands.propose.residuals import Residuals, read_residuals, thread_pool
from showermask.commands.propose.series import LEAST_INTEGRATIONS, Levels, find_long_glows
from showermask.commands.propose.sources import SourceTerms, read_source_terms
from showermask.glow.common_mode import LEAST_ROW, read_typical_ramp
from showermask.glow.differences import Images
from showermask.glow.time_filters import make_filters
from showermask.regionfile.polygon import Polygon
from showermask.regionfile.shower import Shower

__all__ = ["LEAST_PROBABILITY", "MIN_GROUPS", "THRESHOLD", "find_candidates", "search"]

#: Signal-to-noise ratio from which on a glow is proposed.
THRESHOLD = 4.5
#: Probability of being a shower from which on it is proposed.
LEAST_PROBABILITY = 0.5

#: With fewer groups, of which two are not used, there is no course in time.
MIN_GROUPS = 6
_LEAST_DIFFERENCES = 3
#: So many integrations tell the sources of all.
_TELL_SOURCES = 3
#: Integrations that are read ahead.
_AHEAD = 2
#: Latents are so many times as wide as a point source at most. A shower has a source of an earlier
#: exposure below it by chance, with about this probability.
_LARGEST_LATENT, _SOURCES_PART = 3.5, 0.05


def find_candidates(
    images: Images,
    image_shape: tuple[int, int],
    *,
    group_time: float,
    integrations: range | None = None,
    threshold: float = THRESHOLD,
    is_latent: Callable[[float, float], str | None] = lambda _x, _y: None,
    threads: int | None = None,
) -> Iterator[Shower | Polygon]:
    """Find glows in a ramp that no one has told of.

    Parameters
    ----------
    images : Images
        The ramp.
    image_shape : tuple of int
        Rows and columns.
    group_time : float
        Time between groups in s.
    integrations : range, optional
        Integrations to search; all by default.
    threshold : float
        Signal-to-noise ratio from which on a glow is proposed.
    is_latent : callable, optional
        Tells why a compact glow from the first group on, at a column and row, may be the latent of
        a source; None where it may not.
    threads : int, optional
        Threads to read with.

    Yields
    ------
    Shower or Polygon
        The candidates of each integration, the most probable first; what is likely to be something
        else is left out.
    """
    for one, entry in search(
        images,
        image_shape,
        group_time=group_time,
        integrations=integrations,
        least_probability=LEAST_PROBABILITY,
        threads=threads,
    ):
        if one.glow.significance < threshold:
            continue
        judged = _judged_with_past(one, entry, is_latent)
        if judged is not None:
            yield judged


def search(
    images: Images,
    image_shape: tuple[int, int],
    *,
    group_time: float,
    integrations: range | None = None,
    least_probability: float = 0.0,
    threads: int | None = None,
) -> Iterator[tuple[Candidate, Shower | Polygon]]:
    """Find all that looks like a glow, likely or not, and the entry that it would have.

    Parameters
    ----------
    images, image_shape, group_time, integrations, threads
        As for `find_candidates`.
    least_probability : float
        Of being a shower.

    Yields
    ------
    Candidate, Shower or Polygon
        The candidate and its entry; a glow that lasts for several integrations has one in each.
    """
    nints, ngroups = images.stack_shape
    if ngroups < MIN_GROUPS:
        return
    typical_ramp = read_typical_ramp(images, image_shape)
    chosen = range(nints) if integrations is None else integrations
    levels = Levels(nints) if len(chosen) == nints >= LEAST_INTEGRATIONS else None
    found: list[Shower | Polygon] = []
    point: float | None = None
    read = partial(
        read_residuals,
        images,
        image_shape=image_shape,
        typical_ramp=typical_ramp,
        sources=_common_sources(images, chosen, image_shape),
    )
    for integration, residuals in _read_ahead(read, chosen, image_shape, threads):
        if levels is not None:
            levels.add(integration, residuals)
        valid = np.median(residuals.weights, axis=(1, 2)) > 0
        if np.count_nonzero(valid) >= _LEAST_DIFFERENCES:
            correlation = _correlation(residuals, valid)
            point = point_size(residuals.brightness) if point is None else point
            filters = make_filters(len(valid), group_time, correlation, valid)
            for one in find_glows(residuals, filters, correlation, point=point, threads=threads):
                if one.probability < least_probability:
                    continue
                entry = entry_of(one, integration, correlation, valid)
                found.append(entry)
                yield one, entry
    if levels is not None:
        for one, entry in find_long_glows(levels, ngroups * group_time, found):
            if one.probability >= least_probability:
                yield one, entry


def _common_sources(
    images: Images, integrations: range, image_shape: tuple[int, int]
) -> SourceTerms | None:
    """Return the sources of all integrations, told from a few; None where there are no more."""
    if len(integrations) < _TELL_SOURCES:
        return None
    few = np.linspace(0, len(integrations) - 1, _TELL_SOURCES).round().astype(int)
    return read_source_terms(images, [integrations[k] for k in few], image_shape)


def _read_ahead(
    read: Callable[..., Residuals],
    integrations: range,
    image_shape: tuple[int, int],
    threads: int | None,
) -> Iterator[tuple[int, Residuals]]:
    """Yield the residuals of integrations; small ones are read while others are searched."""
    if image_shape[1] >= LEAST_ROW or len(integrations) < 2:
        for integration in integrations:
            yield integration, read(integration=integration, threads=threads)
        return
    waiting: deque[tuple[int, Future[Residuals]]] = deque()
    with thread_pool(threads) as pool:
        for integration in integrations:
            waiting.append((integration, pool.submit(read, integration=integration, threads=1)))
            if len(waiting) > _AHEAD:
                number, future = waiting.popleft()
                yield number, future.result()
        for number, future in waiting:
            yield number, future.result()


def _judged_with_past(
    one: Candidate, entry: Shower | Polygon, is_latent: Callable[[float, float], str | None]
) -> Shower | Polygon | None:
    """Return an entry as earlier exposures make it: less probable, or none."""
    if one.glow.onset >= 0 or one.features.of_point > _LARGEST_LATENT:
        return entry
    reason = is_latent(one.glow.x, one.glow.y)
    if reason is None:
        return entry
    odds = _SOURCES_PART * one.probability / max(1e-6, 1 - one.probability)
    probability = odds / (1 + odds)
    if probability < LEAST_PROBABILITY:
        return None
    return replace(
        entry, probability=round(probability, 2), kind="latent", comment=f"{DOUBT}{reason}"
    )


def _correlation(residuals: Residuals, valid: NDArray[np.bool_]) -> float:
    """Return the correlation of the noise of one difference with the next, from the data."""
    pairs = np.flatnonzero(valid[1:] & valid[:-1])
    if not len(pairs):
        return 0.0
    sample = residuals.values[:, ::3, ::3]
    weights = residuals.weights[:, ::3, ::3]
    both = (weights[pairs] > 0) & (weights[pairs + 1] > 0)
    scaled = sample * np.sqrt(weights)
    # What hits leave would move a mean of products.
    single = _spread(np.concatenate([scaled[pairs][both], scaled[pairs + 1][both]]))
    summed = _spread((scaled[pairs] + scaled[pairs + 1])[both])
    return float(np.clip(summed**2 / 2 / single**2 - 1, -0.49, 0.0)) if single > 0 else 0.0


def _spread(values: NDArray[np.float32]) -> float:
    """Return the median distance from 0."""
    return float(np.median(np.abs(values))) if values.size else 0.0
