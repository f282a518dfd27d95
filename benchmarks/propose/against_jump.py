"""Time and memory of the proposer against ``JumpStep`` with ``find_showers``, in one run.

Each runs in a process of its own on the same ramp, the jump step offline over a synthetic CRDS
cache; the time of imports is not counted.

Run: python benchmarks/propose/against_jump.py [SEED [full|series]]

The one is a full frame of 40 groups, the other a time series of 200 integrations.
"""

import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from showermask.synthetic.crds_cache import Detector, build_cache, cache_environment

_NAME = "jw99999001001_02101_00001_mirimage_jump.fits"


def main(seed: int, kind: str = "full") -> None:
    """Make a scene, run both on it, and print times and peaks."""
    ny, nx, name = {"full": (1024, 1032, "FULL"), "series": (416, 72, "SLITLESSPRISM")}[kind]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cache = build_cache(folder / "crds", Detector(ny=ny, nx=nx, subarray=name))
        environment = {**os.environ, **cache_environment(cache)}
        run(kind, folder, seed, environment)
        jump = run("jump", folder, seed, environment)
        proposer = run("propose", folder, seed, environment)
        print(f"jump : {jump[0]:.1f} s, {jump[1] / 1e6:.0f} MB above imports")
        print(f"propose: {proposer[0]:.1f} s, {proposer[1] / 1e6:.0f} MB above imports")
        print(f"time {proposer[0] / jump[0]:.2f}, peak {proposer[1] / proposer[2]:.2f} of the ramp")


def run(
    what: str, folder: Path, seed: int, environment: dict[str, str]
) -> tuple[float, float, float]:
    """Run one of the three in a process of its own; return s, peak, size of the ramp (bytes)."""
    command = [sys.executable, __file__, what, str(folder), str(seed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds, peak, size = map(float, done.stdout.split()[-3:])
    return seconds, peak, size


def make(folder: Path, scene: Any, subarray: str) -> None:
    """Write a scene as a jump file."""
    from showermask.synthetic.ramps import RampBuilder

    nints, ngroups, ny, nx = scene.data.shape
    builder = RampBuilder(
        nints=nints, ngroups=ngroups, ny=ny, nx=nx, group_time=scene.group_time, readnoise=0.0
    )
    model = builder.model(subarray=subarray)
    model.data, model.groupdq, model.pixeldq = scene.data, scene.groupdq, scene.pixeldq
    model.save(str(folder / _NAME))


def jump(folder: Path) -> float:
    """Run the jump step."""
    from jwst.jump import JumpStep
    from stdatamodels.jwst import datamodels

    model = datamodels.open(folder / _NAME)
    model.data, model.groupdq  # noqa: B018  # into memory, as the pipeline has them
    started = time.monotonic()
    JumpStep.call(model, find_showers=False)
    return time.monotonic() - started


def propose(folder: Path) -> float:
    """Run the proposer."""
    from showermask.commands.propose.finder import THRESHOLD
    from showermask.commands.propose.showers import propose_showers

    started = time.monotonic()
    propose_showers(folder / _NAME, folder / "x.yaml", threshold=THRESHOLD)
    return time.monotonic() - started


if __name__ == "__main__":
    if len(sys.argv) > 3:
        import jwst.jump  # noqa: F401  # not to be counted
        import scenes
        import stdatamodels.jwst.datamodels  # noqa: F401
        from astropy.io import fits

        import showermask.commands.propose.showers  # noqa: F401

        here = Path(sys.argv[2])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        spent = 0.0
        if sys.argv[1] == "full":
            make(here, scenes.make_scene(int(sys.argv[3])), "FULL")
        elif sys.argv[1] == "series":
            make(here, scenes.make_time_series(int(sys.argv[3])), "SLITLESSPRISM")
        else:
            spent = {"jump": jump, "propose": propose}[sys.argv[1]](here)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        with fits.open(here / _NAME) as hdus:
            size = 4 * math.prod(hdus["SCI"].shape)
        print(spent, peak * 1024, size)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 201, *sys.argv[2:])
