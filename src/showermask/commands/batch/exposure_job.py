"""The job of one exposure: mask it, make its rates, calibrate them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from showermask.commands.batch.job import Job, installed_versions
from showermask.commands.batch.parameters import NO_FILE
from showermask.exceptions import OutputError
from showermask.files import sha256_of
from showermask.pipeline.manifest import Record, file_time

__all__ = ["ExposureJob"]

#: Memory that an exposure takes at its peak, in units of its file; measured with
#: benchmarks/batch_memory.py, with a fifth or more to spare.
_PEAK_MEMORY = {
    ("masked", "jump"): 1.5,
    ("masked", "ramp"): 1.5,
    ("masked", "rateints"): 2.5,
    ("masked", "rate"): 2.5,
    ("rate", "jump"): 2.0,
    ("rate", "ramp"): 8.0,
    ("rate", "uncal"): 22.0,
    ("rate", "rateints"): 7.0,
    ("rate", "rate"): 2.5,
}

#: Bytes that stage 2 takes for an image of 1024 x 1032 pixels, jwst itself not counted.
_PEAK_OF_IMAGE2 = 3e8


@dataclass(frozen=True, kw_only=True)
class ExposureJob(Job):
    """The order for a worker to process one exposure."""

    #: Which of `~showermask.exposure.names.PRODUCT_SUFFIXES` the input is.
    suffix: str

    @property
    def peak_memory(self) -> float:
        """Bytes that it takes at its peak."""
        # Images are small beside ramps: stage 2 takes no more than stage 1, but of a rate.
        target = "masked" if self.target == "masked" else "rate"
        least = 0.0 if self.target in ("masked", "rate") else _PEAK_OF_IMAGE2
        return self.record.input_size * _PEAK_MEMORY[target, self.suffix] + least

    def make(self, folder: Path) -> Record:
        """Make the products of the exposure."""
        from showermask.commands.batch.stages.products import make_products

        record, path = self.record, Path(self.record.input)
        before = file_time(path), path.stat().st_size
        sha256 = sha256_of(path)
        masked = make_products(
            path,
            self.suffix,
            files={
                "region_file": record.region_file or NO_FILE,
                "detector_file": record.parameters.get("detector_file") or NO_FILE,
            },
            target=self.target,
            folder=folder,
            step_parameters=self.step_parameters,
        )
        if (file_time(path), path.stat().st_size) != before:
            raise OutputError(f"{path}: was changed while it was read; run the batch again")
        record = replace(
            record,
            input_time=before[0],
            input_size=before[1],
            input_sha256=sha256,
            versions=installed_versions(masked.crds_context),
        )
        if masked.mask is None:
            return record
        coverage = masked.mask.coverage
        return replace(
            record,
            sha256=masked.mask.fingerprint or "",
            showers=coverage.showers,
            regions=coverage.others,
            pixels=coverage.integration_pixels,
            frame_pixels=coverage.pixels,
            fraction=round(coverage.fraction, 8),
        )

    def is_own(self, product: str) -> bool:
        """Tell whether a name begins with that of the exposure."""
        return product.startswith(self.name)

    def sources_of(self, product: str, hashes: Mapping[str, str], record: Record) -> dict[str, str]:
        """Return input and region files; of a calibrated product, the rate that it is made from."""
        of_rates = {"_cal.fits": "_rate.fits", "_i2d.fits": "_cal.fits"}
        of_rates["_calints.fits"] = "_rateints.fits"
        source = of_rates.get(product.removeprefix(self.name))
        if source is not None and f"{self.name}{source}" in hashes:
            return {f"{self.name}{source}": hashes[f"{self.name}{source}"]}
        files = (record.region_file, record.parameters.get("detector_file"))
        names = " + ".join(Path(file).name for file in files if file)
        return {Path(record.input).name: record.input_sha256} | (
            {names: record.sha256} if names else {}
        )
