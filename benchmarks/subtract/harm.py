"""The harm that subtraction does where there is no shower: accepted entries on other things.

Run: python benchmarks/subtract/harm.py KIND FIRST_SEED COUNT

Scenes of kind ``zoo`` have no showers: ellipses with semi-axes of 7 to 25 pixels and any onset are
put on empty sky and on what looks like a shower. Those of kind ``real`` have the noise of the real
ramp (`make_real_scene`), and nothing else. The harm of an entry is the change of the rate, summed
over blocks of 3 x 3 pixels inside of the ellipse, in units of the noise of such a sum (rms).
"""

import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "propose"))

from scenes import make_real_scene, make_scene

from showermask import Shower
from showermask.glow.ramp_noise import measure_ramp_noise
from showermask.glow.removal import fit_showers
from showermask.glow.shower_model import slope_of_course

_ZOO = {"showers": 0, "frame": (512, 516), "zoo": 1.0}
_EACH = 4  # of a kind in a scene
_KINDS = ("star", "saturation", "galaxy", "nebula", "latent", "mover", "afterglow", "reset")


def main(scenes: str, first: int, count: int) -> None:
    """Score, and print a table."""
    seeds = range(first, first + count)
    with ProcessPoolExecutor(2) as pool:
        results = [r for rows in pool.map(score, [scenes] * count, seeds) for r in rows]
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


def score(scenes: str, seed: int) -> list[tuple[str, float, str | None]]:
    """Return kind, harm and doubt of the entries of a scene."""
    is_real = scenes == "real"
    scene = make_real_scene(seed, showers=0) if is_real else make_scene(seed, **_ZOO)
    if scene is None:
        raise SystemExit("SHOWERMASK_REALDATA: is not set to a folder with the real ramp")
    rng = np.random.default_rng(seed)
    _, ngroups, *frame = scene.data.shape
    image_shape = frame[0], frame[1]
    noise = measure_ramp_noise(scene, 0, image_shape)
    use = np.ones(ngroups, bool)
    use[[0, -1]] = False
    n = int(use.sum())
    places = [("sky", *place) for place in _empty(rng, scene, image_shape)]
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
        box, inside = entry.pixels(image_shape)
        if not inside.any():
            continue
        (model,) = fit_showers(scene, [entry], image_shape, scene.group_time, noise=noise)
        if model is None:
            found.append((kind, 0.0, "no light"))
            continue
        change = np.zeros(image_shape)
        change[model.box] = model.map * slope_of_course(model.course, use)
        rate = float(np.median((scene.data[0, -2] - scene.data[0, 1])[box][inside])) / (ngroups - 3)
        sigma2 = 6 * noise.read / (n * (n**2 - 1)) + 1.2 * max(rate, 0) / noise.gain / (n - 1)
        mask = np.zeros(image_shape, bool)
        mask[box] = inside
        ny, nx = (size // 3 * 3 for size in image_shape)
        blocks = change[:ny, :nx].reshape(ny // 3, 3, nx // 3, 3).sum(axis=(1, 3))
        within = mask[:ny, :nx].reshape(ny // 3, 3, nx // 3, 3).mean(axis=(1, 3)) > 0.5
        harm = float(np.sqrt(np.mean(blocks[within] ** 2))) / (3 * np.sqrt(sigma2))
        found.append((kind, harm, model.doubt()))
    return found


def _empty(rng, scene, image_shape):  # noqa: ANN001, ANN202
    """Return places that are far from all else."""
    found = []
    for _ in range(2000):
        x, y = (rng.uniform(25, size - 25) for size in reversed(image_shape))
        if all(np.hypot(c.x - x, c.y - y) > c.radius + 22 for c in scene.confusers):
            found.append((x, y))
        if len(found) == _EACH:
            break
    return found


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
