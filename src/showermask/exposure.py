"""Tell what kind of product an exposure is, and which of its planes a mask goes to.

This is the one place that knows ramps, rateints and rates apart.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from showermask.exceptions import ExposureError

__all__ = [
    "PRODUCT_KINDS",
    "PRODUCT_SUFFIX",
    "Exposure",
    "Product",
    "check_whole",
    "describe_file",
    "describe_model",
    "dq_plane",
    "known_flags",
    "product_kind",
    "product_root",
    "product_stem",
]

#: Suffix of the files that the step writes.
PRODUCT_SUFFIX = "showermask"


#: Suffixes of the files that people review and mask, the one that shows most first.
PRODUCT_KINDS = ("jump", "ramp", "uncal", "rateints", "rate")


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

#: FITS keywords of the primary header that are looked at.
_KEYWORDS = {
    "resampled": "S_RESAMP",
    "num_superstripe": "SSTR_NST",
    "nints": "NINTS",
    "ngroups": "NGROUPS",
    "first_integration": "INTSTART",
    "last_integration": "INTEND",
    "subarray": "SUBARRAY",
    "group_time": "TGROUP",
    "integration_time": "EFFINTTM",
    "exposure_time": "EFFEXPTM",
}

_FITS_ERRORS = (OSError, ValueError, TypeError, AttributeError, KeyError, IndexError)

_DMS_ROOT = re.compile(r"jw\d{11}_[0-9a-z]{5}_\d{5}(?:-seg\d{3})?_[0-9a-z]+")
_COMPRESSED = re.compile(r"\.fits\.(?:gz|bz2)$", re.IGNORECASE)
_SUFFIX = re.compile(
    r"(?:_(?:uncal|ramp|jump|rate|rateints|cal|calints|crf|crfints|bsub|bsubints"
    rf"|{PRODUCT_SUFFIX}))+$"
)


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What the region file, the mask and the report need to know of an exposure.

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

    @property
    def name(self) -> str:
        """The exposure's root, for messages."""
        return self.root or "the exposure"

    def refuse_raw(self) -> None:
        """Raise `ExposureError` when the exposure is a raw ramp."""
        if self.is_raw:
            raise ExposureError(
                f"{self.name}: is a raw ramp (uncal), {_TAKEN}; "
                "run calwebb_detector1 on it with the step inserted after jump"
            )

    @property
    def frame(self) -> tuple[int, int]:
        """Rows and columns."""
        ny, nx = self.shape[-2:]
        return ny, nx


def describe_model(model: Any, *, path: str | os.PathLike[str] | None = None) -> Exposure:
    """Describe a datamodel.

    Parameters
    ----------
    model : `~stdatamodels.jwst.datamodels.JwstDataModel`
        The exposure.
    path : path-like, optional
        The file from which it was opened.

    Returns
    -------
    Exposure
        The description.

    Raises
    ------
    ExposureError
        When the product is none that can be masked.
    """
    data = _get(model, "data")
    return _describe(
        filename=path or _get(model, "meta", "filename"),
        is_file=path is not None,
        model_type=type(model).__name__,
        shape=None if data is None else tuple(data.shape),
        resampled=_get(model, "meta", "cal_step", "resample"),
        num_superstripe=_get(model, "meta", "subarray", "num_superstripe"),
        nints=_get(model, "meta", "exposure", "nints"),
        ngroups=_get(model, "meta", "exposure", "ngroups"),
        first_integration=_get(model, "meta", "exposure", "integration_start"),
        last_integration=_get(model, "meta", "exposure", "integration_end"),
        subarray=_get(model, "meta", "subarray", "name"),
        group_time=_get(model, "meta", "exposure", "group_time"),
        integration_time=_get(model, "meta", "exposure", "integration_time"),
        exposure_time=_get(model, "meta", "exposure", "exposure_time"),
    )


def describe_file(path: str | os.PathLike[str]) -> Exposure:
    """Describe a product on disk, reading headers only.

    Parameters
    ----------
    path : path-like
        A FITS file.

    Returns
    -------
    Exposure
        The description.

    Raises
    ------
    ExposureError
        When the file can't be read, or is none that can be masked.
    """
    from astropy.io import fits

    file = Path(path)
    check_whole(file)
    try:
        with fits.open(file, memmap=True, lazy_load_hdus=True) as hdus:
            primary = hdus[0].header
            science = hdus["SCI"] if "SCI" in hdus else None  # noqa: SIM401  # an HDUList has no get
            shape = None if science is None else tuple(science.shape)
            model_type = _model_type(hdus, shape)
            values = {name: primary.get(key) for name, key in _KEYWORDS.items()}
    except (*_FITS_ERRORS, fits.VerifyError) as error:
        raise _unreadable(file, error) from error
    return _describe(
        filename=file,
        is_file=True,
        model_type=model_type,
        shape=shape,
        **values,
    )


def check_whole(path: str | os.PathLike[str]) -> None:
    """Refuse a FITS file that was cut short, reading headers only.

    What is missing at the end would otherwise be taken for planes that are not there, or read as
    zeros.

    Parameters
    ----------
    path : path-like
        A FITS file; one that is compressed is not looked into.

    Raises
    ------
    ExposureError
        When the file can't be read, or is shorter than its headers say.
    """
    from astropy.io import fits

    file = Path(path)
    if file.exists() and not file.is_file():
        kind = "a directory" if file.is_dir() else "not a regular file"
        raise ExposureError(f"{file}: is {kind}, expected an exposure (FITS)")
    if file.suffix != ".fits":
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of truncation too, which is found here
            with fits.open(file, memmap=True, lazy_load_hdus=False) as hdus:
                last = hdus[-1].fileinfo()
        expected, found = last["datLoc"] + last["datSpan"], file.stat().st_size
    except (*_FITS_ERRORS, fits.VerifyError) as error:
        raise _unreadable(file, error) from error
    if found < expected:
        raise ExposureError(
            f"{file}: is cut short: has {found} bytes, expected at least {expected}; "
            "fetch or make it again"
        )


def dq_plane(model: Any, exposure: Exposure) -> Any:
    """Return the data-quality plane of a model, making an empty one where there is none.

    Parameters
    ----------
    model : `~stdatamodels.jwst.datamodels.JwstDataModel`
        The exposure.
    exposure : Exposure
        Its description.

    Returns
    -------
    `numpy.ndarray`
        ``groupdq`` (uint8) or ``dq`` (uint32): the model's own array, to be modified in place.
    """
    name = exposure.product.plane
    if getattr(model, name, None) is None:
        setattr(model, name, model.get_default(name))
    plane = getattr(model, name)
    if plane.shape != exposure.shape:
        raise ExposureError(
            f"{exposure.name}: {name} has the shape {plane.shape}, expected {exposure.shape}"
        )
    return plane


def known_flags(product: Product) -> Mapping[str, int]:
    """Return the flags that the product's plane has, by name.

    Parameters
    ----------
    product : Product
        The kind of product.

    Returns
    -------
    mapping of str to int
        ``dqflags.group`` or ``dqflags.pixel``.
    """
    from stdatamodels.jwst.datamodels import dqflags

    flags: Mapping[str, int] = dqflags.group if product is Product.RAMP else dqflags.pixel
    return flags


def product_kind(filename: str | os.PathLike[str]) -> str | None:
    """Return which of `PRODUCT_KINDS` a file is, by its name.

    Parameters
    ----------
    filename : path-like
        Such as ``jw01517179001_02201_00001_mirimage_jump.fits``.

    Returns
    -------
    str or None
        Such as ``jump``; None for any other file.
    """
    file = Path(filename)
    root, _, kind = file.stem.rpartition("_")
    return kind if root and file.suffix == ".fits" and kind in PRODUCT_KINDS else None


def product_root(filename: str | os.PathLike[str]) -> str:
    """Return the product root of a file name: what is left without suffix and extension.

    Parameters
    ----------
    filename : path-like
        Such as ``jw01517179001_02201_00001_mirimage_jump.fits``.

    Returns
    -------
    str
        Such as ``jw01517179001_02201_00001_mirimage``.
    """
    stem = product_stem(filename)
    standard = _DMS_ROOT.match(stem)
    return standard.group() if standard else _SUFFIX.sub("", stem)


def product_stem(filename: str | os.PathLike[str]) -> str:
    """Return a file name without its extension, ``.fits.gz`` included.

    Parameters
    ----------
    filename : path-like
        Such as ``x_jump.fits.gz``.

    Returns
    -------
    str
        Such as ``x_jump``.
    """
    file = Path(filename)
    return Path(file.stem).stem if _COMPRESSED.search(file.name) else file.stem


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
    subarray: str | None,
    **times: Any,
) -> Exposure:
    name = Path(filename).name if filename else "the exposure"
    product = _PRODUCTS.get(model_type)
    if product is not None and not shape:
        raise ExposureError(f"{name}: has no science array, {_TAKEN}")
    if product is None or shape is None:
        raise ExposureError(f"{name}: is a {model_type}, {_TAKEN}")
    if not all(shape):
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
        ngroups=shape[1] if product is Product.RAMP else _count(ngroups),
        subarray=subarray if isinstance(subarray, str) else None,
        **{k: float(v) if isinstance(v, (int, float)) else None for k, v in times.items()},
    )


def _count_integrations(
    product: Product, shape: tuple[int, ...], nints: Any, first: Any, last: Any
) -> int | None:
    """Return the number of integrations that the file is made of, None where it is not told."""
    if product is not Product.IMAGE:
        return shape[0]
    if _count(first) and _count(last):
        return int(last) - int(first) + 1  # of a segment; NINTS is of the whole exposure
    return _count(nints) if first in (None, 1) else None


def _count(value: Any) -> int | None:
    """Return a number that counts something, None for anything else."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return value if is_count else None


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


def _get(node: Any, *names: str) -> Any:
    for name in names:
        node = getattr(node, name, None)
    return node
