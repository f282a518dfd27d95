"""The file of the shower models of an exposure, from which their light can be put back.

A FITS file, ``<exposure>_showermodel.fits``. Its primary header has the keywords of `HEADER`. For
the k-th shower it has three extensions of ``EXTVER`` k:

- ``MAP``: ``(rows, columns)`` float32, light of each pixel in the strongest difference, in DN; its
  header has the keywords of `SHOWER`;
- ``VAR``: likewise, the variance of the map in DN²;
- ``COURSE``: a table with the column ``light``, float64, one row a difference of groups: light in
  units of the map.

The light that was taken out of group g is the map times the sum of the course up to g. What was
taken out of rateints has no course: its map is in DN/s, and the keywords of courses are missing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from showermask import __version__
from showermask.exceptions import ExposureError
from showermask.exposure.names import MODELS_SUFFIX
from showermask.files import atomic_write
from showermask.glow.light_model import LightModel
from showermask.glow.rate_excess import RateExcess
from showermask.glow.shower_model import ShowerModel

__all__ = ["COURSE", "HEADER", "SHOWER", "RemovedShower", "ShowerModels", "models_path"]

#: Keywords of the primary header.
HEADER = {
    "EXPOSURE": "Product root of the exposure",
    "REGFILE": "Region file",
    "REGHASH": "SHA-256 of the region file, first 16 digits",
    "NSHOWERS": "Number of showers",
    "NINTS": "Integrations of the exposure",
    "NGROUPS": "Groups of an integration",
    "GAIN": "[electron / DN] Gain; 0 for no photon noise",
    "MODHASH": "SHA-256 of the models, first 16 digits",
}

_LONGEST = 64

#: Keywords of a map.
SHOWER = {
    "ENTRY": "Place in the region file",
    "ENTRYID": "Fingerprint of the entry",
    "INTEGRAT": "Integration, zero-based",
    "ROW0": "First row of the map, zero-based",
    "COLUMN0": "First column of the map, zero-based",
    "SNR": "Signal-to-noise ratio of the map",
    "REMOVED": "Light of all pixels in the last image",
    "ISRATE": "In rateints: DN/s, and no course",
}
#: Keywords of the map of a shower that has a course.
COURSE = {
    "ONSET": "First group with light, zero-based",
    "ISIDLE": "Began before the ramp",
    "CHISQ": "Chi-square of the light curve per freedom",
    "COURSERR": "Relative error of the effect on the rate",
    "MOTION": "Early and late light apart, in units of size",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class RemovedShower:
    """A shower that was taken out.

    Parameters
    ----------
    key, fingerprint : str
        Place of its entry in the region file, and what tells the entry from others.
    model : LightModel
        Its model: a `ShowerModel` in a ramp, a `RateExcess` in rateints.
    """

    key: str
    fingerprint: str
    model: LightModel


@dataclass(frozen=True, kw_only=True, eq=False)
class ShowerModels:
    """The showers that were taken out of an exposure.

    Parameters
    ----------
    exposure : str
        Product root.
    region_file, region_hash : str
        Name and hash of the region file.
    stack_shape : tuple of int
        Integrations and groups of the exposure.
    gain : float
        Electrons per DN.
    showers : tuple of RemovedShower
        The showers.
    """

    exposure: str
    region_file: str
    region_hash: str
    stack_shape: tuple[int, int]
    gain: float
    showers: tuple[RemovedShower, ...]

    @property
    def hash(self) -> str:
        """Hash of maps and courses, 16 digits."""
        digest = hashlib.sha256()
        for one in self.showers:
            place = (one.model.integration, *(part.start for part in one.model.box))
            digest.update(repr(place).encode())
            digest.update(np.ascontiguousarray(one.model.map, "<f4").tobytes())
            if isinstance(one.model, ShowerModel):
                digest.update(np.ascontiguousarray(one.model.course, "<f8").tobytes())
        return digest.hexdigest()[:16]

    @property
    def of_ramp(self) -> tuple[ShowerModel, ...]:
        """The models that have a course."""
        return tuple(one.model for one in self.showers if isinstance(one.model, ShowerModel))

    @property
    def of_rates(self) -> tuple[RateExcess, ...]:
        """The models of what was taken out of rateints."""
        return tuple(one.model for one in self.showers if isinstance(one.model, RateExcess))

    @property
    def removed(self) -> float:
        """Charge of all showers in their last groups, in DN."""
        return float(sum(one.model.removed for one in self.showers))

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        header = fits.Header()
        header["CREATOR"] = f"showermask {__version__}"
        values = (
            self.exposure,
            self.region_file,
            self.region_hash[:16],
            len(self.showers),
            *self.stack_shape,
            self.gain if np.isfinite(self.gain) else 0.0,
            self.hash,
        )
        _fill(header, HEADER, values)
        hdus = [fits.PrimaryHDU(header=header)]
        for number, one in enumerate(self.showers, 1):
            hdus += _extensions(number, one)
        with atomic_write(path) as staged:
            fits.HDUList(hdus).writeto(staged, overwrite=True)

    @classmethod
    def read(cls, path: Path) -> ShowerModels:
        """Read the file.

        Parameters
        ----------
        path : `~pathlib.Path`
            The file.

        Returns
        -------
        ShowerModels
            Its content.

        Raises
        ------
        ExposureError
            When it is not such a file, or not whole.
        """
        try:
            with fits.open(path, memmap=False) as hdus:
                header = hdus[0].header
                showers = tuple(_shower(hdus, k) for k in range(1, header["NSHOWERS"] + 1))
                models = cls(
                    exposure=header["EXPOSURE"],
                    region_file=header["REGFILE"],
                    region_hash=header["REGHASH"],
                    stack_shape=(header["NINTS"], header["NGROUPS"]),
                    gain=header["GAIN"] or np.inf,
                    showers=showers,
                )
                expected = header["MODHASH"]
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            raise ExposureError(
                f"{path}: can't be read as a file of shower models ({error}), expected one that "
                "subtract_showers has written"
            ) from error
        if models.hash != expected:
            raise ExposureError(
                f"{path}: its models have the hash {models.hash}, expected {expected}; it was "
                "changed, and the light that was taken out is not known"
            )
        return models


def models_path(folder: str | os.PathLike[str], exposure: str) -> Path:
    """Return the path of the file of an exposure."""
    return Path(folder) / f"{exposure}_{MODELS_SUFFIX}.fits"


def _extensions(number: int, one: RemovedShower) -> list[fits.hdu.base.ExtensionHDU]:
    model = one.model
    unit = "DN" if isinstance(model, ShowerModel) else "DN/s"
    shape = fits.ImageHDU(model.map, name="MAP", ver=number)
    values = (
        one.key,
        one.fingerprint,
        model.integration,
        model.box[0].start,
        model.box[1].start,
        round(model.snr, 3),
        model.removed,
        not isinstance(model, ShowerModel),
    )
    _fill(shape.header, SHOWER, values)
    shape.header["BUNIT"] = unit
    variance = fits.ImageHDU(model.variance, name="VAR", ver=number)
    variance.header["BUNIT"] = f"({unit})2"
    if not isinstance(model, ShowerModel):
        return [shape, variance]
    of_course = (
        model.onset + 1,
        model.is_idle,
        round(model.chi_square, 3),
        round(model.course_error, 4),
        round(model.motion, 3),
    )
    _fill(shape.header, COURSE, of_course)
    column = fits.Column(name="light", format="D", array=model.course)
    course = fits.BinTableHDU.from_columns([column], name="COURSE", ver=number)
    return [shape, variance, course]


def _fill(header: fits.Header, comments: Mapping[str, str], values: Sequence[Any]) -> None:
    """Set keywords; the comment of a long text is left out, for FITS has no place for it."""
    for (name, comment), value in zip(comments.items(), values, strict=True):
        is_long = isinstance(value, str) and len(value) + len(comment) > _LONGEST
        header[name] = value if is_long else (value, comment)


def _shower(hdus: fits.HDUList, number: int) -> RemovedShower:
    shape = hdus["MAP", number]
    header = shape.header
    ny, nx = shape.data.shape
    rows, columns = header["ROW0"], header["COLUMN0"]
    common: dict[str, Any] = {
        "integration": header["INTEGRAT"],
        "box": (slice(rows, rows + ny), slice(columns, columns + nx)),
        "map": shape.data.astype(np.float32),
        "variance": hdus["VAR", number].data.astype(np.float32),
        "snr": header["SNR"],
    }
    model: LightModel
    if header["ISRATE"]:
        model = RateExcess(**common)
    else:
        model = ShowerModel(
            **common,
            course=hdus["COURSE", number].data["light"].astype(np.float64),
            onset=header["ONSET"] - 1,
            is_idle=header["ISIDLE"],
            chi_square=header["CHISQ"],
            course_error=header["COURSERR"],
            motion=header["MOTION"],
        )
    return RemovedShower(key=header["ENTRY"], fingerprint=header["ENTRYID"], model=model)
