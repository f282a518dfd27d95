"""Time and memory of the subtraction of 20 showers from a full frame of 40 groups, on one core.

Run: OPENBLAS_NUM_THREADS=1 python benchmarks/subtract/speed.py [SEED]
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "propose"))
sys.path.insert(0, str(Path(__file__).parent))

from compare import true_entry
from scenes import make_scene

from showermask.glow.removal import fit_showers


def main(seed: int) -> None:
    """Make a scene, take its showers out, and print."""
    scene = make_scene(seed, showers=20)
    entries = [true_entry(shower) for shower in scene.showers if shower.snr > 3]
    # The kernel is to forget the peak of making the scene, which is larger.
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    started = time.monotonic()
    models = fit_showers(scene, entries, scene.data.shape[-2:], scene.group_time)
    for model in models:
        if model is not None and model.doubt() is None:
            model.take_out(scene.data[model.integration])
    spent = time.monotonic() - started
    peak = _memory("VmHWM") - before
    print(
        f"{spent / len(entries):.2f} s a shower ({len(entries)}), peak {peak / 1e6:.0f} MB above "
        f"the ramp, {1 + peak / scene.data.nbytes:.2f} of an integration"
    )


def _memory(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{key}:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 65000)
