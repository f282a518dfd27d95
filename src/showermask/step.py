"""The pipeline step that masks showers."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from showermask.exceptions import RegionFileError
from showermask.exposure import (
    PRODUCT_SUFFIX,
    Exposure,
    Product,
    check_whole,
    describe_model,
    dq_plane,
    known_flags,
    product_stem,
)
from showermask.flagging import (
    Footprint,
    advice_outside,
    are_set,
    bits_of,
    bits_of_entry,
    check_coverage,
    entries_of,
    flag_lone_groups,
    footprints,
    measure,
    set_bits,
)
from showermask.logs import log
from showermask.messages import counted
from showermask.output import SavesWhole
from showermask.provenance import STEP_NAME, Provenance
from showermask.regionfile import RegionFile, find_regions, read_regions

__all__ = ["REGIONS_VARIABLE", "ManualShowerMaskStep"]

#: Environment variable that names the region file, or the directory of region files.
REGIONS_VARIABLE = "SHOWERMASK_REGIONS"


class ManualShowerMaskStep(SavesWhole):
    """Mask reviewed cosmic-ray showers and other bad pixels in the data-quality plane.

    They are read from a region file. Takes a ramp (``_jump``, ``_ramp``), rateints or calints, a
    rate or cal: as a file name, as a datamodel, or as what a pipeline hands to a hook. Bits are
    ORed into ``groupdq`` or ``dq``, no other array is touched, and no bit is cleared. Without a
    region file for the exposure the step is recorded as SKIPPED.
    """

    class_alias = STEP_NAME
    suffix: str | None

    spec = """
        region_file = string(default=None) # Region file, or a directory of <exposure>_showers.yaml, .yml, .asdf
        flags = force_list(default=list('JUMP_DET', 'DO_NOT_USE')) # Flags of what names none
        max_masked_fraction = float(default=0.5, min=0.0, max=1.0) # Largest part of a frame that may be masked
    """  # noqa: E501  # stpipe takes one line per parameter

    #: What the last run did, so that a pipeline can write it into products made later.
    provenance: Provenance | None = None
    #: Where the last run masked.
    footprints: tuple[Footprint, ...] = ()
    #: Whether the last run found everything masked and recorded already.
    was_up_to_date: bool = False

    def process(self, step_input: Any) -> Any:
        """Mask the showers of one exposure.

        Parameters
        ----------
        step_input : str, `~pathlib.Path`, `~stdatamodels.jwst.datamodels.JwstDataModel` or tuple
            The exposure; or the tuple of models that ``ramp_fit`` returns, masked one by one.

        Returns
        -------
        `~stdatamodels.jwst.datamodels.JwstDataModel` or tuple
            The masked exposure: the input model itself where a pipeline runs the step, else a copy.

        Raises
        ------
        ShowermaskError
            When the region file, the exposure or the flags are at fault; nothing is changed then.
        """
        if isinstance(step_input, (tuple, list)):
            return tuple(None if model is None else self.process(model) for model in step_input)
        path = None
        if isinstance(step_input, (str, os.PathLike)):
            path = self.make_input_path(os.fspath(step_input))
            check_whole(path)
        model = self.prepare_output(step_input if path is None else path)
        try:
            self._mask(model, describe_model(model, path=path))
        except BaseException:
            if path is not None:
                model.close()
            raise
        return model

    def run(self, *args: Any) -> Any:
        """Run the step; a suffix that was made for this input is not kept for the next.

        Parameters
        ----------
        *args
            As in `stpipe.Step.run`.

        Returns
        -------
        `~stdatamodels.jwst.datamodels.JwstDataModel` or tuple
            The masked exposure.
        """
        if self.skip and self.parent is None and not isinstance(args[0], (str, os.PathLike)):
            # stpipe takes a hook that is an instance for a step on its own, which it never skips.
            return _recorded_as_skipped(args[0])
        given = self.suffix
        try:
            return super().run(*args)
        finally:
            self.suffix = given

    def default_suffix(self) -> str:
        """Return ``<product>_showermask``, so that the masked ramp and rate stay apart."""
        source = self.search_attr("_input_filename")
        if self.parent is not None or not source:
            return PRODUCT_SUFFIX
        stem = product_stem(source).removesuffix(f"_{PRODUCT_SUFFIX}")
        product = stem.removeprefix(self.remove_suffix(stem)[0]).strip("_-")
        return f"{product}_{PRODUCT_SUFFIX}" if product else PRODUCT_SUFFIX

    def keep_input(self, path: str) -> bool:
        """Leave the input file alone when it is the very result; see `SavesWhole`."""
        if self.was_up_to_date:
            log.info("%s: is masked by this region file already; left as it is", path)
        return self.was_up_to_date

    def _mask(self, model: Any, exposure: Exposure) -> None:
        exposure.refuse_raw()
        self.footprints = ()
        self.was_up_to_date = False
        path = self._find_region_file(exposure)
        if path is None:
            self.provenance = Provenance.of_model(model) or Provenance(status="SKIPPED")
            self.provenance.stamp(model)
            return
        regions = read_regions(path)
        regions.check_fits(exposure)
        marks = footprints(regions.accepted, exposure.shape)
        bits = self._bits(regions, exposure, marks)
        coverage = measure(marks, exposure.shape)
        check_coverage(coverage, self.max_masked_fraction)
        plane = dq_plane(model, exposure)
        was_set = are_set(plane, marks, bits)
        set_bits(plane, marks, bits)
        lone = flag_lone_groups(plane, marks, bits) if exposure.product is Product.RAMP else 0
        record = Provenance.of_mask(regions, coverage, lone_groups=lone)
        self.was_up_to_date = was_set and not lone and record.is_of_same_mask(model)
        self.provenance = record.added_to(model)
        self.footprints = tuple(marks)
        self.provenance.stamp(model)
        log.info(
            "%s: masked %s of %s, %s, %.2f %% of the frame, in %s%s",
            exposure.name,
            coverage.entries_text(),
            path,
            coverage.pixels_text(),
            100 * coverage.fraction,
            exposure.product.plane,
            f" and {counted(lone, 'lone group')}" if lone else "",
        )
        self._warn(regions, exposure, marks)

    def _bits(self, regions: RegionFile, exposure: Exposure, marks: list[Footprint]) -> list[int]:
        known = known_flags(exposure.product)
        plane = exposure.product.plane
        default = bits_of(self.flags or (), known, f"flags of {STEP_NAME} for {plane}")
        everywhere = known_flags(Product.IMAGE)
        named = {
            id(entry): bits_of_entry(entry, known, everywhere, f"{regions.name}: flags of {plane}")
            for entry in regions.accepted
        }
        bits = (named[id(mark.entry)] for mark in marks)
        return [default if value is None else value for value in bits]

    def _find_region_file(self, exposure: Exposure) -> Path | None:
        """Find the region file: given, from the environment, or beside the input."""
        folders = []
        given = self.region_file or os.environ.get(REGIONS_VARIABLE)
        if given:
            path = Path(os.path.expanduser(given))  # noqa: PTH111  # leaves an unknown ~user alone
            if not path.exists():
                raise RegionFileError(
                    f"{given}: does not exist, expected a region file or a directory of them"
                )
            if not path.is_dir():
                return path
            folders.append(path)
        if not self.region_file:
            folders.append(Path(self.input_dir))
        for folder in folders:
            found = find_regions(exposure.name, folder)
            if found:
                for other in found[1:]:
                    log.warning("%s: not used, %s comes first", other, found[0])
                return found[0]
        # On its own the step was run for a mask; in a pipeline most exposures have no shower.
        log.log(
            logging.WARNING if self.parent is None else logging.INFO,
            "%s: no region file %s_showers.yaml, .yml or .asdf in %s; nothing masked",
            exposure.name,
            exposure.name,
            " or ".join(str(folder.absolute()) for folder in folders),
        )
        return None

    def _warn(self, regions: RegionFile, exposure: Exposure, marks: list[Footprint]) -> None:
        """Say what the reviewer may not have meant."""
        if regions.candidates:
            log.warning(
                "%s: %s not applied; accept or reject %s",
                regions.name,
                counted(len(regions.candidates), "candidate is", "candidates are"),
                "it" if len(regions.candidates) == 1 else "them",
            )
        for one, other in regions.repeated():
            log.warning("%s: %s says the same as %s; remove one of them", regions.name, other, one)
        for entry in entries_of(mark for mark in marks if not mark.inside.any()):
            log.warning(
                "%s: %s, %s, covers no pixel of the frame; %s",
                regions.name,
                regions.place(entry),
                entry.place,
                advice_outside(entry, exposure),
            )
        flags = {flag.upper() for m in marks for flag in m.entry.flags or self.flags}
        if exposure.product is Product.RAMP and marks and "DO_NOT_USE" not in flags:
            log.warning(
                "%s: masked without DO_NOT_USE; masks of the first groups will spoil the rate",
                exposure.name,
            )
        if exposure.product is Product.IMAGE and marks and (exposure.nints or 1) > 1:
            log.warning(
                "%s: this rate is made of %d integrations, and masked pixels are lost to all; "
                "mask the ramp or the rateints to lose only the integrations with a shower",
                exposure.name,
                exposure.nints,
            )


def _recorded_as_skipped(result: Any) -> Any:
    """Record in a model, or a tuple of models, that the step was skipped, and return it."""
    for model in result if isinstance(result, (tuple, list)) else (result,):
        if model is not None:
            Provenance(status="SKIPPED").stamp(model)
    return result
