"""Mask reviewed cosmic-ray showers in JWST ramps and rates.

Describe showers, write them into a region file, and mask an exposure::

    from showermask import ManualShowerMaskStep, RegionFile, Shower, write_regions

    shower = Shower(integration=0, group=12, x=512.5, y=400.0, a=35.0, b=22.0, theta=30.0)
    write_regions("x_showers.yaml", RegionFile(showers=[shower]))
    step = ManualShowerMaskStep(region_file="x_showers.yaml")
    masked = step.run("x_jump.fits")

Names are loaded on first use: stpipe imports this package in every ``strun`` of every user.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from showermask.commands.check.result import CheckResult, check
    from showermask.commands.convert.function import convert
    from showermask.commands.propose.function import propose
    from showermask.exceptions import ShowermaskError
    from showermask.exposure.product import Exposure, describe_file
    from showermask.glow.evidence import evidence
    from showermask.masking.mask import Mask
    from showermask.pipeline.detector1 import Detector1ShowersPipeline
    from showermask.pipeline.rateints import rate_from_rateints
    from showermask.pipeline.step import ManualShowerMaskStep
    from showermask.pipeline.subtract import SubtractShowersStep
    from showermask.plotting import plot
    from showermask.regionfile.badpixels import BadPixels
    from showermask.regionfile.content import RegionFile
    from showermask.regionfile.ellipse import Ellipse
    from showermask.regionfile.entry import Status
    from showermask.regionfile.polygon import Polygon
    from showermask.regionfile.reader import read_regions
    from showermask.regionfile.shower import Shower
    from showermask.regionfile.writer import write_regions

__version__: str

_HOMES = {
    "BadPixels": "regionfile.badpixels",
    "CheckResult": "commands.check.result",
    "Detector1ShowersPipeline": "pipeline.detector1",
    "Ellipse": "regionfile.ellipse",
    "Exposure": "exposure.product",
    "ManualShowerMaskStep": "pipeline.step",
    "Mask": "masking.mask",
    "Polygon": "regionfile.polygon",
    "RegionFile": "regionfile.content",
    "Shower": "regionfile.shower",
    "ShowermaskError": "exceptions",
    "Status": "regionfile.entry",
    "SubtractShowersStep": "pipeline.subtract",
    "check": "commands.check.result",
    "convert": "commands.convert.function",
    "describe_file": "exposure.product",
    "evidence": "glow.evidence",
    "plot": "plotting",
    "propose": "commands.propose.function",
    "rate_from_rateints": "pipeline.rateints",
    "read_regions": "regionfile.reader",
    "write_regions": "regionfile.writer",
}

#: Former names.
_RENAMED = {"PixelRegion": "BadPixels"}

__all__ = [
    "BadPixels",
    "CheckResult",
    "Detector1ShowersPipeline",
    "Ellipse",
    "Exposure",
    "ManualShowerMaskStep",
    "Mask",
    "Polygon",
    "RegionFile",
    "Shower",
    "ShowermaskError",
    "Status",
    "SubtractShowersStep",
    "check",
    "convert",
    "describe_file",
    "evidence",
    "plot",
    "propose",
    "rate_from_rateints",
    "read_regions",
    "write_regions",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("showermask")
    if name in _RENAMED:
        import warnings

        message = f"showermask.{name} is now showermask.{_RENAMED[name]}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
