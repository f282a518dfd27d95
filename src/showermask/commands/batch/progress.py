"""Show how a batch goes on."""

from __future__ import annotations

from showermask.masking.cost import pixels_text
from showermask.messages import counted
from showermask.pipeline.manifest import Record
from showermask.workers.progress import Progress

__all__ = ["BatchProgress"]


class BatchProgress(Progress):
    """The reporter of the command line; see `showermask.commands.batch.plan.Reporter`."""

    def advance(self, record: Record) -> None:
        """Count an exposure or a mosaic."""
        if record.status == "failed":
            self.count(f"{record.exposure}: FAILED: {record.error}", is_news=True)
            return
        mosaic = record.product("i2d") if record.is_mosaic else None
        if mosaic is not None:
            exposures = counted(len(mosaic.made_from), "exposure")
            self.count(f"{record.exposure}: mosaic of {exposures}, {record.seconds:.1f} s")
            return
        showers = counted(record.showers, "shower")
        pixels = pixels_text(record.frame_pixels, record.pixels)
        self.count(
            f"{record.exposure}: {showers}, {pixels}, {record.fraction:.2%} of the frame, "
            f"{record.seconds:.1f} s"
        )
