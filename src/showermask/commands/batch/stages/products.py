"""Make the products of one exposure in a folder, through its stages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from showermask.commands.batch.parameters import StepParameters
from showermask.commands.batch.stages.calibrated import calibrate
from showermask.commands.batch.stages.masked import Masked, mask
from showermask.commands.batch.stages.parameters import split_by_stage
from showermask.exposure.names import product_root

__all__ = ["make_products"]


def make_products(
    path: Path,
    suffix: str,
    *,
    files: Mapping[str, str],
    target: str,
    folder: Path,
    step_parameters: StepParameters,
) -> Masked:
    """Make the products of one exposure.

    Parameters
    ----------
    path : Path
        The exposure.
    suffix : str
        Which of `~showermask.exposure.names.PRODUCT_SUFFIXES` it is.
    files : mapping of str to str
        ``region_file`` and ``detector_file`` as the step takes them.
    target : str
        What is made: one of `~showermask.commands.batch.targets.TARGETS`.
    folder : Path
        Where products are written.
    step_parameters : StepParameters
        Parameters of the steps of all stages.

    Returns
    -------
    Masked
        The mask and its record.
    """
    by_stage = split_by_stage(step_parameters, target)
    masked = mask(
        path,
        suffix,
        files=files,
        is_fit=target != "masked",
        folder=folder,
        parameters=by_stage["detector1"],
    )
    if "image2" in by_stage:
        kind = "rateints" if target == "calints" else "rate"
        calibrate(folder / f"{product_root(path)}_{kind}.fits", by_stage["image2"])
    return masked
