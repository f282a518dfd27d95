"""The requests of the review page. No path ever comes from it: exposures are numbered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from starlette.responses import JSONResponse, Response

from showermask.commands.review.applying import apply_regions
from showermask.commands.review.encoding import (
    CODE_SCALE,
    LINEAR_MADS,
    bytes_response,
    compress,
    encode_image,
    packed_response,
)
from showermask.commands.review.exposures import Review, entry_of
from showermask.commands.review.history import pixel_history
from showermask.commands.review.session import ReviewSession
from showermask.commands.review.witnesses import has_neighbours
from showermask.exceptions import ShowermaskError
from showermask.exposure.dq import COLOURS, MASK_COLOUR, OTHER_COLOUR, known_flags, pixel_flags
from showermask.glow.quicklook import mask_effect
from showermask.masking.footprint import find_footprints, masked_pixels
from showermask.regionfile.content import SECTIONS

__all__ = ["Api"]


class Api:
    """Answers the page. Each method takes the body of the request and the numbers in the path."""

    def __init__(self, review: Review) -> None:
        self._review = review

    def exposures(self, _: Mapping[str, Any]) -> Response:
        """Return the list of exposures, and how far the review of each is."""
        rows = [
            {
                "root": item.root,
                "file": item.exposure_path.name,
                "isUnsaved": self._review.has_unsaved(number),
                **item.progress(),
                **self._review.progress(number),
            }
            for number, item in enumerate(self._review.items)
        ]
        return JSONResponse({"exposures": rows})

    def describe(self, _: Mapping[str, Any], number: int) -> Response:
        """Return an exposure, its flags and the state of its review."""
        reader, session = self._review.get(number)
        exposure = reader.exposure
        nints, ngroups = exposure.stack_shape
        ny, nx = exposure.image_shape
        return JSONResponse(
            {
                "number": number,
                "count": len(self._review.items),
                "root": exposure.root,
                "file": reader.path.name,
                "regionFile": session.path.name,
                "isOfDetector": session.is_of_detector,
                "product": exposure.product.value,
                "isRaw": exposure.is_raw,
                "isRamp": exposure.is_ramp,
                "nints": nints,
                "ngroups": ngroups,
                "ngroupsOfRamp": exposure.ngroups,
                "nintsOfRamp": exposure.nints,
                "ny": ny,
                "nx": nx,
                "groupTime": exposure.group_time,
                "hasNeighbours": has_neighbours(reader.path),
                "flags": dict(known_flags(exposure.product)),
                "pixelFlags": dict(pixel_flags()),
                "flagColours": {**COLOURS, "": OTHER_COLOUR},
                "maskColour": MASK_COLOUR,
                "codeScale": CODE_SCALE,
                "linearMads": LINEAR_MADS,
                "state": _state(session),
            }
        )

    def frame(self, _: Mapping[str, Any], number: int, integration: int, group: int) -> Response:
        """Return the difference of a group to the one before, packed."""
        reader, _session = self._review.get(number)
        packed = encode_image(reader.difference(integration, group))
        return packed_response(packed)

    def dq(self, _: Mapping[str, Any], number: int, integration: int, group: int) -> Response:
        """Return the flags of a group, packed."""
        reader, _session = self._review.get(number)
        flags = reader.dq(integration, group)
        return bytes_response(compress(flags.astype(flags.dtype.newbyteorder("<")).tobytes()))

    def pixel_dq(self, _: Mapping[str, Any], number: int) -> Response:
        """Return the flags that pixels have for all of the exposure, packed."""
        reader, _session = self._review.get(number)
        ny, nx = reader.exposure.image_shape
        flags = reader.pixel_dq_window((slice(0, ny), slice(0, nx)))
        return bytes_response(compress(flags.astype("<u4").tobytes()))

    def pixel(
        self, _: Mapping[str, Any], number: int, integration: int, x: int, y: int
    ) -> Response:
        """Return the ramp of a pixel."""
        reader, _session = self._review.get(number)
        ny, nx = reader.exposure.image_shape
        if not (0 <= x < nx and 0 <= y < ny):
            raise IndexError(f"pixel ({x}, {y}): expected x 0 to {nx - 1} and y 0 to {ny - 1}")
        ramp = reader.pixel(integration, x, y)
        return JSONResponse(
            {"values": ramp.values, "flags": ramp.flags, "pixelFlags": ramp.pixel_flags}
        )

    def history(self, _: Mapping[str, Any], number: int, x: int, y: int) -> Response:
        """Return a pixel in all integrations of the exposure, and of those beside it."""
        reader, _session = self._review.get(number)
        return JSONResponse([asdict(one) for one in pixel_history(reader, x, y)])

    def mask(self, body: Mapping[str, Any], number: int, integration: int, group: int) -> Response:
        """Return the pixels that the step would mask in this group, one bit each.

        With the ``extra`` entry and the entry ``selected``, or of one entry ``only``.
        """
        reader, session = self._review.get(number)
        reader.check_index(integration, group)
        shown = body.get("only", body.get("selected"))
        entries = [] if "only" in body else list(session.accepted)
        entries += [one.entry for one in session.entries if one.id == shown]
        if body.get("extra") is not None:
            entries.append(entry_of(body["extra"]))
        here = [
            footprint
            for footprint in find_footprints(entries, reader.exposure.shape)
            if footprint.integration == integration
            and footprint.groups.start <= group < footprint.groups.stop
        ]
        masked = masked_pixels(here, reader.exposure.image_shape)
        return bytes_response(compress(np.packbits(masked, bitorder="little").tobytes()))

    def effect(self, body: Mapping[str, Any], number: int) -> Response:
        """Return what the mask of an entry would remove and cost."""
        reader, _ = self._review.get(number)
        footprint = find_footprints([entry_of(body)], reader.exposure.shape)[0]
        effect = mask_effect(reader, footprint)
        return JSONResponse(
            {
                "pixels": effect.pixels,
                "seconds": effect.seconds,
                "removed": effect.removed,
                "withoutRate": effect.without_rate,
                "noise": effect.noise,
            }
        )

    def change(self, body: Mapping[str, Any], number: int) -> Response:
        """Change the review."""
        _, session = self._review.get(number)
        revision = body.get("revision")
        kind = body.get("change")
        added = None
        with self._review.changing(number):
            if kind == "add":
                added = session.add(entry_of(body), revision=revision)
            elif kind == "edit":
                session.edit(body["id"], dict(body["values"]), revision=revision)
            elif kind == "status":
                session.set_status(body["ids"], body["status"], revision=revision)
            elif kind == "remove":
                session.remove(body["id"], revision=revision)
            elif kind == "undo":
                session.undo(revision=revision)
            elif kind == "redo":
                session.redo(revision=revision)
            elif kind == "reload":
                session.reload()
            else:
                raise ShowermaskError(f"change is {kind!r}, expected add, edit, status, remove …")
        return JSONResponse({"state": _state(session), "added": added})

    def save(self, body: Mapping[str, Any], number: int) -> Response:
        """Save the region file."""
        _, session = self._review.get(number)
        with self._review.changing(number):
            session.save(reviewer=body.get("reviewer"), force=bool(body.get("force")))
        return JSONResponse({"state": _state(session)})

    def apply(self, _: Mapping[str, Any], number: int) -> Response:
        """Run the step on the exposure with the saved region file."""
        reader, session = self._review.get(number)
        if session.is_dirty:
            raise ShowermaskError("there are unsaved marks; save them first")
        session.check_not_changed()
        reader.exposure.check_not_raw()
        product, lines = apply_regions(reader.path, session.path)
        return JSONResponse({"product": product.name, "folder": str(product.parent), "log": lines})


def _state(session: ReviewSession) -> dict[str, Any]:
    rows: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for one in session.entries:
        rows[one.entry.SECTION].append(one.row)
    return {
        **rows,
        "revision": session.revision,
        "isDirty": session.is_dirty,
        "canUndo": session.can_undo,
        "canRedo": session.can_redo,
        "recovered": session.recovered,
        "setAside": session.set_aside,
        "reviewer": session.reviewer_on_show,
    }
