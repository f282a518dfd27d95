"""The harm that subtraction does where there is no shower: accepted entries on other things.

Run: python benchmarks/subtract/harm.py FIRST_SEED COUNT

In zoo scenes without any shower, ellipses with semi-axes of 7 to 25 pixels and any onset are put on
empty sky and on what looks like a shower. The harm of an entry is the change of the rate, summed
over blocks of 3 x 3 pixels inside of the ellipse, in units of the noise of such a sum (rms).
"""

import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "propose"))

from scenes import make_scene

from showermask import Shower
from showermask.glow.ramp_noise import measure_ramp_noise
from showermask.glow.removal import fit_showers
from showermask.glow.shower_model import slope_of_course

_FRAME = (512, 516)
_EACH = 4  # of a kind in a scene
_KINDS = ("star", "saturation", "galaxy", "nebula", "latent", "mover", "afterglow", "reset")


def main(first: int, count: int) -> None:
    """Score, and print a table."""
    with ProcessPoolExecutor(2) as pool:
        results = [r for rows in pool.map(score, range(first, first + count)) for r in rows]
    table = defaultdict(list)
    for kind, harm, doubt in results:
        table[kind].append((harm, 0.0 if doubt else harm))
        table["all"].append((harm, 0.0 if doubt else harm))
    print(f"{'':12s}   n  mean  90 %   max | with the rule: mean  90 %   max  passed")
    for kind, values in table.items():
        every, ruled = np.array(values).T
        print(
            f"{kind:12s} {len(every):3d} {every.mean():5.2f} {np.percentile(every, 90):5.2f} "
            f"{every.max():5.2f} |               {ruled.mean():5.3f} "
            f"{np.percentile(ruled, 90):5.2f} {ruled.max():5.2f}  {np.count_nonzero(ruled):4d}"
        )


def score(seed: int) -> list[tuple[str, float, str | None]]:
    """Return kind, harm and doubt of the entries of a scene."""
    scene = make_scene(seed, showers=0, frame=_FRAME, zoo=1.0)
    rng = np.random.default_rng(seed)
    ngroups = scene.data.shape[1]
    noise = measure_ramp_noise(scene, 0, _FRAME)
    use = np.ones(ngroups, bool)
    use[[0, -1]] = False
    n = int(use.sum())
    places = [("sky", *place) for place in _empty(rng, scene)]
    for kind in _KINDS:
        of_kind = [c for c in scene.confusers if c.kind == kind]
        chosen = rng.permutation(len(of_kind))[:_EACH]
        places += [(kind, of_kind[i].x, of_kind[i].y) for i in chosen]
    found = []
    for kind, x, y in places:
        a = rng.uniform(7, 25)
        group = int(rng.choice([0, rng.integers(4, ngroups - 6)]))
        entry = Shower(
            integration=0,
            group=group,
            x=x,
            y=y,
            a=a,
            b=a * rng.uniform(0.5, 1),
            theta=rng.uniform(0, 180),
        )
        box, inside = entry.pixels(_FRAME)
        if not inside.any():
            continue
        (model,) = fit_showers(scene, [entry], _FRAME, scene.group_time, noise=noise)
        if model is None:
            found.append((kind, 0.0, "no light"))
            continue
        change = np.zeros(_FRAME)
        change[model.box] = model.map * slope_of_course(model.course, use)
        rate = float(np.median((scene.data[0, -2] - scene.data[0, 1])[box][inside])) / (ngroups - 3)
        sigma2 = 6 * noise.read / (n * (n**2 - 1)) + 1.2 * max(rate, 0) / noise.gain / (n - 1)
        mask = np.zeros(_FRAME, bool)
        mask[box] = inside
        ny, nx = (size // 3 * 3 for size in _FRAME)
        blocks = change[:ny, :nx].reshape(ny // 3, 3, nx // 3, 3).sum(axis=(1, 3))
        within = mask[:ny, :nx].reshape(ny // 3, 3, nx // 3, 3).mean(axis=(1, 3)) > 0.5
        harm = float(np.sqrt(np.mean(blocks[within] ** 2))) / (3 * np.sqrt(sigma2))
        found.append((kind, harm, model.doubt()))
    return found


def _empty(rng, scene):  # noqa: ANN001, ANN202
    """Return places that are far from all else."""
    found = []
    for _ in range(2000):
        x, y = rng.uniform(25, _FRAME[1] - 25), rng.uniform(25, _FRAME[0] - 25)
        if all(np.hypot(c.x - x, c.y - y) > c.radius + 22 for c in scene.confusers):
            found.append((x, y))
        if len(found) == _EACH:
            break
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
