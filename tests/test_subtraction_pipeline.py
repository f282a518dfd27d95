"""Subtraction inside the real pipelines, offline over a synthetic CRDS cache."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from jwst.pipeline import Detector1Pipeline

from showermask import Detector1ShowersPipeline, RegionFile, Shower, SubtractShowersStep
from showermask.pipeline.showermodels import ShowerModels
from showermask.regionfile.lookup import REGIONS_VARIABLE
from showermask.regionfile.writer import write_regions
from showermask.synthetic.crds_cache import Detector, build_cache, use_cache
from showermask.synthetic.ramps import RampBuilder

ROOT = "jw00001001001_02101_00001_mirimage"
SHAPE = (48, 56)
GLOW = Shower(integration=0, group=9, x=28.0, y=22.0, a=10.0, b=7.0, theta=20.0, action="subtract")
FAINT = replace(GLOW, x=46.0, y=38.0, a=4.0, b=4.0)


@pytest.fixture(scope="module")
def crds(tmp_path_factory):
    """Return a CRDS cache for ramps of 48 x 56 pixels."""
    ny, nx = SHAPE
    return build_cache(tmp_path_factory.mktemp("crds"), Detector(ny=ny, nx=nx, subarray="SUB128"))


@pytest.fixture
def uncal(tmp_path, monkeypatch, crds):
    """Return the path of a raw ramp with a glow, in a folder with its region file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(REGIONS_VARIABLE, raising=False)
    write_uncal(glow=True)
    write_regions(f"{ROOT}_showers.yaml", RegionFile(showers=[GLOW, FAINT], exposure=ROOT))
    with use_cache(crds):
        yield f"{ROOT}_uncal.fits"


def write_uncal(*, glow, name=ROOT):
    """Write a raw ramp."""
    ny, nx = SHAPE
    builder = RampBuilder(ngroups=25, ny=ny, nx=nx, seed=3, readnoise=5.0, pedestal=1000.0)
    if glow:
        builder = builder.add_glow(GLOW, amplitude=40.0, decay=20.0)
    builder.raw_model(subarray="SUB128").save(f"{name}_uncal.fits")


def inside(image):
    """Return the pixels of the glow in an image."""
    box, pixels = GLOW.pixels(SHAPE)
    return image[box][pixels]


def test_drop_in(uncal):
    """The light is gone from the rate, the record is in it, and the variances have grown."""
    Detector1ShowersPipeline.call(uncal, save_results=True)
    rate = fits.open(f"{ROOT}_rate.fits")
    Path("twin").mkdir()
    twin_name = "twin/jw00001001001_02101_00002_mirimage"
    write_uncal(glow=False, name=twin_name)
    Detector1Pipeline.call(f"{twin_name}_uncal.fits", save_results=True, output_dir="twin")
    twin = fits.open(f"{twin_name}_rate.fits")
    Detector1Pipeline.call(uncal, save_results=True, output_dir="twin")
    bare = fits.open(f"twin/{ROOT}_rate.fits")
    with rate, twin, bare:
        spoiled = inside(bare["SCI"].data - twin["SCI"].data)
        left = inside(rate["SCI"].data - twin["SCI"].data)
        assert np.nansum(np.abs(left)) < 0.3 * np.nansum(np.abs(spoiled))
        header = rate[0].header
        models = ShowerModels.read(Path(f"{ROOT}_showermodel.fits"))
        assert (header["S_SHWSUB"], header["SHWSMODL"]) == ("COMPLETE", models.hash)
        assert header["SHWSNREF"] == 1
        assert (header["S_SHWMSK"], header["SHWMNSHW"]) == ("COMPLETE", 1)
        grown = inside(rate["VAR_POISSON"].data) / inside(twin["VAR_POISSON"].data)
        assert np.median(grown) > 1
        error = inside(rate["ERR"].data) ** 2
        total = inside(rate["VAR_POISSON"].data + rate["VAR_RNOISE"].data)
        known = np.isfinite(error) & (error > 0)
        assert error[known] == pytest.approx(total[known], rel=1e-4)
        rates = fits.getdata(f"{ROOT}_rateints.fits", "VAR_POISSON")
        both = np.isfinite(rates[0]) & np.isfinite(rate["VAR_POISSON"].data)
        assert rates[0][both] == pytest.approx(rate["VAR_POISSON"].data[both], rel=1e-3)


@pytest.mark.slow
def test_nothing_asked_for(uncal):
    """Without an entry that asks for it the pipeline does what it did before."""
    write_regions(f"{ROOT}_showers.yaml", RegionFile(showers=[], exposure=ROOT))
    rate = Detector1ShowersPipeline.call(uncal)
    stock = Detector1Pipeline.call(uncal)
    assert np.array_equal(rate.data, stock.data, equal_nan=True)
    assert np.array_equal(rate.var_poisson, stock.var_poisson, equal_nan=True)
    assert rate.meta.cal_step.subtract_showers == "SKIPPED"


def test_steps_override(uncal):
    """The step takes parameters as any other, and can be skipped."""
    rate = Detector1ShowersPipeline.call(uncal, steps={"subtract_showers": {"skip": True}})
    masked = rate.dq[22, 28] & 4
    assert masked  # JUMP_DET of the mask, to which the entry was left


@pytest.mark.slow
def test_hook(uncal):
    """As a hook of the stock pipeline: no light in the rate, and photons' noise in its variance."""
    hook = {"jump": {"post_hooks": [SubtractShowersStep]}}
    rate = Detector1Pipeline.call(uncal, steps=hook)
    stock = Detector1Pipeline.call(uncal)
    spoiled, left = np.nansum(inside(stock.data)), np.nansum(inside(rate.data))
    assert left < spoiled
    ours = Detector1ShowersPipeline.call(uncal)
    known = np.isfinite(inside(ours.data)) & np.isfinite(inside(rate.data))
    photons = inside(rate.var_poisson)[known]
    assert np.median(photons) > 0
    # The drop-in adds that of the model besides.
    assert np.median(inside(ours.var_poisson)[known] / photons) >= 0.99
