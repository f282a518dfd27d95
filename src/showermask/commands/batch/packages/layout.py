"""The files of a package, and the request in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from showermask.commands.batch.parameters import StepParameters
from showermask.commands.batch.plan import Request
from showermask.exceptions import OutputError

__all__ = [
    "ASSOCIATIONS",
    "CHECKSUMS",
    "COMPARED",
    "INPUTS",
    "PARAMETERS",
    "PRODUCTS",
    "README",
    "REGIONS",
    "REPORT",
    "REQUEST",
    "PackagedRequest",
]

#: Folders.
PRODUCTS, REGIONS, PARAMETERS = "products", "regions", "parameters"
ASSOCIATIONS, COMPARED = "associations", "compared"
#: Files.
README, CHECKSUMS, INPUTS = "README.md", "SHA256SUMS", "DATA_SHA256SUMS"
REQUEST, REPORT = "request.json", "report.html"

_FORMAT = "showermask-package-1.0"


@dataclass(frozen=True, kw_only=True)
class PackagedRequest:
    """The request for a batch, with the names of its files in the package."""

    target: str
    suffix: str | None = None
    steps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Names of parameter files, associations, and mosaics that it was compared with.
    parameter_files: tuple[str, ...] = ()
    associations: tuple[str, ...] = ()
    compared_with: tuple[str, ...] = ()
    is_compared: bool = False

    def request(self, package: Path, data: tuple[Path, ...], output: Path) -> Request:
        """Return the request that makes the products again.

        Parameters
        ----------
        package : Path
            The package.
        data : tuple of Path
            The exposures.
        output : Path
            Directory for the products.

        Returns
        -------
        Request
            The request.
        """
        return Request(
            regions=package / REGIONS,
            data=data,
            output=output,
            target=self.target,
            suffix=self.suffix,
            step_parameters=StepParameters(
                steps=self.steps,
                parameter_files=tuple(package / PARAMETERS / name for name in self.parameter_files),
            ),
            associations=tuple(package / ASSOCIATIONS / name for name in self.associations),
            compared_with=tuple(package / COMPARED / name for name in self.compared_with),
            is_compared=self.is_compared,
        )

    def to_text(self) -> str:
        """Return it as JSON."""
        content: dict[str, Any] = {
            "format": _FORMAT,
            "to": self.target,
            "from": self.suffix,
            "steps": {step: dict(parameters) for step, parameters in self.steps.items()},
            "parameter_files": list(self.parameter_files),
            "associations": list(self.associations),
            "compared_with": list(self.compared_with),
            "compare": self.is_compared,
        }
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def read(cls, package: Path) -> PackagedRequest:
        """Read the request of a package.

        Raises
        ------
        OutputError
            When the folder is no package.
        """
        path = package / REQUEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            form = content["format"]
            found = cls(
                target=content["to"],
                suffix=content["from"],
                steps=content["steps"],
                parameter_files=tuple(content["parameter_files"]),
                associations=tuple(content["associations"]),
                compared_with=tuple(content["compared_with"]),
                is_compared=content["compare"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"{path}: can't be read ({type(error).__name__}: {error}), expected a folder that "
                "showermask batch --package has made"
            ) from error
        if form != _FORMAT:
            raise OutputError(f"{path}: its format is {form}, expected {_FORMAT}")
        return found
