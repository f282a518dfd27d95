"""Mask reviewed cosmic-ray showers in JWST ramps and rates.

Names are loaded on first use: stpipe imports this package in every ``strun`` of every user.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from showermask.ellipse import Ellipse
    from showermask.entry import Status
    from showermask.exceptions import ShowermaskError
    from showermask.pipeline import Detector1ShowersPipeline
    from showermask.pixels import PixelRegion
    from showermask.rates import rate_from_rateints
    from showermask.regionfile import RegionFile, read_regions, write_regions
    from showermask.shower import Shower
    from showermask.step import ManualShowerMaskStep

__version__: str

_HOMES = {
    "Detector1ShowersPipeline": "pipeline",
    "Ellipse": "ellipse",
    "ManualShowerMaskStep": "step",
    "PixelRegion": "pixels",
    "RegionFile": "regionfile",
    "Shower": "shower",
    "ShowermaskError": "exceptions",
    "Status": "entry",
    "rate_from_rateints": "rates",
    "read_regions": "regionfile",
    "write_regions": "regionfile",
}

__all__ = [
    "Detector1ShowersPipeline",
    "Ellipse",
    "ManualShowerMaskStep",
    "PixelRegion",
    "RegionFile",
    "Shower",
    "ShowermaskError",
    "Status",
    "rate_from_rateints",
    "read_regions",
    "write_regions",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("showermask")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, "__version__"])
