"""Collect what the proposer finds in simulated exposures, and whether it is a shower.

Run: python benchmarks/propose/collect.py OUT.npz KIND FIRST_SEED COUNT [KIND FIRST_SEED COUNT ...]
     python benchmarks/propose/collect.py OUT.npz FOLDER

The file has a row for each glow that was measured: its numbers (see
`showermask.commands.propose.features.Features`), whether it is a shower, what it lies on, the
signal-to-noise ratio of the shower, and a number for the scene.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from score import blame, build, load, match

from showermask.commands.propose import candidates
from showermask.commands.propose.features import Features
from showermask.commands.propose.finder import search

# The classifier is what is to be made: an older one may be for other numbers.
candidates.shower_probability = lambda _: 1.0  # type: ignore[assignment]


def collect(kind: str, seed: int) -> list[tuple[np.ndarray, bool, str, float, str]]:
    """Return a row for each glow of a scene."""
    scene = load(Path(kind)) if kind.endswith(".npz") else build(kind, seed)
    found = list(search(scene, scene.data.shape[-2:], group_time=scene.group_time))
    entries = [entry for _, entry in found]
    of_entry = {id(m.entry): m for m in match(scene, entries) if m.entry is not None}
    rows = []
    for candidate, entry in found:
        one = of_entry.get(id(entry))
        what = one.shower.form if one else blame(scene, entry)
        snr = one.shower.snr if one else 0.0
        rows.append((candidate.features.as_array(), one is not None, what, snr, f"{kind} {seed}"))
    return rows


def main(out: str, *arguments: str) -> None:
    """Collect, and write."""
    if len(arguments) == 1:
        work = [(str(path), 0) for path in sorted(Path(arguments[0]).glob("*.npz"))]
    else:
        work = [
            (kind, seed)
            for kind, first, count in zip(*[iter(arguments)] * 3, strict=True)
            for seed in range(int(first), int(first) + int(count))
        ]
    with ProcessPoolExecutor(2) as pool:
        rows = [row for rows in pool.map(collect, *zip(*work, strict=True)) for row in rows]
    features, labels, what, snr, scene = zip(*rows, strict=True)
    np.savez(
        out,
        names=Features.names(),
        features=np.array(features, np.float32),
        is_shower=np.array(labels),
        what=np.array(what),
        snr=np.array(snr),
        scene=np.array(scene),
    )
    print(f"{len(rows)} glows, {sum(labels)} showers, in {len(work)} exposures")


if __name__ == "__main__":
    main(*sys.argv[1:])
