"""The job of one mosaic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from showermask.commands.batch.associations import Association
from showermask.commands.batch.job import Job, installed_versions
from showermask.exposure.names import product_root
from showermask.pipeline.manifest import Record

__all__ = ["MosaicJob"]

#: Memory that a mosaic takes at its peak, in units of the files of its exposures, and beside: what
#: ``benchmarks/mosaic_memory.py`` measures (1.1 and 0.22 GB), and a third more.
_PEAK_OF_MEMBERS, _PEAK_OF_IMAGE3 = 1.5, 3e8


@dataclass(frozen=True, kw_only=True)
class MosaicJob(Job):
    """The order for a worker to make one mosaic."""

    association: Association
    #: The calibrated exposures, with their hashes.
    members: Mapping[Path, str]
    #: A mosaic on whose pixels this one is made.
    grid: Path | None = None

    @property
    def peak_memory(self) -> float:
        """Bytes that it takes at its peak."""
        sizes = sum(path.stat().st_size for path in self.members)
        return _PEAK_OF_MEMBERS * sizes + _PEAK_OF_IMAGE3

    def make(self, folder: Path) -> Record:
        """Make the mosaic."""
        from astropy.io import fits

        from showermask.commands.batch.stages.mosaic import make_mosaic
        from showermask.commands.batch.stages.parameters import split_by_stage

        parameters = split_by_stage(self.step_parameters, self.target)["image3"]
        make_mosaic(self.association, tuple(self.members), folder, parameters, self.grid)
        header = fits.getheader(folder / f"{self.name}_i2d.fits")
        return replace(self.record, versions=installed_versions(header.get("CRDS_CTX")))

    def is_own(self, product: str) -> bool:
        """Tell whether a name begins with that of the mosaic, or is a ``crf`` of a member."""
        roots = {product_root(path) for path in self.members}
        is_crf = product.endswith(f"_{self.association.asn_id}_crf.fits")
        return product.startswith(self.name) or (is_crf and product_root(product) in roots)

    def sources_of(self, product: str, hashes: Mapping[str, str], record: Record) -> dict[str, str]:
        """Return the exposures; of what is beside the mosaic, the association that names them."""
        del record
        members = {path.name: sha256 for path, sha256 in self.members.items()}
        association = f"{self.name}_asn.json"
        if product in (association, f"{self.name}_i2d.fits"):
            return members
        own = {n: h for n, h in members.items() if product_root(n) == product_root(product)}
        return own | {association: hashes[association]}
