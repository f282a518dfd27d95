"""The mosaics of a batch: what each is made from, and whether it is up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from showermask.commands.batch.associations import Association, associate, read_associations
from showermask.commands.batch.matching import Matches, add_unreviewed
from showermask.exceptions import OutputError
from showermask.files import sha256_of
from showermask.pipeline.manifest import Record

if TYPE_CHECKING:
    from showermask.commands.batch.plan import Request

__all__ = ["PlannedMosaic", "find_associations", "plan_mosaic"]


@dataclass(frozen=True, kw_only=True)
class PlannedMosaic:
    """A mosaic with the record it would have, and the files that it is made from."""

    association: Association
    record: Record
    #: The calibrated exposures, with their hashes.
    members: Mapping[Path, str]
    is_current: bool
    #: A mosaic on whose pixels this one is made.
    grid: Path | None = None


def find_associations(matches: Matches, associations: Sequence[Path]) -> None:
    """Find the mosaics of the exposures, and take their exposures without a region file in.

    Parameters
    ----------
    matches : Matches
        The exposures of a batch. Modified in place: mosaics of which no exposure has a region file
        are left out.
    associations : sequence of Path
        Associations that tell the mosaics, in place of the headers.
    """
    reviewed = {match.exposure for match in matches.found} | set(matches.failed)
    if associations:
        found = read_associations(associations, matches.inputs)
    else:
        found, left_out = associate(matches.inputs)
        matches.in_no_mosaic = {root: left_out[root] for root in left_out if root in reviewed}
    matches.associations = [one for one in found if reviewed.intersection(one.exposures)]
    wanted = {root for one in matches.associations for root in one.exposures}
    if associations:
        why = "no association names it"
        matches.in_no_mosaic = {
            root: why for root in sorted(reviewed & set(matches.inputs)) if root not in wanted
        }
    add_unreviewed(matches, sorted(wanted & set(matches.without_regions)))
    _check_products(matches.associations)


def _check_products(associations: Sequence[Association]) -> None:
    """Refuse mosaics that would write the same files."""
    owner: dict[tuple[str, str], str] = {}
    for one in associations:
        for root in one.exposures:
            other = owner.setdefault((root, one.asn_id), one.name)
            if other != one.name:
                raise OutputError(
                    f"{root}: is in {other} and in {one.name}, both of asn_id {one.asn_id}: "
                    "they would write the same _crf.fits; give them an asn_id each"
                )


def plan_mosaic(
    association: Association,
    records: Mapping[str, Record],
    request: Request,
    grid: Path | None = None,
) -> PlannedMosaic:
    """Plan a mosaic of exposures that are done.

    Parameters
    ----------
    association : Association
        The mosaic.
    records : mapping of str to Record
        The records of exposures and mosaics, by name.
    request : Request
        The request for the batch.
    grid : Path, optional
        A mosaic on whose pixels this one is made.

    Returns
    -------
    PlannedMosaic
        The plan.

    Raises
    ------
    OutputError
        When an exposure has no calibrated product, or the mosaic had exposures that the batch has
        not.
    """
    hashes: dict[Path, str] = {path: sha256_of(path) for path in association.files}
    missing: list[str] = []
    for root in association.exposures:
        record = records.get(root)
        product = None if record is None else record.product("cal")
        if record is None or record.status != "done" or product is None:
            missing.append(root)
        else:
            hashes[request.output.absolute() / product.name] = product.sha256
    if missing:
        raise OutputError(
            f"of its {len(association.exposures) + len(association.files)} exposures "
            f"{len(missing)} can't be had: {', '.join(missing[:3])}"
            f"{' …' if len(missing) > 3 else ''}"
        )
    members = {path: hashes[path] for path in sorted(hashes, key=lambda path: path.name)}
    named = {path.name: sha256 for path, sha256 in members.items()}
    before = records.get(association.name)
    if before is not None and not request.is_forced:
        _check_none_gone(before, named)
    wanted = Record(
        exposure=association.name,
        input=str(association.source or ""),
        input_size=0,
        input_time="",
        region_file="",
        sha256="",
        parameters=request.mosaic_parameters(named, grid),
    )
    is_current = (
        not request.is_forced
        and before is not None
        and before.is_current(wanted, request.output.absolute())
    )
    return PlannedMosaic(
        association=association,
        record=wanted,
        members=members,
        is_current=is_current,
        grid=grid,
    )


def _check_none_gone(before: Record, members: Mapping[str, str]) -> None:
    """Refuse to replace a mosaic by one of fewer exposures."""
    image = before.product("i2d")
    gone = sorted(set(image.made_from) - set(members)) if image is not None else []
    if gone:
        raise OutputError(
            f"was made of {len(gone)} more exposures, which this batch has not: "
            f"{', '.join(gone[:3])}{' …' if len(gone) > 3 else ''}; give their data and region "
            "files too, or --force"
        )
