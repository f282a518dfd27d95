"""MASK reference files, from which ``dq_init`` takes the bad pixels of a detector."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask import __version__
from showermask.commands.convert.format import Content, Converted, Format
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError
from showermask.exposure.detectors import (
    axes_of,
    frame_shape_of,
    instrument_of,
    reference_pixels_of,
)
from showermask.exposure.dq import pixel_flags
from showermask.files import atomic_write, sha256_of
from showermask.messages import counted
from showermask.pipeline.headers import add_history
from showermask.regionfile.badpixels import BadPixels, MaskImage, ranges_of
from showermask.regionfile.content import RegionFile

__all__ = ["FORMAT"]

_REFERENCE_PIXEL = "REFERENCE_PIXEL"
#: More ranges of pixels than this go into a mask file.
_MOST_RANGES = 200


def _read(source: Path, options: ConvertOptions) -> Content:
    """Take the pixels of each combination of flags; reference pixels are left out."""
    model = _opened(source)
    try:
        dq = np.array(model.dq, np.uint32)
        meta = model.meta
        detector = meta.instrument.detector
        useafter = str(meta.useafter or "")[:10] or None
        corner = (meta.subarray.ystart or 1) - 1, (meta.subarray.xstart or 1) - 1
    finally:
        model.close()
    if not detector:
        raise ConvertError(f"{source}: names no detector (DETECTOR), expected a MASK reference")
    whole = np.zeros(frame_shape_of(detector), np.uint32)
    rows, columns = (slice(first, first + n) for first, n in zip(corner, dq.shape, strict=True))
    if whole[rows, columns].shape != dq.shape:
        raise ConvertError(
            f"{source}: has the shape {dq.shape}, which does not fit into {whole.shape} of "
            f"{detector}"
        )
    whole[rows, columns] = dq
    known = {name: bit for name, bit in pixel_flags().items() if name != _REFERENCE_PIXEL}
    whole[(whole & pixel_flags()[_REFERENCE_PIXEL]) > 0] = 0
    entries: list[BadPixels] = []
    masks: dict[str, NDArray[np.bool_]] = {}
    for value in np.unique(whole[whole > 0]):
        flags = tuple(name for name, bit in known.items() if int(value) & bit)
        image = whole == value
        common = BadPixels(x=0, y=0, flags=flags, source=source.name)
        entries += _entries(common, image, options.output, flags, masks)
    region_file = RegionFile(pixels=entries, detector=detector, useafter=useafter)
    return Content(region_file, masks)


def _entries(
    common: BadPixels,
    image: NDArray[np.bool_],
    output: Path,
    flags: tuple[str, ...],
    masks: dict[str, NDArray[np.bool_]],
) -> Iterator[BadPixels]:
    """Yield the pixels of an image as ranges, or many as a mask, which is added to others."""
    from dataclasses import replace

    ranges = list(ranges_of(image))
    if len(ranges) <= _MOST_RANGES:
        yield from (replace(common, x=x, y=y) for x, y in ranges)
        return
    name = f"{output.stem}_{'_'.join(flags).lower()}.fits"
    masks[name] = image
    yield replace(common, x=None, y=None, mask=name, image=MaskImage.of_array(image))


def _write(region_file: RegionFile, output: Path, options: ConvertOptions) -> Converted:
    """Write the accepted pixels as flags of the whole detector."""
    detector = region_file.detector
    if detector is None:
        raise ConvertError(
            f"{output}: a MASK reference is of a detector, but the region file is of an exposure; "
            "expected one with the key detector, as badpixels makes it"
        )
    dq = _flags_of(region_file, detector)
    base = options.reference.base
    if base is not None:
        dq |= _base_flags(base, dq.shape, detector)
    with atomic_write(output) as staged:
        model = _model(dq, region_file, detector, options)
        model.validate()
        model.save(str(staged))
        model.close()
        _check_written(staged, dq)
        if options.reference.check is not None:
            _check_use(staged, dq, options.reference.check)
    left = len(region_file.entries) - len(region_file.accepted)
    lost = (f"{counted(left, 'entry', 'entries')}, not accepted",) if left else ()
    return Converted.of(region_file, output, lost=lost)


def _flags_of(region_file: RegionFile, detector: str) -> NDArray[np.uint32]:
    """Return the flags of all pixels, of reference pixels as well."""
    known = pixel_flags()
    shape = frame_shape_of(detector)
    dq = np.zeros(shape, np.uint32)
    dq[reference_pixels_of(detector)] = known[_REFERENCE_PIXEL]
    problems = []
    for entry in region_file.accepted:
        names = entry.flags or ("DO_NOT_USE",)
        unknown = [name for name in names if name.upper() not in known]
        outside = entry.out_of_range(vars(entry), nints=None, ngroups=None, image_shape=shape)
        key = region_file.key_of(entry)
        problems += [f"{key}.flags: {name} is no flag of pixels" for name in unknown]
        problems += [f"{key}.{name} {text}" for name, text in outside]
        if not problems:
            box, inside = entry.pixels(shape)
            bits = reduce(or_, (known[name.upper()] for name in names))
            dq[box] |= inside * np.uint32(bits)
    ConvertError.check_none([f"{region_file.name}: {problem}" for problem in problems])
    return dq


def _base_flags(base: Path, shape: tuple[int, ...], detector: str) -> NDArray[np.uint32]:
    model = _opened(base)
    try:
        if model.meta.instrument.detector not in (None, detector) or model.dq.shape != shape:
            raise ConvertError(
                f"{base}: is of {model.meta.instrument.detector} with shape {model.dq.shape}, "
                f"expected {detector} with {shape}"
            )
        return np.array(model.dq, np.uint32)
    finally:
        model.close()


def _opened(path: Path) -> Any:
    from stdatamodels.jwst.datamodels import MaskModel

    try:
        model = MaskModel(str(path))
        _ = model.dq.shape
    except Exception as error:
        raise ConvertError(
            f"{path}: can't be read as a MASK reference ({type(error).__name__}: {error})"
        ) from error
    return model


def _model(
    dq: NDArray[np.uint32], region_file: RegionFile, detector: str, options: ConvertOptions
) -> Any:
    """Return the reference file, with all keywords that CRDS asks for."""
    from stdatamodels.jwst.datamodels import MaskModel

    texts = options.reference
    model = MaskModel(dq=dq)
    used = [(name, bit) for name, bit in pixel_flags().items() if np.any(dq & np.uint32(bit))]
    rows = [(int(bit).bit_length() - 1, bit, name, name.replace("_", " ")) for name, bit in used]
    model.dq_def = np.array(
        rows, dtype=[("BIT", "<u4"), ("VALUE", "<u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
    )
    meta = model.meta
    meta.telescope, meta.reftype = "JWST", "MASK"
    meta.instrument.name = instrument_of(detector)
    meta.instrument.detector = detector
    meta.author, meta.pedigree, meta.description = (
        texts.author,
        texts.pedigree,
        texts.description,
    )
    meta.useafter = f"{(region_file.useafter or '2022-01-01')[:10]}T00:00:00"
    if region_file.readpatt is not None:
        meta.exposure.readpatt = region_file.readpatt
    meta.subarray.name = "GENERIC"
    meta.subarray.xstart = meta.subarray.ystart = 1
    meta.subarray.ysize, meta.subarray.xsize = dq.shape
    # As all exposures of the detector have them, which dq_init compares.
    meta.subarray.fastaxis, meta.subarray.slowaxis = axes_of(detector)
    for line in _history(region_file, texts.base):
        add_history(model, line)
    return model


def _history(region_file: RegionFile, base: Path | None) -> Iterator[str]:
    """Yield lines with everything that the file was made of."""
    yield f"Made by showermask {__version__} of {region_file.name}"
    yield f"sha256 of region file and masks {region_file.fingerprint}"
    if base is not None:
        yield f"Added to the flags of {base.name}, sha256 {sha256_of(base)}"
    path = region_file.path
    table = (
        None
        if path is None
        else path.with_name(path.stem.removesuffix("_badpixels") + "_pixels.ecsv")
    )
    if table is None or not table.is_file():
        return
    from astropy.table import Table

    meta = Table.read(table, format="ascii.ecsv").meta
    for one in meta.get("inputs", ()):
        yield f"{one['role']} {one['name']} sha256 {one['sha256'][:16]}"
    for name, value in meta.get("parameters", {}).items():
        yield f"{name} = {value}"


def _check_written(path: Path, dq: NDArray[np.uint32]) -> None:
    """Refuse a file from which jwst would read other flags."""
    model = _opened(path)
    try:
        if not np.array_equal(model.dq, dq):
            raise ConvertError(f"{path.name}: jwst reads other flags from it; nothing was written")
    finally:
        model.close()


def _check_use(path: Path, dq: NDArray[np.uint32], exposure: Path) -> None:
    """Do what ``dq_init`` does on an exposure with the file, and compare the flags."""
    from jwst.dq_init.dq_initialization import do_dqinit
    from stdatamodels.jwst.datamodels import MaskModel, RampModel

    try:
        # The work of the step, which itself asks CRDS for its parameters.
        with MaskModel(str(path)) as reference:
            result = do_dqinit(RampModel(str(exposure)), reference)
    except Exception as error:
        raise ConvertError(
            f"{exposure}: dq_init can't use the MASK reference on it ({type(error).__name__}: "
            f"{error}); nothing was written"
        ) from error
    first = (result.meta.subarray.ystart or 1) - 1, (result.meta.subarray.xstart or 1) - 1
    rows, columns = (
        slice(start, start + size) for start, size in zip(first, result.pixeldq.shape, strict=True)
    )
    wanted = dq[rows, columns]
    if result.meta.cal_step.dq_init != "COMPLETE" or np.any(result.pixeldq & wanted != wanted):
        raise ConvertError(
            f"{exposure}: dq_init does not set the flags of the MASK reference in it; nothing was "
            "written"
        )
    result.close()


FORMAT = Format("mask-reference", (), _read, _write, names_masks=False)
