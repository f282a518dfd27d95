"""The agreement of two region files of one exposure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from showermask.masking.overlap import Pair, image_shape_of, matched
from showermask.messages import counted
from showermask.regionfile.content import RegionFile
from showermask.regionfile.entry import Status

__all__ = ["Agreement", "compare_regions"]


@dataclass(frozen=True)
class Agreement:
    """The agreement of two region files.

    Parameters
    ----------
    names : tuple of str
        Names of the files.
    pairs : tuple of Pair
        Their entries; candidates are not among them.
    """

    names: tuple[str, str]
    pairs: tuple[Pair, ...]

    @property
    def both(self) -> list[Pair]:
        """The entries that both have."""
        return [pair for pair in self.pairs if pair.one is not None and pair.other is not None]

    @property
    def median_overlap(self) -> float | None:
        """Median overlap of the entries that both accept; None where there are none."""
        shares = [
            pair.overlap
            for pair in self.both
            if pair.one is not None
            and pair.other is not None
            and pair.one.is_accepted
            and pair.other.is_accepted
        ]
        return float(np.median(shares)) if shares else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa of the decisions, to mask or not; None where chance alone agrees.

        An entry that a file has not is one that it does not mask.
        """
        table = np.zeros((2, 2))
        for pair in self.pairs:
            decisions = [int(e is not None and e.is_accepted) for e in (pair.one, pair.other)]
            table[decisions[0], decisions[1]] += 1
        total = table.sum()
        if not total:
            return None
        observed = np.trace(table) / total
        expected = float(table.sum(axis=0) @ table.sum(axis=1)) / total**2
        return None if expected == 1 else float((observed - expected) / (1 - expected))

    def describe(self) -> Iterator[str]:
        """Yield lines for people."""
        one, other = self.names
        alone = sum(pair.other is None for pair in self.pairs)
        alone_there = sum(pair.one is None for pair in self.pairs)
        differ = sum(
            pair.one.status is not pair.other.status
            for pair in self.both
            if pair.one is not None and pair.other is not None
        )
        yield f"in both: {len(self.both)}, of which {differ} are decided otherwise"
        yield f"only in {one}: {alone}"
        yield f"only in {other}: {alone_there}"
        share, kappa = self.median_overlap, self.kappa
        yield f"median overlap of what both mask: {'–' if share is None else f'{share:.2f}'}"
        shown = "– (all decisions are alike)" if kappa is None else f"{kappa:.2f}"
        yield (
            f"Cohen's kappa of {counted(len(self.pairs), 'decision')}: {shown}"
            " (1 full agreement, 0 chance)"
        )


def compare_regions(one: RegionFile, other: RegionFile) -> Agreement:
    """Compare two region files.

    Parameters
    ----------
    one, other : RegionFile
        The files of two reviewers.

    Returns
    -------
    Agreement
        How far they agree. Candidates, on which nobody has decided, are left out.

    Raises
    ------
    RegionFileError
        When they are of different exposures.
    """
    one.check_same_exposure(other)
    shape = image_shape_of([one, other])
    pairs: list[Pair] = []
    for section in {entry.SECTION: None for file in (one, other) for entry in file.entries}:
        ones, others = (
            [e for e in file.section(section) if e.status is not Status.CANDIDATE]
            for file in (one, other)
        )
        pairs += matched(ones, others, shape)
    return Agreement((one.name, other.name), tuple(pairs))
