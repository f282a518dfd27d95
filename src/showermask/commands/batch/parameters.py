"""Parameters of the pipeline's steps, as a batch is given them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from showermask.exceptions import OutputError
from showermask.masking.mask import DEFAULT_FLAGS, MAX_MASKED_FRACTION

__all__ = ["NO_FILE", "MaskParameters", "StepParameters"]

#: What the step takes for no region file.
NO_FILE = "none"


@dataclass(frozen=True)
class MaskParameters:
    """The parameters of the step that decide whether a mask is refused."""

    flags: tuple[str, ...] = DEFAULT_FLAGS
    max_masked_fraction: float = MAX_MASKED_FRACTION


@dataclass(frozen=True, kw_only=True)
class StepParameters:
    """Parameters of the steps, as strun takes them, of all stages."""

    #: For each step its parameters, as typed in ``--steps.<step>.<parameter>=<value>``; for a
    #: stage those of its steps, as ``<step>.<parameter>``.
    steps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Parameter files of stpipe (``.asdf``), one for each stage at most, or for the step.
    parameter_files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        # A worker may be at home elsewhere.
        absolute = tuple(path.absolute() for path in self.parameter_files)
        object.__setattr__(self, "parameter_files", absolute)

    def checked(self, target: str) -> MaskParameters:
        """Return the parameters of the mask, if all that are given are parameters of the steps."""
        if not self.fingerprint():
            return MaskParameters()
        from showermask.commands.batch.stages.checks import (
            check_step_parameters,
        )  # imports jwst, for seconds

        return check_step_parameters(self, target)

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells these settings from others."""
        found: dict[str, Any] = {}
        if self.steps:
            found["steps"] = {step: dict(pars) for step, pars in sorted(self.steps.items())}
        if self.parameter_files:
            found["parameter_files"] = [
                {"name": path.name, "sha256": hashlib.sha256(_read(path)).hexdigest()}
                for path in self.parameter_files
            ]
        return found


def _read(parameter_file: Path) -> bytes:
    try:
        return parameter_file.read_bytes()
    except OSError as error:
        raise OutputError(
            f"{parameter_file}: can't be read ({error.strerror}), "
            "expected a parameter file of stpipe"
        ) from error
