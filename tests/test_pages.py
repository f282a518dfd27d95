"""Every line of every page does what it says, in order, on synthetic data of the names it uses.

Those that set an environment up are run by the gate: the README's, and all of the Start page.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import numpy as np
import pytest
from jwst.pipeline import Detector1Pipeline
from pages import PAGES, ROOT, blocks, shell_lines
from stdatamodels.jwst import datamodels

from showermask import BadPixels, RegionFile, Shower, write_regions
from showermask.synthetic.crds_cache import Detector, build_cache, cache_environment, use_cache
from showermask.synthetic.detectors import SyntheticDetector
from showermask.synthetic.programme import build_programme
from showermask.synthetic.ramps import RampBuilder
from showermask.synthetic.sky_references import point

pytestmark = pytest.mark.slow

SHAPE = (96, 104)
FULL_FRAME = (1024, 1032)
SHOWER = Shower(integration=0, group=4, x=40.0, y=50.0, a=12.0, b=9.0, theta=20.0)
OTHER = Shower(integration=0, group=6, x=75.0, y=30.0, a=8.0, b=6.0, theta=0.0)
EXPOSURES = ("x", "jw01517179001_02201_00001_mirimage", "jw00001001001_02101_00001_mirimage")
#: What a page makes itself.
MADE = {
    "README": ["m51_showers.yaml", "x_showers.yaml"],
    "other-files": ["m51_showers.yaml", "x_showers.yaml"],
}
ELSEWHERE = ("start", "CONTRIBUTING")
RUN_PAGES = [page for page in PAGES if page.stem not in ELSEWHERE and shell_lines(page)]


def write_exposures(folder):
    """Write raw ramps and ramps of the names that pages use."""
    builder = RampBuilder(
        ngroups=16, ny=SHAPE[0], nx=SHAPE[1], readnoise=4.0, pedestal=1000.0, seed=5
    )
    builder = builder.add_glow(SHOWER, amplitude=40.0, decay=12.0)
    for product, make in (("uncal", builder.raw_model), ("jump", builder.model)):
        model = make(subarray="FULL")
        point(model, 10.0, 20.0)
        for root in EXPOSURES:
            model.save(str(folder / f"{root}_{product}.fits"))


def write_programmes(folder):
    """Write a programme, raw and as ramps, and the folders of its visits."""
    data = folder / "data"
    programme = build_programme(data, image_shape=SHAPE, filters=["F770W"])
    for root, showers in programme.showers.items():
        regions = RegionFile(exposure=root, showers=showers)
        write_regions(folder / f"regions/{root}_showers.yaml", regions)
    steps = {"jump": {"save_results": True}, "ramp_fit": {"skip": True}}
    with use_cache(folder.parent / "crds"):
        for raw in sorted(data.glob("*_uncal.fits")):
            Detector1Pipeline.call(str(raw), steps=steps, output_dir=str(data), configure_log=False)
    for name, exposures in (
        ("other_programme", "00001"),
        ("visit1", "00002"),
        ("visit2", "0000[34]"),
    ):
        (folder / name).mkdir()
        for ramp in data.glob(f"*_{exposures}_mirimage_jump.fits"):
            shutil.copy(ramp, folder / name)
    (folder / "slews.txt").write_text("x y until\n10:20 30 2026-01-01T00:00:30\n")


def write_detector(folder):
    """Write darks and flats, and what is known of the detector's pixels."""
    detector = SyntheticDetector(image_shape=FULL_FRAME, ngroups=12, flat_groups=6, seed=3)
    for name, make in (("darks", detector.dark), ("flats", detector.flat)):
        (folder / name).mkdir()
        for number in range(1, 5):
            root = f"jw01517001001_0210{number}_00001_mirimage"
            make(number).save(str(folder / name / f"{root}_jump.fits"))
    write_regions(
        folder / "mirimage_badpixels.yaml",
        RegionFile(detector="MIRIMAGE", readpatt="FASTR1", pixels=[BadPixels(x=10, y=20)]),
    )
    mask = datamodels.MaskModel(dq=np.zeros(FULL_FRAME, np.uint32))
    mask.meta.telescope, mask.meta.instrument.name = "JWST", "MIRI"
    mask.meta.instrument.detector = "MIRIMAGE"
    mask.meta.subarray.xstart = mask.meta.subarray.ystart = 1
    mask.meta.subarray.ysize, mask.meta.subarray.xsize = FULL_FRAME
    mask.save(str(folder / "jwst_miri_mask_0036.fits"))


def write_region_files(folder):
    """Write region files of two reviewers, and DS9's."""
    for name, showers in {
        "m51": [SHOWER],
        "both_began_with": [SHOWER],
        "a": [SHOWER, OTHER],
        "b": [SHOWER],
    }.items():
        end = "" if name == "both_began_with" else "_showers"
        write_regions(folder / f"{name}{end}.yaml", RegionFile(showers=showers))
    (folder / "m51.reg").write_text("image\nellipse(41,51,12,9,20)\n")
    for path in ("x_showers.yaml", "regions/x_showers.yaml"):
        write_regions(folder / path, RegionFile(exposure="x", showers=[SHOWER]))
    (folder / "config").symlink_to(ROOT / "config")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return a folder with all files that pages name, and a CRDS cache beside it."""
    folder = tmp_path_factory.mktemp("pages") / "world"
    (folder / "regions").mkdir(parents=True)
    build_cache(
        folder.parent / "crds", Detector(ny=SHAPE[0], nx=SHAPE[1], subarray="FULL"), has_sky=True
    )
    write_exposures(folder)
    write_programmes(folder)
    write_detector(folder)
    write_region_files(folder)
    return folder


def wait_for_answer(address):
    """Wait until a server answers, be it with a refusal."""
    deadline = time.monotonic() + 120
    while True:
        try:
            urlopen(address).close()
        except HTTPError:
            return
        except URLError:
            assert time.monotonic() < deadline, address
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def run(world, tmp_path):
    """Return a function that runs a line in a copy of the world; what is written there is new."""
    work = tmp_path / "work"
    shutil.copytree(world, work, symlinks=True, copy_function=os.link)
    environment = {
        **os.environ,
        **cache_environment(world.parent / "crds"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "BROWSER": "true",
        "OPENBLAS_NUM_THREADS": "1",
    }

    def run_line(*line):
        process = subprocess.Popen(
            line,
            cwd=work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if " review " in line[-1]:
            wait_for_answer(process.stdout.readline().split()[-1])
            process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, f"{line[-1]}\n{output}"
        return output

    return run_line


@pytest.mark.parametrize("page", RUN_PAGES, ids=lambda page: page.stem)
def test_lines(page, run):
    """Each line ends well, after those before it."""
    run("rm", "-f", *MADE.get(page.stem, []))
    for line in shell_lines(page):
        if not line.startswith("python3 -m venv"):
            run("bash", "-c", f"exec {line}" if " review " in line else line)


def test_python(run):
    """What Python does in the pipeline, too."""
    found = blocks(ROOT / "docs" / "pipeline.md", "python")
    assert len(found) == 2
    for script in found:
        run(sys.executable, "-c", script)


def test_all_pages_are_run():
    """Somewhere."""
    names = {page.stem for page in RUN_PAGES}
    assert {"README", "pipeline", "programme", "bad-pixels", "other-pipelines"} <= names


def test_names(run):
    """The table of names: each line makes these files."""
    page = (ROOT / "docs" / "pipeline.md").read_text()
    rows = re.findall(r"^\| `(strun [^`]+)` \| (.*) \|$", page, re.MULTILINE)
    assert len(rows) == 7
    for line, made in rows:
        products = re.findall(r"`([^`]+)`", made.partition(", as from")[0])
        run("rm", "-f", *products)
        run("bash", "-c", line)
        run("ls", *products)
