"""A synthetic programme, from raw ramps to mosaics: one command, the stock pipeline, proof."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from jwst.pipeline import Image2Pipeline
from stdatamodels.jwst import datamodels

from showermask import (
    Detector1ShowersPipeline,
    RegionFile,
    Shower,
    read_regions,
    write_regions,
)
from showermask.cli import main
from showermask.commands.batch.packages.differences import find_differences
from showermask.exposure.sky import read_wcs
from showermask.files import sha256_of
from showermask.pipeline.manifest import read_manifest
from showermask.synthetic.crds_cache import (
    Detector,
    build_cache,
    cache_environment,
    use_cache,
)
from showermask.synthetic.programme import build_programme
from showermask.synthetic.ramps import RampBuilder
from showermask.synthetic.sky_references import PHOTMJSR, point

pytestmark = pytest.mark.slow

MOSAICS = ("jw01234_field_mirimage_f1000w", "jw01234_field_mirimage_f770w")


class Site:
    """A programme on disk, with region files, and the batch that makes its mosaics."""

    def __init__(self, folder):
        self.folder = folder
        self.programme = build_programme(folder / "data")
        self.regions = folder / "regions"
        self.regions.mkdir()
        for root, showers in self.programme.showers.items():
            if showers:
                path = self.regions / f"{root}_showers.yaml"
                write_regions(path, RegionFile(exposure=root, showers=showers))

    @property
    def out(self):
        """Output of the batch."""
        return self.folder / "out"

    def batch(self, *more):
        """Run the batch; return its exit code."""
        folders = map(str, (self.regions, self.programme.data))
        options = ("-o", str(self.out), "--to", "i2d", "--compare")
        return main(["batch", *folders, *options, *more])

    def times(self):
        """Return when each product was written."""
        return {
            path.relative_to(self.out): path.stat().st_mtime_ns for path in self.out.rglob("*.fits")
        }


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Return a CRDS cache for the programme."""
    folder = tmp_path_factory.mktemp("sky")
    return build_cache(folder, Detector(ny=96, nx=104, subarray="FULL"), has_sky=True)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, cache):
    """Return the programme with its mosaics."""
    site = Site(tmp_path_factory.mktemp("programme"))
    with use_cache(cache):
        assert site.batch() == 0
    return site


@pytest.fixture
def site(pristine, tmp_path, cache):
    """Return a copy of the programme with its mosaics, whose inputs are those of the first."""
    copy = Site.__new__(Site)
    copy.folder, copy.programme = tmp_path, pristine.programme
    copy.regions = pristine.regions
    shutil.copytree(pristine.out, tmp_path / "out")
    with use_cache(cache):
        yield copy


def robust_sigma(values):
    """Return the scatter of values."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def test_mosaics(pristine):
    """Masked showers are gone, stars keep their flux, an idle shower is filled by the others."""
    programme = pristine.programme
    for name in MOSAICS:
        mosaic = fits.getdata(pristine.out / f"{name}_i2d.fits", "SCI")
        without = fits.getdata(pristine.out / "unmasked" / f"{name}_i2d.fits", "SCI")
        sky = read_wcs(pristine.out / f"{name}_i2d.fits")
        level, sigma = np.nanmedian(mosaic), robust_sigma(mosaic[np.isfinite(mosaic)])
        y, x = np.mgrid[: mosaic.shape[0], : mosaic.shape[1]]
        activity = {"f770w": "02101", "f1000w": "02102"}[name.rpartition("_")[2]]
        roots = [root for root in programme.showers if f"_{activity}_" in root]
        assert len(roots) == 4
        for root in roots:
            exposure = read_wcs(pristine.out / f"{root}_cal.fits")
            for shower in programme.showers[root]:
                at = sky.all_world2pix(*exposure.all_pix2world(shower.x, shower.y, 0), 0)
                inside = np.hypot(x - at[0], y - at[1]) < 8
                assert abs(np.nanmedian(mosaic[inside]) - level) < sigma
                assert np.nanmedian(without[inside]) - level > 3 * sigma
                assert np.isfinite(mosaic[inside]).all()
        first = read_wcs(pristine.out / f"{roots[0]}_cal.fits")
        for star in programme.stars:
            at = sky.all_world2pix(*first.all_pix2world(star.x, star.y, 0), 0)
            light = np.nansum((mosaic - level)[np.hypot(x - at[0], y - at[1]) < 7])
            assert light / PHOTMJSR == pytest.approx(star.flux, rel=0.01)


def test_hashes_through_all_stages(pristine):
    """From the mosaic back to the raw ramp and the region file, in the manifest alone."""
    table = Table.read(pristine.out / "manifest.ecsv", format="ascii.ecsv", fill_values=None)
    rows = {row["product"]: row for row in table}
    for name, row in rows.items():
        assert row["product_sha256"] == sha256_of(pristine.out / name)
    mosaic = json.loads(rows[f"{MOSAICS[1]}_i2d.fits"]["made_from"])
    assert len(mosaic) == 4
    for cal, sha256 in mosaic.items():
        assert sha256 == rows[cal]["product_sha256"]
        ((rate, of_rate),) = json.loads(rows[cal]["made_from"]).items()
        assert of_rate == rows[rate]["product_sha256"]
        sources = json.loads(rows[rate]["made_from"])
        root = cal.removesuffix("_cal.fits")
        assert sources[f"{root}_uncal.fits"] == sha256_of(
            pristine.programme.data / f"{root}_uncal.fits"
        )
        assert (f"{root}_showers.yaml" in sources) == bool(pristine.programme.showers[root])


def test_as_by_hand(pristine, tmp_path, monkeypatch, cache):
    """The stock pipelines, run one by one, give the same pixels."""
    from jwst.pipeline import Image2Pipeline, Image3Pipeline

    from showermask import Detector1ShowersPipeline

    monkeypatch.chdir(tmp_path)
    record = read_manifest(pristine.out)[MOSAICS[1]]
    with use_cache(cache):
        for cal in record.product("i2d").made_from:
            root = cal.removesuffix("_cal.fits")
            Detector1ShowersPipeline.call(
                str(pristine.programme.data / f"{root}_uncal.fits"),
                steps={
                    "manual_shower_mask": {"region_file": str(pristine.regions)},
                    "subtract_showers": {"region_file": str(pristine.regions)},
                },
                save_results=True,
                output_dir=".",
            )
            Image2Pipeline.call(f"{root}_rate.fits", save_results=True)
        shutil.copy(pristine.out / f"{MOSAICS[1]}_asn.json", ".")
        Image3Pipeline.call(f"{MOSAICS[1]}_asn.json", save_results=True)
    for product in (f"{MOSAICS[1]}_i2d.fits", *record.product("i2d").made_from):
        with datamodels.open(product) as theirs, datamodels.open(pristine.out / product) as ours:
            assert np.array_equal(theirs.data, ours.data, equal_nan=True)
            assert np.array_equal(theirs.err, ours.err, equal_nan=True)


def test_one_changed_region_file(site, tmp_path, capsys):
    """Redoes its exposure and its mosaic, and nothing else; then all is up to date."""
    shutil.copytree(site.regions, tmp_path / "regions")
    site.regions = tmp_path / "regions"
    assert site.batch() == 0  # another place of the region files: nothing changed in them
    assert "0 done, 16 up to date, 0 failed" in capsys.readouterr().out
    before = site.times()
    (path,) = site.regions.glob("jw01234001001_02101_00002*")
    (shower,) = read_regions(path).showers
    root = "jw01234001001_02101_00002_mirimage"
    write_regions(path, RegionFile(exposure=root, showers=[replace(shower, x=shower.x + 2)]))
    assert site.batch("--dry-run") == 0
    assert "2 to do, 8 up to date, 0 would fail" in capsys.readouterr().out
    assert site.batch() == 0
    assert "2 done, 14 up to date, 0 failed" in capsys.readouterr().out
    changed = {path.name for path, time in site.times().items() if before.get(path) != time}
    own = {f"{root}_{suffix}.fits" for suffix in ("rate", "rateints", "cal", "i2d")}
    made = {name for name in changed if name.startswith(MOSAICS[1])}
    assert {name for name in changed if not name.endswith("_crf.fits")} == own | made
    assert f"{MOSAICS[1]}_i2d.fits" in made
    assert site.batch() == 0
    assert "0 done, 16 up to date, 0 failed" in capsys.readouterr().out


def test_fewer_data(site, capsys):
    """A mosaic is not replaced by one of fewer exposures, unless that is wanted."""
    data = site.folder / "some"
    data.mkdir()
    for path in site.programme.data.glob("*_02101_0000[123]_*"):
        (data / path.name).symlink_to(path)
    before = site.times()
    arguments = ["batch", str(site.regions), str(data), "-o", str(site.out), "--to", "i2d", "-j1"]
    assert main(arguments) == 1
    out = "".join(capsys.readouterr())
    assert f"{MOSAICS[1]}: was made of 1 more exposures" in out
    after = site.times()
    mosaics = [path for path in before if path.name.startswith("jw01234_field")]
    assert {path: after[path] for path in mosaics} == {path: before[path] for path in mosaics}


def test_an_association(site, tmp_path, capsys):
    """Tells the mosaic; what is no exposure of the batch is taken as the file beside it."""
    cals = sorted(path.name for path in site.out.glob("*_02101_*_cal.fits"))
    shutil.copy(site.out / cals[3], tmp_path)
    for path in site.programme.data.glob("*_02101_0000[123]_*"):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / path.name).symlink_to(path)
    members = [{"expname": name, "exptype": "science"} for name in cals]
    content = {"asn_id": "o001", "products": [{"name": "mine", "members": members}]}
    (tmp_path / "mine_asn.json").write_text(json.dumps(content))
    arguments = ["batch", str(site.regions), str(tmp_path / "data"), "-o", str(tmp_path / "new")]
    arguments += ["--to", "i2d", "--asn", str(tmp_path / "mine_asn.json")]
    assert main([*arguments, "--steps.image3.resample.pixfrac=0.8"]) == 0
    made = tmp_path / "new" / "mine_i2d.fits"
    assert fits.getheader(made)["PIXFRAC"] == 0.8
    assert list(read_manifest(tmp_path / "new")["mine"].product("i2d").made_from) == cals
    assert (tmp_path / "new" / cals[0].replace("_cal", "_o001_crf")).exists()
    assert not list((tmp_path / "new").glob("jw01234_field*"))
    (tmp_path / cals[3]).unlink()
    assert main(arguments) == 1
    assert "is neither an exposure of the batch nor a file beside" in capsys.readouterr().err


def test_given_mosaics(site, tmp_path):
    """A mosaic that was made elsewhere tells the pixels."""
    given = site.out / f"{MOSAICS[1]}_i2d.fits"
    shutil.copy(given, tmp_path / "theirs_i2d.fits")
    data = tmp_path / "data"
    data.mkdir()
    for path in site.programme.data.glob("*_02101_0000[12]_*"):
        (data / path.name).symlink_to(path)
    arguments = ["batch", str(site.regions), str(data), "-o", str(tmp_path / "new"), "--to", "i2d"]
    assert main([*arguments, "--compare", str(tmp_path / "theirs_i2d.fits")]) == 0
    made = fits.getheader(tmp_path / "new" / f"{MOSAICS[1]}_i2d.fits", "SCI")
    theirs = fits.getheader(given, "SCI")
    for key in ("NAXIS1", "NAXIS2", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2"):
        assert made[key] == theirs[key]
    assert not (tmp_path / "new" / "unmasked").exists()
    assert main(["report", str(tmp_path / "new")]) == 0


def test_time_series(tmp_path, monkeypatch, cache):
    """Rateints and calints of imaging time series are those of the stock pipelines by hand."""
    monkeypatch.chdir(tmp_path)
    root = "jw01234002001_03101_00001_mirimage"
    shower = Shower(integration=1, group=3, x=50, y=44, a=12, b=9, theta=20)
    builder = RampBuilder(nints=3, ngroups=8, ny=96, nx=104, readnoise=3.0, pedestal=1000.0)
    model = builder.raw_model(subarray="FULL", readpatt="FASTR1")
    point(model, 10, 20)
    model.meta.instrument.filter = "F770W"
    model.meta.visit.tsovisit = True
    for folder in ("data", "regions"):
        Path(folder).mkdir()
    model.save(f"data/{root}_uncal.fits")
    write_regions(f"regions/{root}_showers.yaml", RegionFile(exposure=root, showers=[shower]))
    with use_cache(cache):
        assert main(["batch", "regions", "data", "-o", "out", "--to", "calints", "-j1"]) == 0
        steps = {"manual_shower_mask": {"region_file": f"regions/{root}_showers.yaml"}}
        Detector1ShowersPipeline.call(f"data/{root}_uncal.fits", steps=steps, save_results=True)
        Image2Pipeline.call(f"{root}_rateints.fits", save_results=True)
    box, inside = shower.pixels((96, 104))
    with datamodels.open(f"out/{root}_calints.fits") as ours:
        assert ours.data.shape == (3, 96, 104)
        with datamodels.open(f"{root}_calints.fits") as theirs:
            for name in ("data", "err", "dq"):
                np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        assert (ours.err[1][box][inside] > np.nanmedian(ours.err[0])).mean() > 0.9
    record = read_manifest(Path("out"))[root]
    assert set(record.product("calints").made_from) == {f"{root}_rateints.fits"}


def test_package(site, tmp_path, capsys):
    """The mosaics and those without masks are made again from a package, and are the same."""
    assert site.batch("--package", str(tmp_path / "paper")) == 0
    data = str(site.programme.data)
    assert main(["batch", "--verify", str(tmp_path / "paper"), data]) == 0
    count = len(list((tmp_path / "paper/products").rglob("jw*")))
    assert f"{count} products made again and the same, 0 problems" in capsys.readouterr().out


#: Products without which the work of a stage is done again.
STAGES = {
    "exposures": "jw*_rate.fits",
    "mosaics": "jw01234_field*_i2d.fits",
    "exposures without masks": "unmasked/jw*_rate.fits",
    "mosaics without masks": "unmasked/jw01234_field*_i2d.fits",
}
#: Times that a run is killed in each stage: one in the gate.
KILLS = int(os.environ.get("SHOWERMASK_KILLS", "1"))


def test_killed_in_each_stage(site, pristine, cache):
    """A plain rerun leaves what an undisturbed run does."""
    moments = random.Random(20261128)
    folders = [str(site.regions), str(site.programme.data)]
    command = [sys.executable, "-m", "showermask", "batch", *folders, "-o", str(site.out)]
    environment = {**os.environ, **cache_environment(cache)}
    for pattern in STAGES.values():
        for _ in range(KILLS):
            for path in site.out.glob(pattern):
                path.unlink()
            process = subprocess.Popen(
                [*command, "--to", "i2d", "--compare"],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            lines = iter(process.stdout.readline, "")
            assert any(" to do, on " in line for line in lines), "the stage has begun"
            time.sleep(moments.uniform(0, 15))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=60)
        assert site.batch() == 0
    names = {path.relative_to(pristine.out) for path in pristine.out.rglob("jw*") if path.is_file()}
    logs = {name for name in names if "logs" in name.parts}
    assert {path.relative_to(site.out) for path in site.out.rglob("jw*") if path.is_file()} == names
    for name in names - logs:
        assert find_differences(pristine.out / name, site.out / name) == []
    assert not [path for path in site.out.rglob(".*") if path.is_dir()]


class TestReport:
    """The report of mosaics."""

    def test_as_data(self, site, capsys):
        """Every shower at its place, with what fills it and what is left of it."""
        assert main(["report", str(site.out), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        entries = [entry for one in found["exposures"] for entry in one["entries"]]
        assert len(entries) == 4
        for entry in entries:
            place = entry["mosaic"]
            assert place["covered_by"] == 4
            assert abs(place["residual"]) < 1
            assert place["change"] > 2
            assert place["empty"] == 0
        idle = [e["mosaic"]["filled_by"] for e in entries if e["groups"].startswith("groups 0")]
        assert idle == [3, 3]
        assert [one["empty_pixels"] for one in found["mosaics"]] == [0, 0]
        assert all(len(one["most_changed"]) == 2 for one in found["mosaics"])

    def test_page(self, site):
        """Pictures of each shower in the mosaic, to be blinked."""
        assert main(["report", str(site.out)]) == 0
        page = (site.out / "report.html").read_text()
        assert page.count('class="blink"') == 4 + 2
        assert "filled by 3 of 4 exposures, 0 of 427 pixels empty" in page
        pictures = {path.name.partition("-")[2] for path in (site.out / "report_files").iterdir()}
        assert {"mosaic-difference.png", "mosaic-weight.png"} <= pictures
