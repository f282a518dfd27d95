"""Make the picture that is shown where somebody links to the project.

Run: showermask demo && python docs/social.py showermask-demo docs/_static/social.png
"""

import sys
from pathlib import Path

import matplotlib as mpl
from astropy.io import fits

mpl.use("Agg")

from matplotlib import pyplot as plt

GROUND, INK, GREEN = "#1b1e22", "#f2f2f2", "#37d67a"
STAGES = {"unmasked": "the rate, with two showers", "subtracted": "and without them"}


def main(demo: str, picture: str) -> None:
    """Draw two rates of the demo side by side, 1280 x 640 pixels."""
    figure = plt.figure(figsize=(12.8, 6.4), dpi=100, facecolor=GROUND)
    figure.text(0.05, 0.86, "showermask", color=INK, size=46, weight="bold")
    figure.text(
        0.05, 0.78, "reviewed masks for cosmic-ray showers in JWST/MIRI data", color=GREEN, size=21
    )
    for number, (stage, title) in enumerate(STAGES.items()):
        (path,) = Path(demo, stage).glob("*_rate.fits")
        panel = figure.add_axes((0.05 + 0.47 * number, 0.06, 0.43, 0.61))
        image = fits.getdata(path, "SCI")[20:120]
        panel.imshow(image, origin="lower", cmap="inferno", vmin=8.5, vmax=14, aspect="auto")
        panel.set_title(title, color=INK, size=15, loc="left")
        panel.set_axis_off()
    figure.savefig(picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
