"""The step inside the real, unmodified pipelines, offline over a synthetic CRDS cache."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from jwst.pipeline import Detector1Pipeline
from jwst.ramp_fitting import RampFitStep
from stdatamodels.jwst import datamodels
from stpipe import Step

from showermask import Detector1ShowersPipeline, ManualShowerMaskStep, Shower
from showermask.regionfile.lookup import REGIONS_VARIABLE
from showermask.synthetic.crds_cache import cache_environment

ROOT = "jw00001001001_02101_00001_mirimage"
CONFIG = Path(__file__).parents[1] / "config"
STRUN = Path(sys.executable).with_name("strun")

IDLE = Shower(integration=0, group=0, x=9, y=9, a=5, b=4, theta=0)
LATE = Shower(integration=1, group=5, x=28, y=20, a=6, b=4, theta=30)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Run in an empty folder, with no region file in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(REGIONS_VARIABLE, raising=False)


def write_uncal(builder, folder):
    """Write a raw ramp of two integrations with two showers, and return its path."""
    raw = replace(builder, nints=2, pedestal=1000.0, readnoise=3.0)
    for shower in (IDLE, LATE):
        raw = raw.add_glow(shower, amplitude=40.0, decay=20.0)
    path = folder / f"{ROOT}_uncal.fits"
    raw.raw_model().save(str(path))
    return path


@pytest.fixture
def uncal(builder, tmp_path, crds_cache):
    """Return the path of a raw ramp of two integrations with two showers."""
    return write_uncal(builder, tmp_path)


@pytest.fixture(scope="module")
def stock_directory(tmp_path_factory):
    """Return the folder for the products of the stock pipeline, empty at first."""
    return tmp_path_factory.mktemp("stock")


@pytest.fixture
def stock_products(stock_directory, builder, crds_cache):
    """Return the folder with jump, rate and rateints of the stock pipeline, made once."""
    if not any(stock_directory.iterdir()):
        Detector1Pipeline.call(
            str(write_uncal(builder, stock_directory)),
            steps={"jump": {"save_results": True}},
            save_results=True,
            output_dir=str(stock_directory),
        )
    return stock_directory


@pytest.fixture
def regions(write):
    """Return the path of the region file for the raw ramp, in a folder of its own."""
    Path("regions").mkdir()
    name = Path("regions") / f"{ROOT}_showers.yaml"
    return write(IDLE, LATE, name=name, exposure=ROOT, shape=(2, 10, 32, 40), subarray="SUB128")


@pytest.fixture
def strun(crds_directory):
    """Return a function that runs strun as a user does, in a process of its own."""

    def run(*arguments, **variables):
        environment = {**os.environ, **cache_environment(crds_directory), **variables}
        done = subprocess.run(
            [STRUN, *map(str, arguments)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    return run


def inside(shower, shape=(32, 40)):
    """Return the mask of a shower on the frame."""
    mask = np.zeros(shape, bool)
    box = shower.ellipse.box(shape)
    mask[box] = shower.ellipse.inside(*box)
    return mask


def assert_masked(rate, rateints):
    """Check that the two showers, and only they, are masked, each in its own integration."""
    flagged = (rateints.dq & 4) > 0
    np.testing.assert_array_equal(flagged[0], inside(IDLE))
    np.testing.assert_array_equal(flagged[1], inside(LATE))
    np.testing.assert_array_equal(np.isnan(rateints.data[0]), inside(IDLE))
    np.testing.assert_array_equal((rateints.dq[0] & 1) > 0, inside(IDLE))
    assert not np.any(np.isnan(rate.data))
    for shower in (IDLE, LATE):
        assert np.mean(rate.data[inside(shower)]) == pytest.approx(10.0, rel=0.03)


def assert_files_masked(folder="."):
    """Check the rate and rateints on disk."""
    paths = (Path(folder) / f"{ROOT}_{kind}.fits" for kind in ("rate", "rateints"))
    rate, rateints = (datamodels.open(path) for path in paths)
    assert_masked(rate, rateints)
    for model in (rate, rateints):
        model.close()


class TestStockPipeline:
    """The stock calwebb_detector1 with the step as a hook."""

    @pytest.mark.slow
    def test_from_the_shell_with_look_up(self, strun, uncal, regions):
        """The class by name, the region file from the environment."""
        log = strun(
            "calwebb_detector1",
            uncal.name,
            "--steps.jump.post_hooks=showermask.ManualShowerMaskStep,",
            **{REGIONS_VARIABLE: "regions/"},
        )
        assert_files_masked()
        assert f"{ROOT}: masked 2 showers of regions/{ROOT}_showers.yaml" in log
        with datamodels.open(f"{ROOT}_rate.fits") as rate:
            trace = rate.cal_logs.instance["calwebb_detector1"]
        assert any(f"masked 2 showers of regions/{ROOT}_showers.yaml" in line for line in trace)

    @pytest.mark.parametrize("kind", ["instance", "class", "name"])
    def test_from_python(self, uncal, regions, monkeypatch, kind):
        """An instance with parameters, the class, or its dotted name."""
        if kind == "instance":
            hook = ManualShowerMaskStep(region_file=str(regions))
        else:
            monkeypatch.setenv(REGIONS_VARIABLE, "regions")
            hook = ManualShowerMaskStep if kind == "class" else "showermask.ManualShowerMaskStep"
        Detector1Pipeline.call(
            str(uncal), steps={"jump": {"post_hooks": [hook]}}, save_results=True
        )
        assert_files_masked()

    @pytest.mark.slow
    def test_without_a_region_file(self, uncal):
        """With nothing to apply the rate is that of the pipeline without the hook."""
        plain = Detector1Pipeline.call(str(uncal))
        hooked = Detector1Pipeline.call(
            str(uncal), steps={"jump": {"post_hooks": [ManualShowerMaskStep]}}
        )
        for name in ("data", "dq", "err", "var_poisson", "var_rnoise"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(hooked, name))


class TestDropInPipeline:
    """calwebb_detector1_showers."""

    @pytest.mark.slow
    def test_from_the_shell(self, strun, uncal, regions):
        """The step is a step of the pipeline, with parameters of its own."""
        strun(
            "calwebb_detector1_showers",
            uncal.name,
            f"--steps.manual_shower_mask.region_file={regions}",
        )
        assert_files_masked()

    @pytest.mark.slow
    def test_from_the_shell_with_a_parameter_file(self, strun, uncal, regions):
        """The parameter file in config/ works as it is."""
        strun(
            CONFIG / "calwebb_detector1_showers.asdf", uncal.name, **{REGIONS_VARIABLE: "regions"}
        )
        assert_files_masked()

    def test_from_python(self, uncal, regions):
        """The steps= override knows the step."""
        rate = Detector1ShowersPipeline.call(
            str(uncal),
            steps={"manual_shower_mask": {"region_file": str(regions)}},
            save_results=True,
        )
        assert_files_masked()
        assert rate.meta.cal_step.manual_shower_mask == "COMPLETE"

    @pytest.mark.slow
    def test_the_rest_is_the_stock_pipeline(self, uncal):
        """Without a region file every array of both products is that of the stock pipeline."""
        for pipeline, folder in ((Detector1Pipeline, "a"), (Detector1ShowersPipeline, "b")):
            pipeline.call(str(uncal), save_results=True, output_dir=folder)
        for kind in ("rate", "rateints"):
            with (
                fits.open(f"a/{ROOT}_{kind}.fits") as stock,
                fits.open(f"b/{ROOT}_{kind}.fits") as ours,
            ):
                assert [hdu.name for hdu in stock] == [hdu.name for hdu in ours]
                for hdu in stock[1:-1]:
                    np.testing.assert_array_equal(hdu.data, ours[hdu.name].data)

    def test_provenance_on_the_products(self, uncal, regions):
        """Rate and rateints say which region file was applied, though ramp_fit makes them anew."""
        Detector1ShowersPipeline.call(
            str(uncal),
            steps={
                "manual_shower_mask": {"region_file": str(regions), "save_results": True},
                "jump": {"save_results": True},
            },
            save_results=True,
        )
        for kind in ("rate", "rateints", "showermask"):
            header = fits.getheader(f"{ROOT}_{kind}.fits")
            assert header["S_SHWMSK"] == "COMPLETE"
            assert header["SHWMFILE"] == regions.name
            assert header["SHWMNSHW"] == 2
            assert header["SHWMNPIX"] == sum(np.count_nonzero(inside(s)) for s in (IDLE, LATE))
            assert sum("masked 2 showers" in line for line in header["HISTORY"]) == 1
        assert "S_SHWMSK" not in fits.getheader(f"{ROOT}_jump.fits")
        assert not np.any(fits.getdata(f"{ROOT}_jump.fits", "GROUPDQ")[0, 0] & 4)

    def test_step_list_is_that_of_the_installed_pipeline(self):
        """Every stock step is there, in the stock order, plus ours."""
        assert list(Detector1ShowersPipeline.step_defs) == [
            *Detector1Pipeline.step_defs,
            "subtract_showers",
            "manual_shower_mask",
        ]

    def test_parameters_in_crds_are_those_of_the_stock_classes(self):
        """CRDS has pars-detector1pipeline and pars-jumpstep; ours must not ask for other names."""
        assert Detector1ShowersPipeline.get_config_reftype() == "pars-detector1pipeline"
        jump = Detector1ShowersPipeline.step_defs["jump"]
        assert jump.get_config_reftype() == "pars-jumpstep"

    def test_showers_are_masked_also_when_jump_is_skipped(self, uncal, regions):
        """Skipping the jump step does not skip the mask."""
        Detector1ShowersPipeline.call(
            str(uncal),
            steps={
                "jump": {"skip": True},
                "manual_shower_mask": {"region_file": str(regions)},
            },
            save_results=True,
        )
        assert_files_masked()

    @pytest.mark.slow
    def test_a_pipeline_that_is_run_twice_forgets(self, uncal, regions):
        """Products of a second exposure do not carry the record of the first."""
        pipeline = Detector1ShowersPipeline()
        pipeline.manual_shower_mask.region_file = str(regions)
        first = pipeline.run(str(uncal))
        pipeline.manual_shower_mask.skip = True
        second = pipeline.run(str(uncal))
        assert first.meta.cal_step.manual_shower_mask == "COMPLETE"
        assert second.meta.cal_step.manual_shower_mask == "SKIPPED"
        assert not np.any(np.isnan(second.data))

    @pytest.mark.slow
    def test_likely_leaves_nothing_unflagged(self, uncal, write):
        """LIKELY leaves NaN of two groups after a jump without DO_NOT_USE; ours flags them."""
        only = Shower(integration=0, group=0, last_group=2, x=20, y=15, a=9, b=5, theta=30)
        jump = replace(only, group=3, last_group=3, flags=("JUMP_DET",))
        regions = str(write(only, jump, replace(only, group=5, last_group=None)))
        steps = {"ramp_fit": {"algorithm": "LIKELY"}, "jump": {"skip": True}}
        stock = Detector1Pipeline.call(
            str(uncal),
            steps={
                **steps,
                "jump": {
                    "skip": True,
                    "post_hooks": [ManualShowerMaskStep(region_file=regions)],
                },
            },
            save_results=True,
            output_dir="stock",
        )
        rate = Detector1ShowersPipeline.call(
            str(uncal),
            steps={**steps, "manual_shower_mask": {"region_file": regions}},
            save_results=True,
        )
        with (
            datamodels.open(f"stock/{ROOT}_rateints.fits") as before,
            datamodels.open(f"{ROOT}_rateints.fits") as after,
        ):
            mask = inside(only)
            assert np.all(np.isnan(before.data[0][mask]))
            assert not np.any(before.dq[0][mask] & 1)
            assert np.all(after.dq[0][mask] & 1)
            np.testing.assert_array_equal(before.dq[1], after.dq[1])
        np.testing.assert_array_equal(stock.data, rate.data)


class TestStandalone:
    """strun manual_shower_mask, and stock steps on what it writes."""

    @pytest.fixture
    def products(self, stock_products):
        """Copy what the stock pipeline saved: jump, rate and rateints."""
        for product in stock_products.iterdir():
            shutil.copy(product, ".")

    @pytest.mark.parametrize("kind", ["jump", "rateints", "rate"])
    def test_by_alias(self, strun, products, regions, kind):
        """The alias runs the step on each product; the log says what was masked where."""
        log = strun("manual_shower_mask", f"{ROOT}_{kind}.fits", f"--region_file={regions}")
        plane = "groupdq" if kind == "jump" else "dq"
        assert f"in {plane}" in log
        with datamodels.open(f"{ROOT}_{kind}_showermask.fits") as product:
            flagged = getattr(product, plane) & 5 == 5
        if kind == "jump":
            np.testing.assert_array_equal(flagged[0].all(axis=0), inside(IDLE))
            np.testing.assert_array_equal(flagged[1, 5:].all(axis=0), inside(LATE))
        elif kind == "rateints":
            np.testing.assert_array_equal(flagged, [inside(IDLE), inside(LATE)])
        else:
            np.testing.assert_array_equal(flagged, inside(IDLE) | inside(LATE))

    def test_with_the_parameter_file(self, strun, products, regions):
        """The parameter file in config/ works as it is, with the region file by look-up."""
        strun(
            CONFIG / "manual_shower_mask.asdf", f"{ROOT}_jump.fits", **{REGIONS_VARIABLE: "regions"}
        )
        assert fits.getval(f"{ROOT}_jump_showermask.fits", "S_SHWMSK") == "COMPLETE"

    @pytest.mark.slow
    def test_from_jump_to_rate(self, strun, products, regions):
        """The third parameter file goes from a jump file to rates with standard names."""
        strun(
            CONFIG / "jump_to_rate.asdf",
            f"{ROOT}_jump.fits",
            "--output_dir=masked",
            **{REGIONS_VARIABLE: "regions"},
        )
        assert_files_masked("masked")

    @pytest.mark.slow
    def test_from_a_masked_ramp_to_rate(self, strun, products, regions):
        """The rate of a ramp that was masked before carries that ramp's record."""
        strun("manual_shower_mask", f"{ROOT}_jump.fits", f"--region_file={regions}")
        strun(CONFIG / "jump_to_rate.asdf", f"{ROOT}_jump_showermask.fits", "--output_dir=masked")
        assert fits.getval(f"masked/{ROOT}_rate.fits", "S_SHWMSK") == "COMPLETE"
        assert fits.getval(f"masked/{ROOT}_rate.fits", "SHWMFILE") == regions.name

    def test_stock_ramp_fit_on_the_product(self, strun, products, regions):
        """With the input's own suffix in another folder, stock names come out."""
        Step.from_cmdline(
            [
                "manual_shower_mask",
                f"{ROOT}_jump.fits",
                f"--region_file={regions}",
                "--output_dir=masked",
                "--suffix=jump",
            ]
        )
        Step.from_cmdline(["ramp_fit", f"masked/{ROOT}_jump.fits", "--output_dir=masked"])
        names = sorted(path.name for path in Path("masked").iterdir())
        assert names == [
            f"{ROOT}_0_rampfitstep.fits",
            f"{ROOT}_1_rampfitstep.fits",
            f"{ROOT}_jump.fits",
        ]
        assert_masked(*RampFitStep.call(f"masked/{ROOT}_jump.fits"))

    @pytest.mark.parametrize("way", ["output_file", "output_dir"])
    def test_stock_image2_on_the_product(self, products, regions, way):
        """Both ways of the README lead to the standard name."""
        source = f"{ROOT}_rate_showermask.fits"
        extra = [f"--output_file={ROOT}"]
        mask = ["manual_shower_mask", f"{ROOT}_rate.fits", f"--region_file={regions}"]
        if way == "output_dir":
            mask += ["--output_dir=masked", "--suffix=rate"]
            source, extra = f"masked/{ROOT}_rate.fits", []
        Step.from_cmdline(mask)
        skipped = ("assign_wcs", "flat_field", "photom", "resample", "bkg_subtract")
        Step.from_cmdline(
            ["calwebb_image2", source, *extra, *(f"--steps.{name}.skip=true" for name in skipped)]
        )
        with datamodels.open(f"{ROOT}_cal.fits") as cal:
            assert np.all(cal.dq[inside(IDLE)] & 5 == 5)

    def test_the_drop_in_pipeline_knows_our_suffix(self, products, regions):
        """What our own step wrote has its standard name back after our pipeline."""
        pipeline = Detector1ShowersPipeline()
        assert pipeline.remove_suffix(f"{ROOT}_jump_showermask") == (ROOT, "_")


class TestRealRamp:
    """The whole pipeline on real MIRI data."""

    @pytest.mark.slow
    def test_masks_only_where_asked(self, real_ramp, write):
        """On 5 integrations of real detector noise the mask changes the masked pixels alone."""
        root = real_ramp.name.removesuffix("_uncal.fits")
        early = Shower(integration=2, group=0, x=50, y=40, a=5, b=6, theta=30)
        late = Shower(integration=0, group=12, x=30.5, y=20, a=10, b=6, theta=30)
        path = write(early, late, exposure=root, shape=(5, 50, 64, 72), subarray="SUB64")
        before = real_ramp.read_bytes()
        Detector1Pipeline.call(str(real_ramp), save_results=True, output_dir="stock")
        Detector1ShowersPipeline.call(
            str(real_ramp),
            steps={"manual_shower_mask": {"region_file": str(path)}},
            save_results=True,
            output_dir="ours",
        )
        assert real_ramp.read_bytes() == before
        with (
            datamodels.open(f"stock/{root}_rateints.fits") as stock,
            datamodels.open(f"ours/{root}_rateints.fits") as ours,
        ):
            masks = np.zeros(stock.data.shape, bool)
            masks[2], masks[0] = inside(early, (64, 72)), inside(late, (64, 72))
            np.testing.assert_array_equal(stock.data[~masks], ours.data[~masks])
            np.testing.assert_array_equal(stock.dq[~masks], ours.dq[~masks])
            assert np.all(ours.dq[masks] & 4)
            assert np.all(np.isnan(ours.data[2][masks[2]]))
            assert np.all(ours.dq[2][masks[2]] & 1)
            good = masks[0] & (stock.dq[0] & 1 == 0)
            assert np.isfinite(ours.data[0][good]).mean() > 0.95
        assert fits.getval(f"ours/{root}_rate.fits", "SHWMNSHW") == 2


@pytest.mark.slow
def test_a_hook_that_is_to_be_skipped(uncal, regions):
    """An instance with skip=True leaves the rate as it is without it."""
    hook = ManualShowerMaskStep(region_file=str(regions), skip=True)
    plain = Detector1Pipeline.call(str(uncal))
    hooked = Detector1Pipeline.call(str(uncal), steps={"jump": {"post_hooks": [hook]}})
    np.testing.assert_array_equal(plain.dq, hooked.dq)
