"""The third stage: the mosaic that the stock ``calwebb_image3`` makes of some exposures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jwst.associations.asn_from_list import asn_from_list
from jwst.associations.lib.rules_level3_base import DMS_Level3_Base
from jwst.pipeline import Image3Pipeline

from showermask.commands.batch.associations import Association
from showermask.commands.batch.grids import write_grid
from showermask.commands.batch.stages.parameters import (
    StageParameters,
    build_pipeline,
    check_later_stage,
)
from showermask.exceptions import ExposureError

__all__ = ["check", "make_mosaic"]

_INDISPENSABLE = ("resample",)
_GRID_NAME = "grid.asdf"


def check(parameters: StageParameters) -> None:
    """Refuse parameters that the steps of ``calwebb_image3`` have not."""
    check_later_stage(Image3Pipeline, parameters, _INDISPENSABLE)


def make_mosaic(
    association: Association,
    members: Sequence[Path],
    folder: Path,
    parameters: StageParameters,
    grid: Path | None,
) -> None:
    """Make a mosaic, with its association, in a folder.

    Parameters
    ----------
    association : Association
        Name and identity of the mosaic.
    members : sequence of Path
        The calibrated exposures.
    folder : Path
        Where products are written.
    parameters : StageParameters
        Parameters of the steps.
    grid : Path or None
        A mosaic on whose pixels this one is made; None for pixels of its own.

    Raises
    ------
    ExposureError
        When the pipeline makes no mosaic.
    """
    # The association names files beside it, as it will when it lies beside the exposures.
    links = [folder / path.name for path in members]
    for link, path in zip(links, members, strict=True):
        link.symlink_to(path)
    path = folder / f"{association.name}_asn.json"
    path.write_text(_dumped(association, members), encoding="utf-8")
    steps = {}
    if grid is not None:
        write_grid(grid, folder / _GRID_NAME)
        steps["resample"] = {"output_wcs": str(folder / _GRID_NAME)}
    pipeline = build_pipeline(
        Image3Pipeline,
        parameters,
        str(path),
        steps=steps,
        output_dir=str(folder),
        save_results=True,
    )
    pipeline.run(str(path))
    for extra in (*links, folder / _GRID_NAME):
        extra.unlink(missing_ok=True)
    if not (folder / f"{association.name}_i2d.fits").exists():
        raise ExposureError(
            f"{association.name}: calwebb_image3 made no mosaic of its "
            f"{len(members)} exposures; see its log"
        )


def _dumped(association: Association, members: Sequence[Path]) -> str:
    made = asn_from_list(
        [path.name for path in members], rule=DMS_Level3_Base, product_name=association.name
    )
    made["asn_type"], made["asn_id"] = "image3", association.asn_id
    if association.program:
        made["program"] = association.program
    _, text = made.dump()
    return str(text)
