"""A small CRDS cache of synthetic MIRI reference files, so that the stock pipeline runs offline.

The cache holds what ``calwebb_detector1`` asks for on a MIRI exposure, and if wanted
``calwebb_image2`` and ``calwebb_image3``: real (if featureless) files for the types that the MIRI
branch applies and ``N/A`` for the rest. It is for demonstrations and
tests; the numbers are round and close to MIRI's (JDox, "MIRI Detector Performance").
"""

from __future__ import annotations

import pprint
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any
from unittest import mock

from showermask.synthetic.sky_references import sky_reference_models

__all__ = ["Detector", "build_cache", "cache_environment", "use_cache"]

_CONTEXT = "jwst_0001.pmap"
# What calwebb_detector1 and calwebb_image2 ask for beyond the files that are made here.
_SKIPPED_TYPES = tuple(  # a paragraph is easier to read than thirty lines
    """
    abvegaoffset apcorr area bkg camera chromcorr collimator dflat disperser distortion emicorr
    fflat
    filteroffset flat fore fpa ifufore ifupost ifuslicer ipc msa ote pastasoss persat photom
    pictureframe refpix regions sflat sirskernel specwcs superbias trapdensity trappars
    wavelengthrange
    """.split()  # noqa: SIM905
)


_ASDF_TYPES = frozenset(("abvegaoffset", "distortion", "filteroffset"))


@dataclass(frozen=True, kw_only=True)
class Detector:
    """Say which part of the detector the reference files cover, and how it behaves."""

    #: Rows and columns of the subarray.
    ny: int
    nx: int
    #: One-based detector column and row of the subarray's first pixel (SUBSTRT1, SUBSTRT2).
    xstart: int = 1
    ystart: int = 1
    #: Detector name (DETECTOR).
    name: str = "MIRIMAGE"
    #: Subarray name (SUBARRAY).
    subarray: str = "SUB64"
    #: Readout pattern (READPATT), for the RSCD table.
    readpatt: str = "FASTR1"
    #: Gain in electrons per DN.
    gain: float = 4.0
    #: Read noise of a correlated double sample, in DN, as the readnoise reference file has it.
    readnoise: float = 6.0
    #: Whether the first and last four columns of the detector, which see no light, are flagged.
    has_reference_columns: bool = False


def build_cache(directory: Path, detector: Detector, *, has_sky: bool = False) -> Path:
    """Write a CRDS cache for one subarray; with what stages 2 and 3 ask for if it has a sky."""
    config = directory / "config" / "jwst"
    mappings = directory / "mappings" / "jwst"
    references = directory / "references" / "jwst" / "miri"
    for folder in (config, mappings, references):
        folder.mkdir(parents=True, exist_ok=True)

    files = {}
    for reftype, model in _all_models(detector, has_sky=has_sky):
        extension = "asdf" if reftype in _ASDF_TYPES else "fits"
        files[reftype] = f"jwst_miri_{reftype}_0001.{extension}"
        model.save(str(references / files[reftype]))
        model.close()

    names = [_CONTEXT, "jwst_miri_0001.imap", *(_rmap_name(reftype) for reftype in files)]
    (mappings / names[0]).write_text(_mapping(names[0], "PIPELINE", _PMAP_KEYS, _PMAP_SELECTOR))
    (mappings / names[1]).write_text(
        _mapping(
            names[1],
            "INSTRUMENT",
            {"parkey": ("REFTYPE",), "instrument": "MIRI"},
            {**dict.fromkeys(_SKIPPED_TYPES, "N/A"), **{t: _rmap_name(t) for t in files}},
        )
    )
    for reftype, file in files.items():
        (mappings / _rmap_name(reftype)).write_text(_rmap(reftype, file))
    (config / "server_config").write_text(pprint.pformat(_server_config(names)))
    return directory


def cache_environment(cache: Path) -> dict[str, str]:
    """Return the environment variables under which CRDS reads only this cache.

    CRDS reads them once: set them before anything imports ``crds``.
    """
    return {
        "CRDS_PATH": str(cache),
        "CRDS_OBSERVATORY": "jwst",
        "CRDS_CONTEXT": _CONTEXT,
        "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
        "CRDS_IGNORE_MAPPING_CHECKSUM": "1",
        "STPIPE_DISABLE_CRDS_STEPPARS": "true",
    }


@contextmanager
def use_cache(cache: Path) -> Iterator[None]:
    """Let CRDS in this process read ``cache`` for the duration of a ``with`` block."""
    with mock.patch.dict(environ, cache_environment(cache)):
        from crds.core.utils import clear_function_caches

        # CRDS remembers answers by file name, and all caches made here have the same names.
        clear_function_caches()
        try:
            yield
        finally:
            clear_function_caches()


_PMAP_KEYS = {"parkey": ("META.INSTRUMENT.NAME",)}
_PMAP_SELECTOR = {"MIRI": "jwst_miri_0001.imap"}


def _rmap_name(reftype: str) -> str:
    return f"jwst_miri_{reftype}_0001.rmap"


def _header(name: str, mapping: str, keys: dict[str, Any]) -> str:
    header = {
        "mapping": mapping,
        "name": name,
        "observatory": "JWST",
        "derived_from": "synthetic",
        "sha1sum": "0" * 40,
        **keys,
    }
    return f"header = {pprint.pformat(header)}\n"


def _mapping(name: str, mapping: str, keys: dict[str, Any], selector: dict[str, str]) -> str:
    return _header(name, mapping, keys) + f"selector = {pprint.pformat(selector)}\n"


def _rmap(reftype: str, file: str) -> str:
    keys = {
        "instrument": "MIRI",
        "filekind": reftype.upper(),
        "classes": ("Match", "UseAfter"),
        "parkey": (
            ("META.INSTRUMENT.NAME",),
            ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME"),
        ),
    }
    selector = (
        "selector = Match({\n"
        f"    ('MIRI',) : UseAfter({{'1900-01-01 00:00:00' : '{file}'}}),\n"
        "})\n"
    )
    return _header(_rmap_name(reftype), "REFERENCE", keys) + selector


def _server_config(mappings: list[str]) -> dict[str, Any]:
    return {
        "observatory": "jwst",
        "operational_context": _CONTEXT,
        "latest_context": _CONTEXT,
        "edit_context": _CONTEXT,
        "bad_files": "",
        "bad_files_list": [],
        "bad_files_set": set(),
        "crds_version": {"str": "13.0.0"},
        "effective_mode": "local",
        "force_remote_mode_patterns": [],
        "last_synced": "2026-01-01 00:00:00",
        "mappings": mappings,
        "server_version": "13.0.0",
        "status": "cache",
    }


def _all_models(detector: Detector, *, has_sky: bool) -> Iterator[tuple[str, Any]]:
    yield from _reference_models(detector)
    if not has_sky:
        return
    for reftype, model in sky_reference_models((detector.ny, detector.nx), detector.subarray):
        model.meta.reftype = reftype.upper()
        # Those of the sky are for all subarrays.
        yield reftype, _described(model, detector, has_subarray=reftype == "flat")


def _reference_models(detector: Detector) -> Iterator[tuple[str, Any]]:
    """Yield ``(reference type, datamodel)`` for each real file of the cache."""
    import numpy as np
    from stdatamodels.jwst import datamodels

    image_shape = (detector.ny, detector.nx)
    no_flags = np.zeros(image_shape, np.uint32)

    def flat(value: float) -> Any:
        return np.full(image_shape, value, np.float32)

    yield "gain", _described(datamodels.GainModel(data=flat(detector.gain)), detector)
    yield (
        "readnoise",
        _described(datamodels.ReadnoiseModel(data=flat(detector.readnoise)), detector),
    )
    yield "mask", _described(datamodels.MaskModel(dq=_mask(detector)), detector)
    yield (
        "saturation",
        _described(datamodels.SaturationModel(data=flat(60000.0), dq=no_flags), detector),
    )
    straight = np.stack([flat(0.0), flat(1.0)])
    yield "linearity", _described(datamodels.LinearityModel(coeffs=straight, dq=no_flags), detector)

    yield from _frame_models(detector)


def _frame_models(detector: Detector) -> Iterator[tuple[str, Any]]:
    """Yield the references that go by group: reset, dark, rscd."""
    import numpy as np
    from stdatamodels.jwst import datamodels

    image_shape = (detector.ny, detector.nx)
    no_flags = np.zeros(image_shape, np.uint32)
    reset = datamodels.ResetModel(data=np.zeros((1, 4, *image_shape), np.float32), dq=no_flags)
    reset.meta.exposure.nints = 1
    reset.meta.exposure.ngroups = 4
    yield "reset", _described(reset, detector)

    dark = datamodels.DarkMIRIModel(
        data=np.zeros((1, 2, *image_shape), np.float32),
        dq=np.zeros((1, 1, *image_shape), np.uint32),
    )
    dark.meta.exposure.nints = 1
    dark.meta.exposure.ngroups = 2
    dark.meta.exposure.nframes = 1
    dark.meta.exposure.groupgap = 0
    yield "dark", _described(dark, detector)

    rscd = datamodels.RSCDModel()
    rscd.rscd_group_skip_table = np.array(
        [(detector.subarray, detector.readpatt, 1, 1)],
        dtype=[
            ("subarray", "S17"),
            ("readpatt", "S12"),
            ("group_skip1", "i4"),
            ("group_skip", "i4"),
        ],
    )
    yield "rscd", _described(rscd, detector, has_subarray=False)


def _mask(detector: Detector) -> Any:
    """Return the flags of pixels, ``(ny, nx)`` uint32."""
    import numpy as np
    from stdatamodels.jwst.datamodels import dqflags

    flags = np.zeros((detector.ny, detector.nx), np.uint32)
    if detector.has_reference_columns:
        columns = detector.xstart + np.arange(detector.nx)
        is_reference = (columns <= 4) | (columns > 1028)
        flags[:, is_reference] = dqflags.pixel["REFERENCE_PIXEL"] | dqflags.pixel["DO_NOT_USE"]
    return flags


def _described(model: Any, detector: Detector, *, has_subarray: bool = True) -> Any:
    """Fill in the keywords that the pipeline compares with the exposure's."""
    meta = model.meta
    meta.description = "Synthetic reference file"
    meta.author = "showermask"
    meta.pedigree = "DUMMY"
    meta.useafter = "1900-01-01T00:00:00"
    meta.telescope = "JWST"
    meta.instrument.name = "MIRI"
    meta.instrument.detector = detector.name
    if has_subarray:
        meta.subarray.name = detector.subarray
        meta.subarray.xstart = detector.xstart
        meta.subarray.ystart = detector.ystart
        meta.subarray.xsize = detector.nx
        meta.subarray.ysize = detector.ny
        meta.subarray.fastaxis = 1
        meta.subarray.slowaxis = 2
    return model
