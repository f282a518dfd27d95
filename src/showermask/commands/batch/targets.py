"""The targets of a batch: products, what they start from, the stages that make them."""

from __future__ import annotations

from collections.abc import Mapping

from showermask.exposure.names import PRODUCT_SUFFIXES

__all__ = ["PREFERENCE", "STAGES", "TARGETS"]

#: The stages of each target, in order; masking alone takes the parameters of the first.
STAGES: Mapping[str, tuple[str, ...]] = {
    "masked": ("detector1",),
    "rate": ("detector1",),
    "cal": ("detector1", "image2"),
    "calints": ("detector1", "image2"),
    "i2d": ("detector1", "image2", "image3"),
}

TARGETS = tuple(STAGES)

#: What a target is best made from, the best first.
PREFERENCE: Mapping[str, tuple[str, ...]] = {
    "masked": ("jump", "ramp", "rateints", "rate"),
    "rate": PRODUCT_SUFFIXES,
    "cal": PRODUCT_SUFFIXES,
    "calints": tuple(suffix for suffix in PRODUCT_SUFFIXES if suffix != "rate"),
    "i2d": PRODUCT_SUFFIXES,
}
