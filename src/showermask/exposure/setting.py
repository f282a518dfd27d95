"""The setting of an exposure on the sky: target and optical path, which tell its mosaic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from showermask.exceptions import ExposureError

__all__ = ["Setting", "read_setting"]

_KEYWORDS = {
    "program": "PROGRAM",
    "target": "TARGNAME",
    "proposer_target": "TARGPROP",
    "target_id": "TARG_ID",
    "instrument": "INSTRUME",
    "detector": "DETECTOR",
    "filter": "FILTER",
    "pupil": "PUPIL",
    "subarray": "SUBARRAY",
    "exposure_type": "EXP_TYPE",
}


@dataclass(frozen=True, kw_only=True, order=True)
class Setting:
    """The facts that exposures of one mosaic have in common; empty where not recorded."""

    program: str
    target: str
    instrument: str
    detector: str
    filter: str
    pupil: str
    subarray: str
    #: EXP_TYPE: ``MIR_IMAGE`` …
    exposure_type: str
    #: Whether it is a time series.
    is_time_series: bool = False


def read_setting(path: Path) -> Setting:
    """Read the setting from the primary header of a file.

    Parameters
    ----------
    path : Path
        FITS file.

    Returns
    -------
    Setting
        The setting.

    Raises
    ------
    ExposureError
        When the header can't be read.
    """
    from astropy.io import fits

    try:
        header = fits.getheader(path, 0)
    except (OSError, ValueError, fits.VerifyError) as error:
        raise ExposureError(f"{path}: can't be read as FITS ({error})") from error
    found = {name: str(header.get(key, "")).strip() for name, key in _KEYWORDS.items()}
    # The name of the target in the proposal is that of parallels and moving targets too.
    names = [found.pop(name) for name in ("target", "proposer_target", "target_id")]
    return Setting(
        **found,
        target=next((name for name in names if name and name.upper() != "UNKNOWN"), ""),
        is_time_series=header.get("TSOVISIT") is True,
    )
