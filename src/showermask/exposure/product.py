"""Tell what kind of product an exposure is, and which of its planes a mask goes to.

This is the one place that knows ramps, rateints and rates apart.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from showermask.exceptions import ExposureError
from showermask.exposure.names import product_root, product_stem

__all__ = [
    "Exposure",
    "Product",
    "check_not_truncated",
    "describe_file",
    "describe_model",
]


class Product(Enum):
    """The kinds of product that can be masked."""

    RAMP = "ramp"
    INTEGRATIONS = "rateints"
    IMAGE = "rate"

    @property
    def plane(self) -> str:
        """Name of the data-quality plane, as an attribute of the datamodel."""
        return "groupdq" if self is Product.RAMP else "dq"

    @property
    def ndim(self) -> int:
        """Number of axes of that plane."""
        return {Product.RAMP: 4, Product.INTEGRATIONS: 3, Product.IMAGE: 2}[self]

    @property
    def is_ramp(self) -> bool:
        """Whether its plane has groups."""
        return self is Product.RAMP

    @property
    def is_rateints(self) -> bool:
        """Whether its plane has integrations, and no groups."""
        return self is Product.INTEGRATIONS

    @property
    def is_rate(self) -> bool:
        """Whether its plane is one image of all integrations."""
        return self is Product.IMAGE

    @property
    def samples(self) -> str:
        """Name of the elements of its plane, for messages."""
        return "pixels of all groups" if self is Product.RAMP else "pixels"


#: Class names of the datamodels that are taken. Subclasses mean something else.
_PRODUCTS = {
    "Level1bModel": Product.RAMP,
    "RampModel": Product.RAMP,
    "CubeModel": Product.INTEGRATIONS,
    "ImageModel": Product.IMAGE,
    "IFUImageModel": Product.IMAGE,
}

_TAKEN = (
    "expected a ramp (_jump, _ramp: RampModel), rateints or calints (CubeModel), "
    "or a rate or cal (ImageModel, IFUImageModel)"
)

#: What is looked at: path in a datamodel's ``meta``, keyword of the primary header.
_FIELDS = {
    "resampled": ("cal_step.resample", "S_RESAMP"),
    "num_superstripe": ("subarray.num_superstripe", "SSTR_NST"),
    "nints": ("exposure.nints", "NINTS"),
    "ngroups": ("exposure.ngroups", "NGROUPS"),
    "first_integration": ("exposure.integration_start", "INTSTART"),
    "last_integration": ("exposure.integration_end", "INTEND"),
    "subarray": ("subarray.name", "SUBARRAY"),
    "instrument": ("instrument.name", "INSTRUME"),
    "detector": ("instrument.detector", "DETECTOR"),
    "readpatt": ("exposure.readpatt", "READPATT"),
    "date": ("observation.date", "DATE-OBS"),
    "xstart": ("subarray.xstart", "SUBSTRT1"),
    "ystart": ("subarray.ystart", "SUBSTRT2"),
    "group_time": ("exposure.group_time", "TGROUP"),
    "integration_time": ("exposure.integration_time", "EFFINTTM"),
    "exposure_time": ("exposure.exposure_time", "EFFEXPTM"),
}

_FITS_ERRORS = (OSError, ValueError, TypeError, AttributeError, KeyError, IndexError)


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """The facts of an exposure that region files, masks and reports need.

    Parameters
    ----------
    root : str or None
        Product root: the name of the file without suffix. None for a nameless model.
    product : Product
        Which kind of product it is.
    is_raw : bool
        Whether it is a raw ramp (``uncal``), which can be looked at but not masked.
    shape : tuple of int
        Shape of the data-quality plane: ``(nints, ngroups, ny, nx)``, ``(nints, ny, nx)`` or
        ``(ny, nx)``.
    nints, ngroups : int or None
        Integrations and groups of the ramp, None where not recorded.
    subarray : str or None
        Subarray name.
    group_time, integration_time, exposure_time : float or None
        Times in s, None where not recorded.
    detector, instrument, readpatt : str or None
        Names of detector, instrument and read-out pattern.
    date : str or None
        Day on which it began, as 2026-11-28.
    xstart, ystart : int or None
        Column and row of the detector of the first pixel, one-based.
    """

    root: str | None
    product: Product
    is_raw: bool
    shape: tuple[int, ...]
    nints: int | None
    ngroups: int | None
    subarray: str | None
    group_time: float | None
    integration_time: float | None
    exposure_time: float | None
    detector: str | None = None
    instrument: str | None = None
    readpatt: str | None = None
    date: str | None = None
    xstart: int | None = None
    ystart: int | None = None

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the detector of the first pixel, zero-based; 0 where not recorded."""
        return (self.ystart or 1) - 1, (self.xstart or 1) - 1

    @property
    def name(self) -> str:
        """The exposure's root, for messages."""
        return self.root or "the exposure"

    def check_not_raw(self) -> None:
        """Raise `ExposureError` when the exposure is a raw ramp."""
        if self.is_raw:
            raise ExposureError(
                f"{self.name}: is a raw ramp (uncal), {_TAKEN}; "
                "run calwebb_detector1 on it with the step inserted after jump"
            )

    def check_plane(self, shape: tuple[int, ...] | None) -> None:
        """Raise `ExposureError` when the data-quality plane has another shape than the data."""
        if shape is not None and shape != self.shape:
            raise ExposureError(
                f"{self.name}: {self.product.plane} has the shape {shape}, expected {self.shape}"
            )

    @property
    def is_ramp(self) -> bool:
        """Whether it has groups."""
        return self.product.is_ramp

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ny, nx = self.shape[-2:]
        return ny, nx

    @property
    def stack_shape(self) -> tuple[int, int]:
        """Integrations and groups of the plane; 1 for an axis that it has not."""
        *leading, _, _ = self.shape
        return (leading[0] if leading else 1), (leading[1] if len(leading) == 2 else 1)

    @property
    def sample_time(self) -> float | None:
        """Exposure time in s of one sample of the plane, None where not recorded."""
        times = {
            Product.RAMP: self.group_time,
            Product.INTEGRATIONS: self.integration_time,
            Product.IMAGE: self.exposure_time,
        }
        return times[self.product]


def describe_model(model: Any, *, path: str | os.PathLike[str] | None = None) -> Exposure:
    """Describe a datamodel."""
    data = getattr(model, "data", None)
    meta = getattr(model, "meta", None)
    return _describe(
        filename=path or getattr(meta, "filename", None),
        is_file=path is not None,
        model_type=type(model).__name__,
        shape=None if data is None else tuple(data.shape),
        **{name: _get(meta, path_in_meta) for name, (path_in_meta, _) in _FIELDS.items()},
    )


def describe_file(path: str | os.PathLike[str]) -> Exposure:
    """Describe a product on disk, reading headers only.

    Parameters
    ----------
    path : str or path
        A FITS file: a ramp, rateints or a rate.

    Returns
    -------
    Exposure
        Its facts.

    Raises
    ------
    ExposureError
        When it can't be read, was cut short, or is another product.
    """
    file = Path(path)
    with _opened_whole(file) as hdus:
        primary = hdus[0].header
        science = hdus["SCI"] if "SCI" in hdus else None  # noqa: SIM401  # an HDUList has no get
        shape = None if science is None else tuple(science.shape)
        model_type = _model_type(hdus, shape)
        values = {name: primary.get(keyword) for name, (_, keyword) in _FIELDS.items()}
        flags = next((hdus[name] for name in ("GROUPDQ", "DQ") if name in hdus), None)
        flags_shape = None if flags is None else tuple(flags.shape)
    exposure = _describe(filename=file, is_file=True, model_type=model_type, shape=shape, **values)
    exposure.check_plane(flags_shape)
    return exposure


def check_not_truncated(path: str | os.PathLike[str]) -> None:
    """Refuse a FITS file that was cut short, reading headers only.

    What is missing at the end would otherwise be taken for planes that are not there, or read as
    zeros.
    """
    file = Path(path)
    if file.suffix == ".fits" or (file.exists() and not file.is_file()):
        with _opened_whole(file):
            pass


@contextmanager
def _opened_whole(file: Path) -> Iterator[Any]:
    """Open a FITS file with all its headers; refuse one that can't be read or was cut short."""
    from astropy.io import fits

    if file.exists() and not file.is_file():
        kind = "a directory" if file.is_dir() else "not a regular file"
        raise ExposureError(f"{file}: is {kind}, expected an exposure (FITS)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of truncation too, which is found here
            hdus = fits.open(file, memmap=True, lazy_load_hdus=False)
    except (*_FITS_ERRORS, fits.VerifyError) as error:
        raise _unreadable(file, error) from error
    with hdus:
        try:
            last = hdus[-1].fileinfo()
            expected, found = last["datLoc"] + last["datSpan"], file.stat().st_size
            if found < expected and file.suffix == ".fits":
                raise ExposureError(
                    f"{file}: is cut short: has {found} bytes, expected at least {expected}; "
                    "fetch or make it again"
                )
            yield hdus
        except (*_FITS_ERRORS, fits.VerifyError) as error:
            if isinstance(error, ExposureError):
                raise
            raise _unreadable(file, error) from error


def _describe(
    *,
    filename: str | os.PathLike[str] | None,
    is_file: bool,
    model_type: str,
    shape: tuple[int, ...] | None,
    resampled: str | None,
    num_superstripe: int | None,
    nints: int | None,
    ngroups: int | None,
    first_integration: int | None,
    last_integration: int | None,
    **others: Any,
) -> Exposure:
    name = Path(filename).name if filename else "the exposure"
    product = _product(name, model_type, shape)
    if shape is None or not all(shape):
        raise ExposureError(f"{name}: has no pixels (shape {shape}), {_TAKEN}")
    if resampled == "COMPLETE":
        raise ExposureError(f"{name}: is resampled onto the sky, {_TAKEN}")
    if num_superstripe:
        raise ExposureError(f"{name}: is a superstripe ramp, {_TAKEN}")
    if len(shape) != product.ndim:
        raise ExposureError(f"{name}: a {model_type} with {len(shape)} axes, {_TAKEN}")
    # Raw ramps without a model type open as calibrated ones, so the name on disk has to tell. In a
    # pipeline the header's name says uncal all along, and tells nothing.
    is_raw = model_type == "Level1bModel" or (is_file and product_stem(name).endswith("_uncal"))
    return Exposure(
        root=product_root(filename) if filename else None,
        product=product,
        is_raw=is_raw,
        shape=shape,
        nints=_count_integrations(product, shape, nints, first_integration, last_integration),
        ngroups=shape[1] if product.is_ramp else _count(ngroups),
        **{name: kind(others.get(name)) for name, kind in _KINDS.items()},
    )


def _text(value: Any) -> str | None:
    """Return a text, None for anything else."""
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    """Return a number, None for anything else."""
    return float(value) if isinstance(value, (int, float)) else None


def _count(value: Any) -> int | None:
    """Return a number that counts something, None for anything else."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return value if is_count else None


_KINDS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("subarray", "instrument", "detector", "readpatt", "date"), _text),
    **dict.fromkeys(("xstart", "ystart"), _count),
    **dict.fromkeys(("group_time", "integration_time", "exposure_time"), _number),
}


def _product(name: str, model_type: str, shape: tuple[int, ...] | None) -> Product:
    product = _PRODUCTS.get(model_type)
    if product is not None and not shape:
        raise ExposureError(f"{name}: has no science array, {_TAKEN}")
    if product is None or shape is None:
        raise ExposureError(f"{name}: is a {model_type}, {_TAKEN}")
    return product


def _count_integrations(
    product: Product, shape: tuple[int, ...], nints: Any, first: Any, last: Any
) -> int | None:
    """Return the number of integrations that the file is made of, None where it is not told."""
    if not product.is_rate:
        return shape[0]
    if _count(first) and _count(last):
        return int(last) - int(first) + 1  # of a segment; NINTS is of the whole exposure
    return _count(nints) if first in (None, 1) else None


def _model_type(hdus: Any, shape: tuple[int, ...] | None) -> str:
    """Return the class that `stdatamodels.jwst.datamodels.open` takes for a file.

    It guesses where the file names none, or one that it does not know.
    """
    named = hdus[0].header.get("DATAMODL")
    if named in _PRODUCTS or _is_model_type(named):
        return str(named)
    guessed = _guessed_model_type(hdus, shape)
    return guessed if named is None or guessed in _PRODUCTS else f"{guessed} (DATAMODL is {named})"


def _is_model_type(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    from stdatamodels.jwst import datamodels

    return isinstance(getattr(datamodels, name, None), type)


def _guessed_model_type(hdus: Any, shape: tuple[int, ...] | None) -> str:
    """Guess as `stdatamodels.jwst.datamodels.open` does for a file without DATAMODL."""
    if shape is None:
        return "file without a SCI extension"
    if len(shape) == 4 and "DQ" not in hdus:
        return "RampModel"
    if "REFTYPE" in hdus[0].header:
        return "reference file"
    if len(shape) == 2 and ("SCI", 2) in hdus:
        return "MultiSlitModel"
    return {2: "ImageModel", 3: "CubeModel"}.get(len(shape), "QuadModel")


def _unreadable(file: Path, error: Exception) -> ExposureError:
    reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return ExposureError(f"{file}: can't be read as FITS ({reason.splitlines()[0]})")


def _get(node: Any, path: str) -> Any:
    for name in path.split("."):
        node = getattr(node, name, None)
    return node
