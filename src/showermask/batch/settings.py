"""Parameters of the pipeline's steps, as a batch is given them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from showermask.exceptions import OutputError

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Parameters of the steps, as strun takes them.

    Parameters
    ----------
    steps : dict of str to dict of str to str
        For each step its parameters, as typed in ``--steps.<step>.<parameter>=<value>``.
    parameter_file : `~pathlib.Path`, optional
        Parameter file of stpipe (``.asdf``), for ``calwebb_detector1``, with or without showers, or
        for the step.
    """

    steps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    parameter_file: Path | None = None

    def __post_init__(self) -> None:
        if self.parameter_file is not None:  # a worker may be at home elsewhere
            object.__setattr__(self, "parameter_file", self.parameter_file.absolute())

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells these settings from others.

        Returns
        -------
        dict
            Parameters, name and hash of the parameter file; to be written as JSON.
        """
        found: dict[str, Any] = {}
        if self.steps:
            found["steps"] = {step: dict(pars) for step, pars in sorted(self.steps.items())}
        if self.parameter_file is not None:
            content = _read(self.parameter_file)
            found["parameter_file"] = {
                "name": self.parameter_file.name,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        return found


def _read(parameter_file: Path) -> bytes:
    try:
        return parameter_file.read_bytes()
    except OSError as error:
        raise OutputError(
            f"{parameter_file}: can't be read ({error.strerror}), "
            "expected a parameter file of stpipe"
        ) from error
