"""The mosaics without masks, on the pixels of those with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from showermask.commands.batch.associations import Association
from showermask.commands.batch.matching import Matches
from showermask.commands.batch.parameters import MaskParameters
from showermask.commands.batch.plan import Plan, make_plan
from showermask.pipeline.manifest import UNMASKED_FOLDER, Record
from showermask.regionfile.content import RegionFile

__all__ = ["plan_without_masks"]


def plan_without_masks(plan: Plan, records: Mapping[str, Record]) -> Plan | None:
    """Plan the mosaics of a plan again, without masks.

    Exposures in which nothing is masked are taken as they are.

    Parameters
    ----------
    plan : Plan
        The plan, which has been run.
    records : mapping of str to Record
        Its records.

    Returns
    -------
    Plan or None
        The plan of the comparison; None where there is nothing to compare.
    """
    output = plan.request.output.absolute()
    masked = {
        match.exposure
        for match in plan.matches.found
        if match.region_file.accepted or match.detector_file is not None
    }
    associations = [
        _without_masks(association, masked, records, plan)
        for association in plan.matches.associations
        if _is_made(association, records) and masked.intersection(association.exposures)
    ]
    if not associations:
        return None
    again = {root for association in associations for root in association.exposures}
    matches = Matches(
        found=[
            replace(match, region_file=RegionFile(exposure=match.exposure), detector_file=None)
            for match in plan.matches.found
            if match.exposure in again
        ],
        inputs={root: plan.matches.inputs[root] for root in again},
        associations=associations,
    )
    request = replace(plan.request, output=output / UNMASKED_FOLDER, is_compared=False)
    grids = {one.name: output / f"{one.name}_i2d.fits" for one in associations}
    return make_plan(request, matches, MaskParameters(), grids)


def _is_made(association: Association, records: Mapping[str, Record]) -> bool:
    record = records.get(association.name)
    return record is not None and record.status == "done"


def _without_masks(
    association: Association, masked: set[str], records: Mapping[str, Record], plan: Plan
) -> Association:
    """Return an association of which only the masked exposures are made again."""
    as_they_are = [
        plan.request.output.absolute() / product.name
        for root in association.exposures
        if root not in masked and (product := records[root].product("cal")) is not None
    ]
    return replace(
        association,
        exposures=tuple(root for root in association.exposures if root in masked),
        files=(*association.files, *as_they_are),
    )
