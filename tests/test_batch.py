"""Batches: what goes with what, what is made, what is left alone, and the record of it."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from distributed import LocalCluster
from jwst.ramp_fitting import RampFitStep
from stdatamodels.jwst import datamodels

from showermask import Detector1ShowersPipeline, ManualShowerMaskStep, Shower
from showermask.cli import main
from showermask.commands.batch.exposure_job import ExposureJob
from showermask.commands.batch.matching import match_exposures
from showermask.commands.batch.parameters import StepParameters
from showermask.commands.batch.plan import Request
from showermask.commands.batch.run import preview, run_batch
from showermask.commands.batch.targets import PREFERENCE
from showermask.commands.batch.workspace import Workspace, open_workspace
from showermask.exceptions import OutputError, RegionFileError, ShowermaskError
from showermask.files import sha256_of
from showermask.pipeline.manifest import FileState, Record, read_manifest, write_manifest
from showermask.regionfile.content import RegionFile
from showermask.regionfile.writer import write_regions
from showermask.synthetic.crds_cache import Detector, build_cache, use_cache
from showermask.synthetic.ramps import RampBuilder
from showermask.workers.cluster import count_workers

ROOTS = [f"jw00001001001_02101_0000{n}_mirimage" for n in range(3)]
EARLY = Shower(integration=0, group=0, x=9, y=9, a=5, b=4, theta=0)
LATE = Shower(integration=1, group=5, x=28, y=20, a=6, b=4, theta=30)


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Run where there are folders for data and region files."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("regions").mkdir()


@pytest.fixture(scope="module")
def scheduler():
    """Return the address of a scheduler with one worker, all in this process."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


class Lines:
    """A listener that keeps what it is told."""

    def __init__(self):
        self.lines, self.rows, self.total = [], [], None

    def say(self, line):
        """Keep a line."""
        self.lines.append(line)

    def start(self, total):
        """Keep the number of exposures."""
        self.total = total

    def advance(self, row):
        """Keep a row."""
        self.rows.append(row)

    def stop(self):
        """Nothing is left to be done."""


@pytest.fixture
def batch(scheduler):
    """Return a function that runs a batch in this process and returns summary and listener."""

    def run(**changes):
        request = Request(
            **{
                "regions": Path("regions"),
                "data": (Path("data"),),
                "output": Path("out"),
                "scheduler": scheduler,
                **changes,
            }
        )
        listener = Lines()
        return run_batch(request, listener), listener

    return run


@pytest.fixture
def noisy(builder):
    """Return ramps of two integrations with noise."""
    return replace(builder, nints=2, readnoise=3.0, pedestal=1000.0)


def save(model, path):
    """Save a model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(str(path))
    model.close()


def reviewed(root, *showers, folder="regions", **rest):
    """Write a region file for an exposure."""
    path = Path(folder) / f"{root}_showers.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_regions(path, RegionFile(showers=showers, exposure=root, **rest))
    return path


@pytest.fixture
def jumps(noisy):
    """Make three jump files and their region files."""
    for seed, root in enumerate(ROOTS):
        save(replace(noisy, seed=seed).model(), Path("data") / f"{root}_jump.fits")
        reviewed(root, EARLY, LATE)


def assert_same_planes(one, other):
    """Check that two files have the same arrays."""
    with fits.open(one) as ours, fits.open(other) as theirs:
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in theirs]
        for hdu in ours[1:]:
            if hdu.name != "ASDF":
                np.testing.assert_array_equal(hdu.data, theirs[hdu.name].data)


def files(folder):
    """Return the names of all files and folders below a folder, logs aside."""
    return sorted(
        str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.suffix != ".log"
    )


def touch(*names):
    """Make empty files in the data folder."""
    for name in names:
        path = Path("data") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def found(**changes):
    """Return what is matched."""
    given = {"output": Path("out"), "suffixes": PREFERENCE["rate"], **changes}
    return match_exposures(Path("regions"), [Path("data")], **given)


class TestMatching:
    """Region files and exposures, by name."""

    def test_best_product_of_each_exposure(self):
        """Below any folder; to a mask from the jump file, to a rate from what is nearest to it."""
        touch("a/x_uncal.fits", "b/x_jump.fits", "b/x_rate.fits", "c/y_uncal.fits", "y_rate.fits")
        reviewed("x", EARLY)
        reviewed("y", EARLY)
        kinds = {m.exposure: m.suffix for m in found().found}
        assert kinds == {"x": "jump", "y": "uncal"}
        assert {m.exposure: m.suffix for m in found(suffixes=PREFERENCE["masked"]).found} == {
            "x": "jump",
            "y": "rate",
        }
        asked = found(suffixes=("uncal",))
        assert [m.input.name for m in asked.found] == ["x_uncal.fits", "y_uncal.fits"]
        asked = found(suffixes=("jump",))
        assert asked.without_stage == {"y": ["_uncal", "_rate"]}

    def test_mixed_trees(self):
        """Segments, detectors and programmes are exposures of their own."""
        roots = [
            "jw01366003001_04101_00001-seg001_mirimage",
            "jw01366003001_04101_00001-seg002_mirimage",
            "jw01409001001_02101_00001_mirifushort",
            "jw01409001001_02101_00001_mirifulong",
            "my-own_ramp",
        ]
        touch(*(f"{root[:7]}/{root}_rateints.fits" for root in roots[:4]), "my-own_jump.fits")
        for root in roots[:4]:
            reviewed(root, EARLY, folder=f"regions/{root[:7]}")
        reviewed("my-own", EARLY)
        assert [m.exposure for m in found().found] == [*sorted(roots[:4]), "my-own"]

    def test_exposure_in_the_file_goes_before_its_name(self):
        """A region file may have any name if it says what it is for."""
        touch("x_jump.fits", "y_jump.fits")
        write_regions(Path("regions/any.yaml"), RegionFile(showers=(EARLY,), exposure="x"))
        write_regions(Path("regions/y_showers.asdf"), RegionFile(showers=(EARLY,)))
        assert [(m.exposure, m.region_file.name) for m in found().found] == [
            ("x", "any.yaml"),
            ("y", "y_showers.asdf"),
        ]

    def test_everything_that_is_not_as_it_should_be_is_named(self):
        """Orphans of both kinds, candidates, duplicates, broken and foreign files."""
        touch("x_jump.fits", "alone_jump.fits", "a/twice_jump.fits", "b/twice_jump.fits")
        Path("data/b/twice_jump.fits").write_text("something else")
        touch("same_jump.fits")
        Path("data/c").mkdir()
        Path("data/c/same_jump.fits").write_bytes(Path("data/same_jump.fits").read_bytes())
        for root in ("x", "twice", "same", "orphan"):
            reviewed(root, EARLY)
        reviewed("x", EARLY, replace(LATE, status="candidate"))
        reviewed("same", EARLY, folder="regions/copy")
        reviewed("two", EARLY)
        reviewed("two", LATE, folder="regions/other")
        touch("two_jump.fits", "broken_jump.fits", "typo_jump.fits")
        Path("regions/broken_showers.yaml").write_text("showers: 5")
        Path("regions/typo.yaml").write_text("exposure: typo\nshowers:\n- {x: 1}\n")
        Path("regions/pipeline.yaml").write_text("steps: []")
        matches = found()
        assert [m.exposure for m in matches.found] == ["same", "x"]
        assert sorted(matches.failed) == ["broken", "twice", "two", "typo"]
        assert "showers is 5, expected a list" in matches.failed["broken"]
        assert "has several files that differ" in matches.failed["twice"]
        assert "has several region files that differ" in matches.failed["two"]
        text = "\n".join(matches.describe())
        for expected in (
            "region files without data (1):\n  regions/orphan_showers.yaml",
            "exposures without a region file, left out (1):\n  alone",
            "candidates, which are not applied (1):\n  regions/x_showers.yaml (1)",
            "data/same_jump.fits, data/c/same_jump.fits are alike; the first is taken",
            "regions/copy/same_showers.yaml",
            "not region files, left out (1):\n  regions/pipeline.yaml",
        ):
            assert expected in text

    def test_drafts_are_named(self):
        """What a review has not saved is not applied, and said."""
        touch("x_jump.fits")
        reviewed("x", EARLY)
        for name in (".x_showers.draft.yaml", ".y_showers.draft.yaml"):
            (Path("regions") / name).write_text("showers: []\n")
        text = "\n".join(found().describe())
        assert "unsaved drafts of reviews, not applied (2):\n  regions/.x_showers.draft" in text

    def test_outputs_are_not_data(self):
        """Neither the output of this batch nor that of another one is looked into."""
        touch("x_uncal.fits", "out/x_jump.fits", "old/x_jump.fits", ".hidden/x_jump.fits")
        touch("x_jump_showermask.fits")
        write_manifest(Path("data/old"), {})
        reviewed("x", EARLY)
        (match,) = found(output=Path("data/out")).found
        assert match.input == Path("data/x_uncal.fits")

    def test_links_and_overlapping_folders_are_no_duplicates(self):
        """A file that is found twice is one."""
        touch("a/x_jump.fits")
        Path("data/x_jump.fits").symlink_to(Path("data/a/x_jump.fits").resolve())
        reviewed("x", EARLY)
        matches = match_exposures(
            Path("regions"),
            [Path("data"), Path("data/a")],
            output=Path("out"),
            suffixes=PREFERENCE["rate"],
        )
        assert not matches.duplicates
        assert len(matches.found) == 1

    def test_files_that_can_not_be_read(self):
        """Links that lead nowhere or in circles, and pipes, fail their exposures only."""
        touch("x_jump.fits")
        Path("data/y_jump.fits").symlink_to("nowhere.fits")
        Path("data/z_jump.fits").symlink_to("z_jump.fits")
        os.mkfifo("data/pipe_jump.fits")
        Path("data/loop").symlink_to(".")
        for root in ("x", "y", "z", "pipe"):
            reviewed(root, EARLY)
        matches = found()
        assert [m.exposure for m in matches.found] == ["x"]
        assert sorted(matches.failed) == ["pipe", "y", "z"]
        assert "y_jump.fits: can't be read" in matches.failed["y"]

    def test_names_that_can_not_be_written_down(self):
        """Fail by themselves, with what to do."""
        touch("x_jump.fits")
        (Path("data") / os.fsdecode(b"caf\xe9_jump.fits")).touch()
        reviewed("x", EARLY)
        matches = found()
        assert [m.exposure for m in matches.found] == ["x"]
        assert "rename it" in matches.failed["data/caf\\udce9_jump.fits"]

    def test_links_to_products_of_the_batch_are_no_data(self):
        """Nothing is made from itself."""
        Path("out").mkdir()
        Path("out/x_jump.fits").touch()
        Path("data/x_jump.fits").symlink_to(Path("out/x_jump.fits").resolve())
        reviewed("x", EARLY)
        assert not found().found

    def test_folders_that_are_links(self):
        """Are looked into, as is the output of another batch that is given as data."""
        Path("elsewhere").mkdir()
        Path("elsewhere/x_jump.fits").touch()
        Path("data/there").symlink_to(Path("elsewhere").resolve())
        write_manifest(Path("data"), {})
        reviewed("x", EARLY)
        assert [m.exposure for m in found().found] == ["x"]

    def test_plain_names_go_before_copies(self):
        """Of two that are alike, the one with the standard name is taken."""
        for name in ("", "_backup"):
            Path(f"data/{ROOTS[0]}{name}_jump.fits").touch()
        reviewed(ROOTS[0], EARLY)
        assert found().found[0].input.name == f"{ROOTS[0]}_jump.fits"

    @pytest.mark.parametrize(
        ("regions", "data", "output", "error", "message"),
        [
            ("none", "data", "out", RegionFileError, "none: does not exist"),
            ("regions", "none", "out", OutputError, "none: does not exist"),
            ("regions", "data", "out", RegionFileError, "found no region file"),
            ("regions", "data", "data", OutputError, "is where the data are"),
        ],
    )
    def test_nothing_to_match(self, regions, data, output, error, message):
        """What was given can't be meant."""
        with pytest.raises(error, match=message):
            match_exposures(Path(regions), [Path(data)], output=Path(output), suffixes=("rate",))


class TestRoutes:
    """The products are those made by hand."""

    def test_subtracted_ramps(self, batch):
        """A shower that asks for it is taken out, and its model is among the products."""
        glow = Shower(integration=0, group=8, x=30, y=26, a=12, b=8, theta=20, action="subtract")
        root = ROOTS[0]
        builder = RampBuilder(ngroups=24, ny=56, nx=64, seed=1, readnoise=6.0)
        model = builder.add_glow(glow, amplitude=60.0, decay=20.0).model()
        save(model, Path("data") / f"{root}_jump.fits")
        reviewed(root, glow, replace(glow, action="mask", x=52, y=12, a=4, b=4))
        summary, _ = batch()
        assert not summary.failed
        with fits.open(Path("out") / f"{root}_jump.fits") as hdus:
            header = hdus[0].header
            assert (header["SHWSNSHW"], header["SHWMNSHW"]) == (1, 1)
            assert not (hdus["GROUPDQ"].data[0, 10, 26, 30] & 4)
            assert hdus["GROUPDQ"].data[0, 10, 12, 52] & 5 == 5
            raw = fits.getdata(Path("data") / f"{root}_jump.fits", "SCI")
            assert (raw - hdus["SCI"].data)[0, -1, 26, 30] > 100
        assert (Path("out") / f"{root}_showermodel.fits").exists()
        again, _ = batch()
        assert again.current == 1

    def test_masked_ramps(self, batch, jumps):
        """The same product under its own name, as the step leaves it."""
        summary, listener = batch()
        assert (summary.done, summary.is_good) == (3, True)
        assert listener.total == 3
        assert files("out") == [*(f"{root}_jump.fits" for root in ROOTS), "logs", "manifest.ecsv"]
        for root in ROOTS:
            step = ManualShowerMaskStep(region_file=f"regions/{root}_showers.yaml")
            step.save_results = True
            step.run(f"data/{root}_jump.fits")
            assert_same_planes(f"out/{root}_jump.fits", step.saved_path)
            assert fits.getheader(f"out/{root}_jump.fits")["S_SHWMSK"] == "COMPLETE"

    def test_rates_from_jump_files(self, batch, jumps, crds_cache):
        """Rate and rateints are those of the stock ramp_fit on the masked ramp."""
        summary, _ = batch(target="rate")
        assert (summary.done, summary.is_good) == (3, True)
        root = ROOTS[1]
        masked = ManualShowerMaskStep(region_file=f"regions/{root}_showers.yaml").run(
            f"data/{root}_jump.fits"
        )
        for model, kind in zip(RampFitStep.call(masked), ("rate", "rateints"), strict=True):
            with datamodels.open(f"out/{root}_{kind}.fits") as ours:
                for name in ("data", "dq", "err", "var_poisson", "var_rnoise"):
                    np.testing.assert_array_equal(getattr(ours, name), getattr(model, name))
                assert ours.meta.cal_step.manual_shower_mask == "COMPLETE"

    def test_ramps_that_have_not_been_through_jump(self, batch, noisy, crds_cache):
        """A ramp without jump goes through it; one that has it behind does not go again."""
        for root, status in zip(ROOTS, (None, "COMPLETE"), strict=False):
            model = noisy.model()
            model.meta.cal_step.jump = status
            model.data[0, 4:, 25, 30] += 5000
            save(model, Path("data") / f"{root}_ramp.fits")
            reviewed(root, EARLY)
        assert batch(target="rate")[0].done == 2
        flagged = [fits.getdata(f"out/{root}_rateints.fits", "DQ")[0, 25, 30] for root in ROOTS[:2]]
        assert (flagged[0] & 4, flagged[1] & 4) == (4, 0)

    @pytest.mark.slow
    def test_parameters_of_the_steps(self, batch, jumps, crds_cache):
        """As from strun; lists are made by commas, a parameter file may be the stock pipeline's."""
        Path("stock.asdf").write_text(
            "#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n"
            "--- !core/asdf-1.1.0\nclass: jwst.pipeline.Detector1Pipeline\n"
            "name: calwebb_detector1\nparameters: {}\nsteps:\n"
            "- class: jwst.step.RampFitStep\n  name: ramp_fit\n"
            "  parameters: {algorithm: LIKELY}\n...\n"
        )
        step_parameters = StepParameters(
            steps={"manual_shower_mask": {"flags": "DO_NOT_USE,"}},
            parameter_files=(Path("stock.asdf"),),
        )
        assert batch(target="rate", step_parameters=step_parameters)[0].is_good
        log = Path(f"out/logs/{ROOTS[0]}.log").read_text()
        assert "algorithm: LIKELY" in log
        dq = fits.getdata(f"out/{ROOTS[0]}_rateints.fits", "DQ")
        assert (dq[1, 20, 28] & 4, dq[0, 9, 9] & 1) == (0, 1)
        (row, *_) = read_manifest(Path("out")).values()
        parameters = row.parameters
        assert parameters["steps"] == {"manual_shower_mask": {"flags": "DO_NOT_USE,"}}
        assert parameters["parameter_files"][0]["name"] == "stock.asdf"

    def test_parameter_file_of_the_step(self, batch, jumps):
        """Masking takes the file of the step, or the step's part of a pipeline's."""
        path = Path(__file__).parents[1] / "config" / "manual_shower_mask.asdf"
        Path("mine.asdf").write_text(path.read_text().replace("0.5", "0.001"))
        summary, _ = batch(step_parameters=StepParameters(parameter_files=(Path("mine.asdf"),)))
        assert "expected at most 0.1%" in summary.failed[ROOTS[0]]

    @pytest.mark.parametrize(
        ("target", "step_parameters", "message"),
        [
            ("rate", {"steps": {"jumpp": {"skip": "true"}}}, "Extra value 'jumpp'"),
            ("rate", {"steps": {"jump": {"skip": "perhaps"}}}, 'the value "perhaps"'),
            ("rate", {"steps": {"jump": {"nope": "1"}}}, "nope"),
            ("masked", {"steps": {"jump": {"skip": "true"}}}, "add --to rate"),
            ("rate", {"steps": {"manual_shower_mask": {"skip": "true"}}}, "leave it out"),
            ("rate", {"steps": {"ramp_fit": {"skip": "true"}}}, "leave it out"),
            ("rate", {"steps": {"ramp_fit": {"opt_name": "foo"}}}, "leave it out"),
            ("rate", {"steps": {"jump": {"output_dir": "data"}}}, "leave it out"),
            (
                "masked",
                {"steps": {"manual_shower_mask": {"flags": "JUMPY"}}},
                "JUMPY is not a flag of any plane",
            ),
            ("masked", {"steps": {"manual_shower_mask": {"region_file": "x"}}}, "leave it out"),
            ("masked", {"parameter_files": (Path("none.asdf"),)}, "none.asdf: can't be read"),
        ],
    )
    def test_parameters_that_no_step_has(self, batch, jumps, target, step_parameters, message):
        """One error before anything is begun, not one for each exposure."""
        with pytest.raises(ShowermaskError, match=message):
            batch(target=target, step_parameters=StepParameters(**step_parameters))
        assert not Path("out").exists()

    @pytest.mark.slow
    def test_steps_that_were_done_before_stay_done(self, batch, noisy, crds_cache):
        """The rate of a jump file tells of all steps, as that of the raw ramp does."""
        save(noisy.raw_model(), Path(f"data/{ROOTS[0]}_uncal.fits"))
        reviewed(ROOTS[0], EARLY)
        step_parameters = StepParameters(steps={"jump": {"save_results": "true"}})
        assert batch(target="rate", step_parameters=step_parameters)[0].is_good
        jump = f"{ROOTS[0]}_jump.fits"
        assert batch(data=(Path("out") / jump,), output=Path("two"), target="rate")[0].is_good
        headers = [fits.getheader(f"{folder}/{ROOTS[0]}_rate.fits") for folder in ("out", "two")]
        steps = [{k: v for k, v in h.items() if k.startswith("S_")} for h in headers]
        assert steps[0] == steps[1]
        assert steps[1]["S_LINEAR"] == steps[1]["S_JUMP"] == "COMPLETE"
        assert_same_planes(f"out/{ROOTS[0]}_rate.fits", f"two/{ROOTS[0]}_rate.fits")

    def test_parameter_file_of_the_step_to_rate(self, batch, jumps, crds_cache):
        """The file of the step does for the pipeline too."""
        path = Path(__file__).parents[1] / "config" / "manual_shower_mask.asdf"
        Path("mine.asdf").write_text(path.read_text().replace("0.5", "0.001"))
        step_parameters = StepParameters(parameter_files=(Path("mine.asdf"),))
        assert (
            "expected at most 0.1%"
            in batch(target="rate", step_parameters=step_parameters)[0].failed[ROOTS[0]]
        )

    def test_rates_from_rateints(self, batch, noisy, crds_cache):
        """Masked rateints, and the rate rebuilt from them."""
        rate, rateints = RampFitStep.call(noisy.model())
        save(rate, Path(f"data/{ROOTS[0]}_rate.fits"))
        save(rateints, Path(f"data/{ROOTS[0]}_rateints.fits"))
        reviewed(ROOTS[0], EARLY)
        assert batch(target="rate", suffix="rateints")[0].is_good
        assert files("out")[:2] == [f"{ROOTS[0]}_{kind}.fits" for kind in ("rate", "rateints")]
        before = fits.getdata(f"data/{ROOTS[0]}_rateints.fits")
        after = fits.getdata(f"out/{ROOTS[0]}_rate.fits")
        assert after[9, 9] == pytest.approx(before[1, 9, 9], rel=1e-6)
        assert fits.getdata(f"out/{ROOTS[0]}_rateints.fits", "DQ")[0, 9, 9] & 5 == 5
        header = fits.getheader(f"out/{ROOTS[0]}_rate.fits")
        assert (header["S_SHWMSK"], header["DATAMODL"]) == ("COMPLETE", "ImageModel")
        assert header["FILENAME"] == f"{ROOTS[0]}_rate.fits"

    def test_rates_from_rates(self, batch):
        """Where there is nothing but a rate, the rate is masked."""
        model = datamodels.ImageModel((32, 40))
        save(model, Path("data/x_rate.fits"))
        reviewed("x", EARLY)
        assert batch(target="rate")[0].is_good
        assert fits.getdata("out/x_rate.fits", "DQ")[9, 9] == 5

    def test_mixed_instruments(self, batch, noisy, tmp_path_factory):
        """Subarrays, read patterns and segments of different shapes go together."""
        for root, changes in (
            ("jw00001001001_02101_00001-seg002_mirimage", {"nints": 4, "ngroups": 5}),
            ("jw00002001001_02101_00001_mirifulong", {"ny": 20, "nx": 24, "group_time": 23.89}),
        ):
            save(replace(noisy, **changes).model(), Path(f"data/{root[:7]}/{root}_jump.fits"))
            reviewed(root, EARLY, folder=f"regions/{root[:7]}")
        assert batch()[0].done == 2


class TestRealRamp:
    """A real exposure, by batch and by hand."""

    @pytest.mark.slow
    def test_equal_arrays(self, real_ramp, batch):
        """From the raw ramp through the drop-in pipeline."""
        root = real_ramp.name.removesuffix("_uncal.fits")
        early = Shower(integration=2, group=0, x=50, y=40, a=9, b=6, theta=30)
        path = reviewed(root, early, replace(early, integration=1, group=4, x=20))
        assert batch(data=(real_ramp,), target="rate")[0].is_good
        Detector1ShowersPipeline.call(
            str(real_ramp),
            steps={"manual_shower_mask": {"region_file": str(path)}},
            save_results=True,
            output_dir="hand",
        )
        for kind in ("rate", "rateints"):
            assert_same_planes(f"out/{root}_{kind}.fits", f"hand/{root}_{kind}.fits")


class TestRateFromRateintsFullFrame:
    """At the size of a detector."""

    @pytest.mark.slow
    def test_nothing_masked(self, tmp_path_factory, batch):
        """A region file without accepted showers leaves the rate of ramp_fit, to 1e-4 sigma."""
        builder = RampBuilder(
            nints=3, ngroups=6, ny=1024, nx=1032, readnoise=6.0, pedestal=500.0, seed=3
        )
        model = builder.model(subarray="FULL")
        rng = np.random.default_rng(4)
        model.groupdq |= (4 * (rng.random(model.groupdq.shape) < 0.02)).astype(np.uint8)
        detector = Detector(ny=1024, nx=1032, subarray="FULL")
        with use_cache(build_cache(tmp_path_factory.mktemp("crds-full"), detector)):
            rate, rateints = RampFitStep.call(model)
        save(rateints, Path("data/x_rateints.fits"))
        reviewed("x", replace(EARLY, status="rejected"))
        assert batch(target="rate")[0].is_good
        with datamodels.open("out/x_rate.fits") as ours:
            np.testing.assert_array_equal(ours.dq, rate.dq)
            known = np.isfinite(rate.data)
            np.testing.assert_array_equal(np.isfinite(ours.data), known)
            difference = np.abs(ours.data - rate.data)[known] / rate.err[known]
            assert difference.max() < 1e-4


class TestUpToDate:
    """A second run does what is left to do."""

    def test_nothing_left(self, batch, jumps):
        """What is done is not done again, and not touched."""
        batch()
        before = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.fits")}
        summary, listener = batch()
        assert (summary.done, summary.current, listener.total) == (0, 3, None)
        assert {path: path.stat().st_mtime_ns for path in Path("out").glob("*.fits")} == before
        assert batch(is_forced=True)[0].done == 3

    @pytest.mark.parametrize(
        "change",
        ["input", "regions", "output gone", "output truncated", "output changed", "parameters"],
    )
    def test_what_changed_is_redone(self, batch, jumps, change):
        """Input, region file, parameters, or the product itself."""
        batch()
        product = Path(f"out/{ROOTS[1]}_jump.fits")
        content = product.read_bytes()
        step_parameters, redone = StepParameters(), 1
        match change:
            case "input":
                os.utime(f"data/{ROOTS[1]}_jump.fits", ns=(1, 1))
            case "regions":
                reviewed(ROOTS[1], LATE)
            case "output gone":
                product.unlink()
            case "output truncated":
                product.write_bytes(content[:-2880])
            case "output changed":
                product.write_bytes(content[:9000] + b"x" + content[9001:])
            case "parameters":
                step_parameters = StepParameters(
                    steps={"manual_shower_mask": {"flags": "DO_NOT_USE,"}}
                )
                redone = 3
        summary, _ = batch(step_parameters=step_parameters)
        assert (summary.done, summary.current) == (redone, 3 - redone)
        assert batch(step_parameters=step_parameters)[0].current == 3

    def test_copied_products_are_intact(self, batch, jumps):
        """A product with another time but the same content is as good."""
        batch()
        for path in Path("out").glob("*.fits"):
            os.utime(path, ns=(1, 1))
        assert batch()[0].current == 3

    def test_products_that_are_no_more_made(self, batch, jumps):
        """When an exposure is made from something else, its old product goes."""
        batch()
        Path(f"data/{ROOTS[0]}_jump.fits").unlink()
        save(datamodels.ImageModel((32, 40)), Path(f"data/{ROOTS[0]}_rate.fits"))
        reviewed(ROOTS[0], EARLY)
        summary, listener = batch()
        assert summary.done == 1
        assert f"{ROOTS[0]}: {ROOTS[0]}_jump.fits removed: made no more" in listener.lines
        assert files("out")[0] == f"{ROOTS[0]}_rate.fits"
        assert not Path(f"out/{ROOTS[0]}_jump.fits").exists()

    def test_what_is_left_from_before_is_told(self, batch, jumps):
        """Products whose region file is gone, and those of another version."""
        batch()
        rows = read_manifest(Path("out"))
        old = {root: replace(row, versions={"jwst": "1.0.0"}) for root, row in rows.items()}
        write_manifest(Path("out"), old)
        Path(f"regions/{ROOTS[0]}_showers.yaml").unlink()
        summary, listener = batch()
        assert summary.current == 2
        text = "\n".join(listener.lines)
        assert f"in the output from before, but not in this batch (1):\n  {ROOTS[0]}" in text
        assert "up to date, but made with jwst 1.0.0; --force makes them anew" in text

    def test_something_in_the_way_of_a_product(self, batch, noisy, crds_cache):
        """Both products of an exposure appear, or none."""
        save(noisy.model(), Path(f"data/{ROOTS[0]}_jump.fits"))
        reviewed(ROOTS[0], EARLY)
        Path("out").mkdir()
        write_manifest(Path("out"), {})
        Path(f"out/{ROOTS[0]}_rateints.fits").mkdir()
        summary, _ = batch(target="rate")
        assert f"{ROOTS[0]}_rateints.fits: is a directory" in summary.failed[ROOTS[0]]
        assert not Path(f"out/{ROOTS[0]}_rate.fits").exists()

    def test_products_of_an_exposure_that_fails_stay(self, batch, jumps):
        """What was made before is kept, listed, and said to be older."""
        batch()
        Path(f"regions/{ROOTS[0]}_showers.yaml").write_text("showers: 5")
        summary, _ = batch()
        assert ROOTS[0] in summary.failed
        row = read_manifest(Path("out"))[ROOTS[0]]
        assert (row.status, row.outputs[0].name) == ("failed", f"{ROOTS[0]}_jump.fits")
        assert row.outputs[0].is_intact(Path("out"))

    def test_another_target_wants_another_directory(self, batch, jumps):
        """Rates do not go among masked ramps."""
        batch()
        with pytest.raises(OutputError, match="holds what was made --to masked"):
            batch(target="rate")

    def test_directories_of_others(self, batch, jumps):
        """A directory with files of any other kind is not written to."""
        Path("out").mkdir()
        Path("out/thesis.tex").touch()
        with pytest.raises(OutputError, match=r"holds thesis.tex but no manifest.ecsv"):
            batch()
        assert files("out") == ["thesis.tex"]


class TestFailures:
    """One bad exposure never stops the others."""

    def test_nothing_goes_with_anything(self, batch, jumps):
        """Is an error that says what was looked for."""
        with pytest.raises(OutputError, match=r"nothing to do: .* named <exposure>_ramp.fits"):
            batch(suffix="ramp")
        assert not Path("out").exists()

    def test_named_with_their_reason(self, batch, jumps, capsys):
        """Truncated, not FITS, wrong region file: the rest is done, inputs are as they were."""
        paths = [Path(f"data/{root}_jump.fits") for root in ROOTS]
        paths[0].write_bytes(paths[0].read_bytes()[:50000])
        paths[1].write_text("not FITS")
        save(RampBuilder(ngroups=3, ny=8, nx=8).model(), Path("data/small_jump.fits"))
        reviewed("small", LATE)
        contents = {path: path.read_bytes() for path in Path("data").iterdir()}
        summary, _ = batch()
        assert summary.done == 1
        assert "is cut short: has 50000 bytes" in summary.failed[ROOTS[0]]
        assert "can't be read as FITS" in summary.failed[ROOTS[1]]
        assert "integration" in summary.failed["small"]
        assert {path: path.read_bytes() for path in Path("data").iterdir()} == contents
        assert files("out") == [f"{ROOTS[2]}_jump.fits", "logs", "manifest.ecsv"]
        assert "is cut short" in read_manifest(Path("out"))[ROOTS[0]].error
        last = list(summary.describe())
        assert last[0] == "1 done, 0 up to date, 3 failed"
        assert last[1].startswith(f"{ROOTS[0]}: ")

    def test_from_the_command_line(self, scheduler, jumps, capsys):
        """Exit code 1 when any failed, 0 when all is done; the last lines say which and why."""
        command = ["batch", "regions", "data", "-o", "out", f"--scheduler={scheduler}"]
        assert main([*command, "--steps.manual_shower_mask.max_masked_fraction", "0.001"]) == 1
        out = capsys.readouterr().out
        assert out.splitlines()[-4] == "0 done, 0 up to date, 3 failed"
        assert f"{ROOTS[0]}: {ROOTS[0]}_showers.yaml: the mask covers" in out
        assert main(command) == 0
        assert "3 done, 0 up to date, 0 failed" in capsys.readouterr().out
        assert main([*command, "--dry-run"]) == 0
        assert "0 to do, 3 up to date, 0 would fail" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--steps.jump=3"],
            ["--steps.jump.skip"],
            ["-j", "0"],
            ["--from", "i2d"],
        ],
    )
    def test_wrong_usage(self, arguments, capsys):
        """Exit code 2 and a line of help."""
        with pytest.raises(SystemExit, match="2"):
            main(["batch", "regions", "data", "-o", "out", *arguments])

    def test_steps_are_for_batch(self, capsys):
        """No other command runs steps."""
        with pytest.raises(SystemExit, match="2"):
            main(["check", "a.yaml", "--steps.jump.skip=true"])

    def test_raw_ramps_are_not_masked(self, jumps, capsys):
        """A mask is made after jump, which a raw ramp has before it."""
        assert main(["batch", "regions", "data", "-o", "out", "--from", "uncal"]) == 1
        assert "make the rate (--to rate)" in capsys.readouterr().err

    def test_jobs_that_outlive_their_batch(self, jumps):
        """What a worker finishes after the end of its batch is not published."""
        with open_workspace(Path("out")) as workspace:
            pass
        with pytest.raises(OutputError, match="its batch has ended"), workspace.attempt("x"):
            pass
        with (
            open_workspace(Path("out")),
            pytest.raises(OutputError, match="belongs to another batch"),
            workspace.attempt("x"),
        ):
            pass


class TestPreview:
    """A dry run."""

    def test_plan_and_loss(self, noisy, jumps):
        """Pixels, fraction and time of each exposure, and nothing is written."""
        Path(f"regions/{ROOTS[2]}_showers.yaml").write_text("showers: 5")
        before = files(".")
        listener = Lines()
        request = Request(regions=Path("regions"), data=(Path("data"),), output=Path("out"))
        assert list(preview(request, listener).failed) == [ROOTS[2]]
        lines = listener.lines
        assert lines[-1] == "2 to do, 0 up to date, 1 would fail"
        assert files(".") == before
        (line,) = (line for line in lines if line.startswith(ROOTS[0]))
        early, late = (np.count_nonzero(shower_mask(s)) for s in (EARLY, LATE))
        seconds = noisy.group_time * (early * 10 + late * 5) / (early + late)
        assert line.split()[1:] == [
            "jump",
            "2",
            "0",
            str(np.count_nonzero(shower_mask(EARLY) | shower_mask(LATE))),
            str(early + late),
            f"{max(early, late) / (32 * 40):.3%}",
            f"{seconds:.1f}",
            "s",
        ]
        assert any("would fail" in line and "showers is 5" in line for line in lines)


def shower_mask(shower, shape=(32, 40)):
    """Return the mask of a shower on the frame."""
    mask = np.zeros(shape, bool)
    box = shower.ellipse.box(shape)
    mask[box] = shower.ellipse.inside(*box)
    return mask


class TestManifest:
    """The record."""

    def test_tells_what_products_are_made_from(self, batch, jumps):
        """Of each product its sources, with the hashes that their files have."""
        batch()
        table = Table.read("out/manifest.ecsv")
        made_from = json.loads(table["made_from"][0])
        region_path = Path(table["region_file"][0])
        assert made_from == {
            f"{ROOTS[0]}_jump.fits": sha256_of(Path(table["input"][0])),
            region_path.name: sha256_of(region_path),
        }
        assert table["product_sha256"][0] == sha256_of(Path("out") / table["product"][0])

    def test_of_the_format_before(self, batch, jumps):
        """A row an exposure, its products as JSON: is read, and what it lists is up to date."""
        batch()
        table = Table.read("out/manifest.ecsv", format="ascii.ecsv", fill_values=None)
        table["outputs"] = [
            json.dumps([{"name": p, "size": int(size), "mtime": int(time), "sha256": sha256}])
            for p, size, time, sha256 in table.iterrows(
                "product", "product_size", "product_time", "product_sha256"
            )
        ]
        for name in (*(n for n in table.colnames if n.startswith("product")), "made_from"):
            table.remove_column(name)
        table.meta["format"] = "showermask-manifest-1.0"
        table.write("out/manifest.ecsv", format="ascii.ecsv", overwrite=True)
        summary, _ = batch()
        assert (summary.done, summary.current) == (0, len(ROOTS))

    def test_can_be_read_by_anyone(self, batch, jumps):
        """A table with units, one row for each exposure."""
        batch()
        table = Table.read("out/manifest.ecsv")
        assert list(table["exposure"]) == ROOTS
        assert list(table["product"]) == [f"{root}_jump.fits" for root in ROOTS]
        assert set(table["status"]) == {"done"}
        assert (str(table["input_size"].unit), str(table["seconds"].unit)) == ("byte", "s")
        assert table["showers"][0] == 2
        assert table["input_size"][0] == Path(table["input"][0]).stat().st_size
        versions = json.loads(table["versions"][0])
        assert {"showermask", "jwst", "stdatamodels"} <= set(versions)

    def test_round_trip(self):
        """Whatever is in the strings."""
        row = Record(
            exposure="x",
            input='a "quoted", name\nof two lines — ü',
            input_size=2**40,
            input_time="t",
            region_file="",
            sha256="0123",
            parameters={"to": "rate", "é": ["'", '"']},
            error="#% 'x'",
            fraction=0.125,
            outputs=(
                FileState(name="a", size=1, mtime=2**62, sha256="e3", made_from={"ü": "1f"}),
                FileState(name="b", size=0, mtime=0, sha256=""),
            ),
        )
        write_manifest(Path(), {"x": row})
        assert read_manifest(Path()) == {"x": row}

    @pytest.mark.parametrize(
        ("product", "made_from"),
        [("../a", ""), ("..", ""), ("a/b", "{}"), ("a", "[1]"), ("a", "{}x")],
    )
    def test_rows_that_are_not_ours(self, product, made_from):
        """What could make us remove a file elsewhere is not believed."""
        row = Record(
            exposure="x", input="x", input_size=1, input_time="", region_file="", sha256="",
            parameters={"to": "rate"},
        )  # fmt: skip
        write_manifest(Path(), {"x": row})
        table = Table.read("manifest.ecsv", format="ascii.ecsv", fill_values=None)
        table["product"], table["made_from"] = [product], [made_from]
        table.write("manifest.ecsv", format="ascii.ecsv", overwrite=True)
        with pytest.raises(OutputError, match=r"manifest.ecsv: can't be read as the manifest"):
            read_manifest(Path())

    @pytest.mark.parametrize("content", ["", "%ECSV", "a b\n1 2\n", "# %ECSV 1.0\n# ---\nx"])
    def test_other_files_of_that_name(self, content):
        """Are left alone, with a sentence."""
        Path("manifest.ecsv").write_text(content)
        with pytest.raises(OutputError, match=r"manifest.ecsv: can't be read as the manifest"):
            read_manifest(Path())


def test_workers_for_cores_and_memory(monkeypatch):
    """As many as cores and memory allow, as many as were asked for, never more than jobs."""
    monkeypatch.setattr("showermask.workers.cluster.CPU_COUNT", 16)
    monkeypatch.setattr("showermask.workers.cluster.MEMORY_LIMIT", 16e9)
    row = Record(
        exposure="x",
        input="x",
        input_size=10**8,
        input_time="",
        region_file="",
        sha256="",
        parameters={},
    )
    job = ExposureJob(
        record=row,
        suffix="uncal",
        target="rate",
        step_parameters=StepParameters(),
        workspace=Workspace(output=Path(), run="x"),
    )
    assert count_workers([job] * 100) == 6
    assert count_workers([replace(job, target="masked", suffix="jump")] * 100) == 16
    assert count_workers([job] * 100, 3) == 3
    assert count_workers([job], 3) == 1
    assert count_workers([replace(job, record=replace(row, input_size=10**12))]) == 1


@pytest.mark.slow
def test_a_failed_exposure_is_in_the_batch(noisy, jumps, capsys):
    """Its old products are named as such; it is not called one of before."""
    arguments = ["batch", "regions", "data", "-o", "out", "-j", "1"]
    assert main(arguments) == 0
    Path(f"regions/{ROOTS[1]}_showers.yaml").write_text("showers: 5")
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert f"{ROOTS[1]}: can't be made now; of an earlier run there is {ROOTS[1]}_jump.fits" in out
    assert "not in this batch" not in out


@pytest.mark.slow
def test_logs_do_not_follow_links(jumps):
    """A link in the place of a log fails that exposure and empties nothing."""
    assert main(["batch", "regions", "data", "-o", "out", "-j", "1"]) == 0
    Path("precious").write_text("content")
    log = Path(f"out/logs/{ROOTS[0]}.log")
    log.unlink()
    log.symlink_to(Path("precious").resolve())
    assert main(["batch", "regions", "data", "-o", "out", "-j", "1", "--force"]) == 1
    assert Path("precious").read_text() == "content"


@pytest.mark.slow
def test_names_that_can_not_be_written_down(jumps, capsys):
    """Files that are given by name are told of too, in one line, and the others are done."""
    odd = Path("data/a\nb\x1b[2J_jump.fits")
    shutil.copyfile(f"data/{ROOTS[0]}_jump.fits", odd)
    assert main(["batch", "regions", str(odd), "data", "-o", "out", "-j", "1"]) == 1
    out = capsys.readouterr().out
    assert r"data/a\nb\x1b[2J_jump.fits: has a name that can't be written down" in out
    assert out.replace("\n", "").isprintable()
    assert list(Path("out").glob("jw*_jump.fits"))
