"""Answers about an entry and its integration: evidence, light curves, rates, witnesses, fits."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import JSONResponse, Response

from showermask.commands.review.encoding import encode_image, packed_response
from showermask.commands.review.exposures import Review, entry_of
from showermask.commands.review.session import ReviewSession
from showermask.commands.review.subtraction import Subtraction, Subtractions
from showermask.commands.review.witnesses import Witnesses
from showermask.exceptions import EntryError, ShowermaskError
from showermask.exposure.dq import DO_NOT_USE
from showermask.exposure.images import ImageReader
from showermask.glow.evidence import Evidence
from showermask.glow.fits import Trade, fit_ellipse, fit_group, fit_last_group
from showermask.glow.quicklook import MaskedPlaces, estimate_rate
from showermask.glow.without import residual_evidence
from showermask.masking.footprint import find_footprints
from showermask.regionfile.entry import Box, Entry, grow_box
from showermask.regionfile.shower import Shower

__all__ = ["Views"]

#: Evidence that is kept: light curves and fits, which are small.
_KEPT = 64
#: Half of the first image around an entry, in sizes of the entry, and its least margin in pixels.
_AROUND, _LEAST_AROUND = 2.0, 40
#: Light curves of other integrations that are drawn behind that of the entry.
_OTHER_CURVES = 5


class Views:
    """Answers the page. Each method takes the body of the request and the numbers in the path."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self._kept: OrderedDict[tuple[int, str], Evidence] = OrderedDict()
        self._keeping = threading.Lock()
        self._witnesses = Witnesses(review)
        self._kinds: dict[str, Callable[[_Request], NDArray[np.float32]]] = {
            "evidence": self._evidence_image,
            "pair": _pair,
            "mean": _mean,
            "before": _rate_before,
            "after": _rate_after,
            "subtracted": self._rate_subtracted,
            "residual": self._residual,
        }
        self._subtractions = Subtractions()

    def image(self, body: Mapping[str, Any], number: int) -> Response:
        """Return an image of some kind, packed."""
        request = self._request(body, number)
        make = self._kinds.get(str(body.get("kind")))
        if make is None:
            kinds = ", ".join(self._kinds)
            raise ShowermaskError(f"kind is {body.get('kind')!r}, expected one of {kinds}")
        answer = packed_response(encode_image(make(request)))
        if body.get("kind") == "evidence":
            self._say_smoothing(answer, request)
        return answer

    def part(self, body: Mapping[str, Any], number: int) -> Response:
        """Return the evidence image around an entry, packed: it is there sooner than all of it."""
        request = self._request(body, number)
        evidence = self._evidence(request)
        box = _box_around(request.need_entry, evidence.image_shape)
        image = evidence.image(smoothing=_smoothing(request), box=box)
        answer = packed_response(
            encode_image(image), shape=image.shape, at=(box[1].start, box[0].start)
        )
        self._say_smoothing(answer, request)
        return answer

    def curve(self, body: Mapping[str, Any], number: int) -> Response:
        """Return the light curve of an entry, and the glow that fits it, in DN/s."""
        request = self._request(body, number)
        exposure = request.reader.exposure
        evidence = self._evidence(request)
        curve, fit = evidence.curve, evidence.fit
        if curve is None:
            raise EntryError("a rate has no light curve, expected a ramp or rateints")
        scale = 1 / exposure.group_time if fit is not None and exposure.group_time else 1.0
        time = exposure.group_time if fit is not None else exposure.integration_time
        first = 1 if fit is not None else 0
        others = []
        if fit is not None:
            for other in _near(evidence.integration, exposure.stack_shape[0]):
                same = Evidence.of_entry(request.reader, request.need_entry, integration=other)
                values = same.curve.values if same.curve is not None else np.empty(0)
                others.append({"integration": other, "values": _listed(values * scale)})
        return JSONResponse(
            {
                "axis": "group" if fit is not None else "integration",
                "first": first,
                "step": time,
                "unit": "DN/s" if fit is None or exposure.group_time else "DN",
                "values": _listed(curve.values * scale),
                "errors": _listed(curve.errors * scale),
                "model": None if fit is None else _listed((fit.glow + fit.level) * scale),
                "level": None if fit is None else fit.level * scale,
                "others": others,
            }
        )

    def subtraction(self, body: Mapping[str, Any], number: int) -> Response:
        """Return the verdict on taking the light of an entry out, and its light curve in DN/s."""
        request = self._request(body, number)
        found = self._subtraction(request)
        group_time = request.reader.exposure.group_time or 1.0
        curve = found.light_curve(self._evidence(request)) / group_time
        return JSONResponse({**found.verdict(), "light": _listed(curve)})

    def fit(self, body: Mapping[str, Any], number: int) -> Response:
        """Return values of an entry that fit its evidence better, and a sentence about them."""
        request = self._request(body, number)
        entry, what = request.need_entry, body.get("what")
        evidence = self._evidence(request)
        if what == "group":
            group = fit_group(evidence)
            return JSONResponse(
                {"values": {"group": group}, "says": f"The light curve begins in group {group}."}
            )
        if what == "last_group":
            _, ngroups = request.reader.exposure.stack_shape
            first = entry.groups(ngroups).start
            best, whole = fit_last_group(evidence, first, ngroups)
            says = f"To {_end(best)}: {_trade_text(best)}. To {_end(whole)}: {_trade_text(whole)}."
            return JSONResponse({"values": {"last_group": best.last_group}, "says": says})
        if what == "ellipse":
            if not isinstance(entry, Shower):
                raise EntryError("has no ellipse, expected a shower")
            ellipse, significance = fit_ellipse(evidence, entry.ellipse)
            values = {name: round(value, 1) for name, value in vars(ellipse).items()}
            says = f"The ellipse has an S/N of {significance:.1f} in the evidence image."
            return JSONResponse({"values": values, "says": says})
        raise ShowermaskError(f"what is {what!r}, expected group, last_group or ellipse")

    def witnesses(self, body: Mapping[str, Any], number: int) -> Response:
        """Return where else the place of an entry was seen: integrations and exposures."""
        request = self._request(body, number)
        return JSONResponse(
            {"witnesses": self._witnesses.find(number, request.reader, request.need_entry)}
        )

    def witness(self, body: Mapping[str, Any], number: int) -> Response:
        """Return the evidence image around the place of an entry, there or in a witness."""
        request = self._request(body, number)
        evidence = self._evidence(request)
        course = None if evidence.fit is None else evidence.fit.shape
        image, place = self._witnesses.image(
            number, request.reader, request.need_entry, body.get("witness"), course
        )
        return packed_response(encode_image(image), shape=image.shape, place=place)

    def _request(self, body: Mapping[str, Any], number: int) -> _Request:
        reader, session = self._review.get(number)
        return _Request(number, reader, session, body)

    def _evidence(self, request: _Request) -> Evidence:
        """Return the evidence for an entry, from what is kept if it is there."""
        entry = request.need_entry
        what = {k: v for k, v in entry.values().items() if k in _SHAPE_KEYS}
        key = request.number, repr(what)
        with self._keeping:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        evidence = Evidence.of_entry(request.reader, entry)
        with self._keeping:
            self._kept[key] = evidence
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return evidence

    def _subtraction(self, request: _Request) -> Subtraction:
        entry = request.need_entry
        others = [
            other
            for other in request.session.accepted
            if other.is_to_be_subtracted and other.fingerprint != entry.fingerprint
        ]
        return self._subtractions.of(request.number, request.reader, entry, others)

    def _rate_subtracted(self, request: _Request) -> NDArray[np.float32]:
        """Return the rate of the integration in DN/s without the light of the entry."""
        rate = _rate(request, None)
        return rate - self._subtraction(request).rate(rate.shape)

    def _residual(self, request: _Request) -> NDArray[np.float32]:
        """Return the evidence image of the ramp without the light of the entry."""
        evidence = self._evidence(request)
        model = self._subtraction(request).model
        models = [] if model is None else [model]
        left = residual_evidence(request.reader, evidence, request.need_entry, models)
        return left.image(smoothing=_smoothing(request))

    def _say_smoothing(self, answer: Response, request: _Request) -> None:
        """Add the smoothing of an evidence image to the answer that holds it."""
        asked = _smoothing(request)
        smoothing = self._evidence(request).smoothing if asked is None else asked
        answer.headers["X-Smoothing"] = f"{smoothing:g}"

    def _evidence_image(self, request: _Request) -> NDArray[np.float32]:
        """Return the evidence image of an entry."""
        return self._evidence(request).image(smoothing=_smoothing(request))


#: Values that change the evidence for an entry.
_SHAPE_KEYS = ("integration", "group", "x", "y", "a", "b", "theta", "vertices")


class _Request:
    """A request about an exposure: its reader, its review, and what the body says."""

    def __init__(
        self, number: int, reader: ImageReader, session: ReviewSession, body: Mapping[str, Any]
    ) -> None:
        self.number, self.reader, self.session, self.body = number, reader, session, body

    @property
    def need_entry(self) -> Entry:
        """The entry that the body holds."""
        return entry_of(self.body)

    @property
    def entry(self) -> Entry | None:
        """The entry that the body holds, if any."""
        is_there = any(isinstance(value, dict) for value in self.body.values())
        return entry_of(self.body) if is_there else None

    @property
    def integration(self) -> int:
        """The integration on show."""
        integration = int(self.body.get("integration", 0))
        self.reader.check_index(integration, 0)
        return integration


def _smoothing(request: _Request) -> float | None:
    """Return the smoothing that is asked for, None for what suits the entry."""
    smoothing = request.body.get("smoothing")
    if smoothing is None:
        return None
    if not 0 <= float(smoothing) <= 4:
        raise ShowermaskError(f"smoothing is {smoothing}, expected 0 to 4 pixels")
    return float(smoothing)


def _pair(request: _Request) -> NDArray[np.float32]:
    """Return a group less another."""
    reader = request.reader
    image = reader.image(request.integration, int(request.body["group"]))
    image -= reader.image(request.integration, int(request.body["from"]))
    return image


def _mean(request: _Request) -> NDArray[np.float32]:
    """Return the mean difference of the groups of an entry, or of all, in DN."""
    reader, entry = request.reader, request.entry
    _, ngroups = reader.stack_shape
    if not reader.exposure.is_ramp or ngroups < 2:
        nints = reader.stack_shape[0]
        total = np.zeros(reader.exposure.image_shape, np.float32)
        for i in range(nints):
            total += reader.image(i, 0)
        return total / np.float32(nints)
    groups = slice(1, ngroups) if entry is None else entry.groups(ngroups)
    first, last = max(groups.start - 1, 0), groups.stop - 1
    image = reader.image(request.integration, max(last, first + 1))
    image -= reader.image(request.integration, first)
    return image / np.float32(max(last - first, 1))


def _rate_before(request: _Request) -> NDArray[np.float32]:
    """Return the rate of the integration in DN/s, without any mask."""
    return _rate(request, None)


def _rate_after(request: _Request) -> NDArray[np.float32]:
    """Return the rate with the mask of the accepted entries and of the one on show."""
    exposure = request.reader.exposure
    entries = list(request.session.accepted)
    if request.entry is not None:
        entries.append(request.entry)
    footprints = find_footprints(entries, exposure.shape, [DO_NOT_USE] * len(entries))
    return _rate(request, MaskedPlaces(footprints))


def _rate(request: _Request, masked: MaskedPlaces | None) -> NDArray[np.float32]:
    reader = request.reader
    ny, nx = reader.exposure.image_shape
    whole = slice(0, ny), slice(0, nx)
    if reader.exposure.is_ramp:
        rate = estimate_rate(reader, request.integration, whole, masked)
        if rate is None:
            raise ShowermaskError(f"{reader.exposure.name}: has no group time (TGROUP)")
        return rate
    rate = reader.image(request.integration, 0)
    lost = (reader.dq(request.integration, 0) & DO_NOT_USE) > 0
    if masked is not None:
        lost |= masked.bits(request.integration, 0, whole) > 0
    rate[lost] = np.nan
    return rate


def _box_around(entry: Entry, image_shape: tuple[int, int]) -> Box:
    """Return the part of an image that is on show when an entry is opened."""
    box, _ = entry.pixels(image_shape)
    size = max(part.stop - part.start for part in box)
    return grow_box(box, max(_LEAST_AROUND, round(_AROUND * size)), image_shape)


def _near(integration: int, nints: int) -> list[int]:
    """Return the nearest other integrations."""
    others = sorted((abs(i - integration), i) for i in range(nints) if i != integration)
    return sorted(i for _, i in others[:_OTHER_CURVES])


def _listed(values: NDArray[np.float64]) -> list[float | None]:
    """Return values for JSON, which has no NaN."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]


def _end(trade: Trade) -> str:
    return "the end of the integration" if trade.last_group is None else f"group {trade.last_group}"


def _trade_text(trade: Trade) -> str:
    removed = "" if math.isnan(trade.removed) else f"removes {trade.removed:.0%} of the light, "
    if math.isinf(trade.noise):
        return f"{removed}no rate is left"
    return f"{removed}noise × {trade.noise:.2f}"
