"""Taking the light of showers out of ramps: the model, the step, the file of models."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from cube import Cube
from stdatamodels.jwst import datamodels
from stpipe import Step

from showermask import (
    ManualShowerMaskStep,
    Polygon,
    RegionFile,
    Shower,
    ShowermaskError,
    SubtractShowersStep,
    write_regions,
)
from showermask.glow.idle_course import average_idle_course
from showermask.glow.light_curve import LightCurve
from showermask.glow.ramp_noise import RampNoise, measure_ramp_noise
from showermask.glow.removal import fit_showers
from showermask.glow.shape_map import denoised_map, unbiased_map
from showermask.glow.shower_model import ShowerModel, slope_of_course, slope_weights
from showermask.pipeline.showermodels import RemovedShower, ShowerModels
from showermask.pipeline.subtraction_record import SubtractionRecord
from showermask.synthetic.ramps import RampBuilder

ROOT = "jw00001001001_02101_00001_mirimage"
GROUP_TIME = 2.775
GLOW = Shower(integration=0, group=8, x=30.0, y=26.0, a=12.0, b=8.0, theta=20.0, action="subtract")


def ramps(seed=1, ngroups=24, **more):
    """Return the builder of noisy ramps of 56 x 64 pixels."""
    return RampBuilder(ngroups=ngroups, ny=56, nx=64, seed=seed, readnoise=6.0, **more)


def glowing(builder, shower=GLOW, amplitude=60.0):
    """Return a ramp with a glow, the same one without, and its flags."""
    data = builder.add_glow(shower, amplitude=amplitude, decay=20.0).array()
    return data, builder.array(), builder.group_dq()


def slopes(data):
    """Return the slope of each pixel over the middle groups."""
    groups = np.arange(data.shape[1] - 2) - (data.shape[1] - 3) / 2
    return np.tensordot(groups / np.sum(groups**2), data[0, 1:-1], 1)


class TestNoise:
    """The noise of a ramp, told from its scatter."""

    def test_measured(self):
        """Read noise and gain are told from the scatter of a ramp."""
        rng = np.random.default_rng(3)
        ngroups, shape = 30, (60, 80)
        rate = np.where(np.arange(80) < 16, 3000.0, 20.0) * np.ones(shape)
        charge = rng.poisson(rate * 4.0, (ngroups, *shape)) / 4.0
        data = np.cumsum(charge, axis=0) + rng.normal(0, 6, (ngroups, *shape))
        cube = Cube(data[np.newaxis].astype(np.float32), np.zeros((1, ngroups, *shape), np.uint8))
        noise = measure_ramp_noise(cube, 0, shape)
        assert noise.read == pytest.approx(72, rel=0.1)
        assert noise.gain == pytest.approx(4, rel=0.15)

    def test_covariance(self):
        """Neighbouring differences share a read; those with a gap in between do not."""
        noise = RampNoise(read=72.0, gain=4.0)
        matrix = noise.covariance(np.array([0, 1, 3]), 40.0)
        assert np.diag(matrix) == pytest.approx([82, 82, 82])
        assert matrix[0, 1] == pytest.approx(-36)
        assert matrix[1, 2] == 0


class TestMap:
    """The map of a glow, with all of its light."""

    def test_light(self):
        """On average over noise a map has all of its light, and the scatter that it says."""
        y, x = np.mgrid[:60, :60]
        radius = np.hypot((x - 30) / 10, (y - 30) / 6)
        true = 3 * np.exp(-(radius**2) / 2)
        window = np.clip(3 - radius, 0, 1)
        variance = np.full(true.shape, 4.0)
        rng = np.random.default_rng(5)
        lights, centres, told = [], [], []
        for _ in range(20):
            noisy = true + rng.normal(0, 2, true.shape)
            found = unbiased_map(noisy, variance, window, planes=4, rng=rng)
            lights.append(found.image.sum() / true.sum())
            centres.append(found.image[30, 30])
            told.append(found.variance[30, 30])
            assert found.image.min() >= 0
        assert np.mean(lights) == pytest.approx(1, abs=0.08)
        assert 0.4 < np.mean(told) / np.var(centres) < 2.5

    def test_same_as_denoised(self):
        """It is the map of `denoised_map` but for its scale."""
        rng = np.random.default_rng(6)
        noisy = 5 * np.exp(-np.hypot(*np.mgrid[-20:20, -20:20]) / 6) + rng.normal(0, 1, (40, 40))
        arguments = noisy, np.ones((40, 40)), np.ones((40, 40))
        plain = denoised_map(*arguments, planes=3)
        scaled = unbiased_map(*arguments, planes=3, rng=rng).image
        ratio = scaled[plain > 0.1] / plain[plain > 0.1]
        assert ratio == pytest.approx(np.full(ratio.shape, ratio[0]), rel=1e-4)


class TestIdleCourse:
    """The course of a glow that began before the ramp."""

    @staticmethod
    def curve(decay, noise=0.5, level=10.0):
        """Return the light curve of a glow from the first difference on."""
        times = np.arange(30)
        rng = np.random.default_rng(8)
        values = level + 40 * np.exp(-times / decay) + rng.normal(0, noise, 30)
        return LightCurve(values=values, errors=np.full(30, noise), correlation=0.0, pixels=100.0)

    def test_fast(self):
        """A glow that is gone within the ramp is known."""
        found = average_idle_course(self.curve(4.0), 0, longest=30)
        assert found.light[:10] == pytest.approx(40 * np.exp(-np.arange(10) / 4), abs=1.5)
        assert found.error < 0.15

    def test_slow(self):
        """One that hardly fades could be a source: less is taken away."""
        found = average_idle_course(self.curve(60.0, noise=3.0), 0, longest=60)
        assert found.error > 0.1
        assert found.certainty == pytest.approx(1 / (1 + found.error**2))

    def test_known_level(self):
        """Other integrations tell the source below it."""
        curve = self.curve(40.0, noise=3.0)
        told = average_idle_course(curve, 0, longest=60, level=(10.0, 0.01))
        assert told.error < average_idle_course(curve, 0, longest=60).error

    def test_none(self):
        """A light curve that rises is no glow of one that fades."""
        curve = replace(self.curve(4.0), values=np.arange(30.0) * 5)
        found = average_idle_course(curve, 0, longest=30)
        assert found is None or not found.light.max() > 1


class TestFit:
    """The model that is fitted to a ramp."""

    def test_taken_out(self):
        """Most of the light is gone from the rate, and nothing before the onset was touched."""
        data, twin, flags = glowing(ramps())
        (model,) = fit_showers(Cube(data, flags), [GLOW], data.shape[-2:], GROUP_TIME)
        assert model.doubt() is None
        assert abs(model.onset - 7) <= 1
        cleaned = data.copy()
        model.take_out(cleaned[0])
        assert np.array_equal(cleaned[0, : model.onset + 1], data[0, : model.onset + 1])
        box, inside = GLOW.pixels(data.shape[-2:])
        before = (slopes(data) - slopes(twin))[box][inside]
        after = (slopes(cleaned) - slopes(twin))[box][inside]
        assert abs(after.sum()) < 0.1 * before.sum()
        assert np.abs(after).sum() < 0.3 * np.abs(before).sum()

    def test_bounds(self):
        """The map is nowhere negative, and nothing outside of 1.9 times the ellipse."""
        data, _, flags = glowing(ramps())
        (model,) = fit_showers(Cube(data, flags), [GLOW], data.shape[-2:], GROUP_TIME)
        assert model.map.min() >= 0
        assert model.course.min() >= 0
        assert not model.map[GLOW.radius(*model.box) > 1.9].any()

    def test_put_back(self):
        """What was taken out can be put back, but for rounding."""
        data, _, flags = glowing(ramps())
        (model,) = fit_showers(Cube(data, flags), [GLOW], data.shape[-2:], GROUP_TIME)
        ramp = data[0].copy()
        model.take_out(ramp)
        model.put_back(ramp)
        assert ramp == pytest.approx(data[0], rel=3e-7)

    def test_overlap(self):
        """Two glows that overlap share the light between them."""
        other = replace(GLOW, x=40.0, y=30.0, group=15)
        builder = ramps(ngroups=30).add_glow(other, amplitude=50.0, decay=15.0)
        data, flags = glowing(builder)[0], builder.group_dq()
        entries = [GLOW, other]
        found = fit_showers(Cube(data, flags), entries, data.shape[-2:], GROUP_TIME)
        alone = [
            fit_showers(Cube(glowing(ramps(ngroups=30))[0], flags), [GLOW], data.shape[-2:], 2.775),
        ]
        assert found[0].removed == pytest.approx(alone[0][0].removed, rel=0.15)
        assert abs(found[1].onset - 14) <= 1

    def test_nothing_there(self):
        """On empty sky next to nothing is taken out, and the rule refuses it."""
        builder = ramps(seed=11)
        data, flags = builder.array(), builder.group_dq()
        for group in (0, 8):
            entry = replace(GLOW, group=group)
            (model,) = fit_showers(Cube(data, flags), [entry], data.shape[-2:], GROUP_TIME)
            assert model is None or model.doubt() is not None

    def test_source(self):
        """A source below the ellipse stays."""
        builder = ramps(seed=12)
        data, flags = builder.array(), builder.group_dq()
        y, x = np.mgrid[:56, :64]
        star = 400 * np.exp(-((x - 30) ** 2 + (y - 26) ** 2) / 8)
        data = data + (np.arange(24)[:, np.newaxis, np.newaxis] * star).astype(np.float32)
        (model,) = fit_showers(Cube(data, flags), [GLOW], data.shape[-2:], GROUP_TIME)
        if model is not None and model.doubt() is None:
            assert model.removed < 0.004 * star.sum() * 16

    def test_idle(self):
        """A glow from the first group on is fitted by a mean over models."""
        idle = replace(GLOW, group=0)
        data, twin, flags = glowing(ramps(seed=4), idle)
        (model,) = fit_showers(Cube(data, flags), [idle], data.shape[-2:], GROUP_TIME)
        assert model.is_idle
        assert model.course_error > 0
        cleaned = data.copy()
        model.take_out(cleaned[0])
        box, inside = idle.pixels(data.shape[-2:])
        before = (slopes(data) - slopes(twin))[box][inside].sum()
        after = (slopes(cleaned) - slopes(twin))[box][inside].sum()
        assert abs(after) < 0.5 * before

    def test_other_integrations(self):
        """Other integrations tell the rate below a glow from the first group on."""
        idle = replace(GLOW, group=0, integration=1)
        builder = ramps(seed=5, nints=3)
        data = builder.add_glow(idle, amplitude=60.0, decay=40.0).array()
        flags = builder.group_dq()
        alone = Cube(data[1:2], flags[1:2])
        (one,) = fit_showers(alone, [replace(idle, integration=0)], data.shape[-2:], GROUP_TIME)
        (three,) = fit_showers(Cube(data, flags), [idle], data.shape[-2:], GROUP_TIME)
        assert three.course_error < one.course_error

    def test_polygon(self):
        """A polygon is taken out as an ellipse is."""
        corners = GLOW.outline()[::6]
        polygon = Polygon(integration=0, group=8, vertices=tuple(map(tuple, corners)))
        data, _, flags = glowing(ramps())
        models = fit_showers(Cube(data, flags), [GLOW, polygon][1:], data.shape[-2:], GROUP_TIME)
        (of_ellipse,) = fit_showers(Cube(data, flags), [GLOW], data.shape[-2:], GROUP_TIME)
        assert models[0].removed == pytest.approx(of_ellipse.removed, rel=0.1)

    @pytest.mark.parametrize("ngroups", [4, 6])
    def test_short(self, ngroups):
        """A ramp without a course is not fitted."""
        builder = ramps(ngroups=ngroups)
        cube = Cube(builder.array(), builder.group_dq())
        (model,) = fit_showers(cube, [replace(GLOW, group=2)], (56, 64), GROUP_TIME)
        assert model is None or model.doubt() is not None

    def test_saturated_core(self):
        """Where the middle of an entry is saturated, what is beside it is fitted, or nothing."""
        data, _, flags = glowing(ramps())
        for reach in (0.7, 1.0, 1.3, 1.9):
            box, _ = GLOW.pixels(data.shape[-2:])
            core = (slice(None), slice(None), *box)
            spoiled = flags.copy()
            spoiled[core] |= np.where(GLOW.radius(*box) < reach, 3, 0).astype(np.uint8)
            (model,) = fit_showers(Cube(data, spoiled), [GLOW], data.shape[-2:], GROUP_TIME)
            if model is not None:
                assert np.isfinite([model.snr, model.chi_square, model.motion]).all()
                assert np.isfinite(model.map).all()

    def test_fills_the_frame(self):
        """Where nothing is left beside an entry, drifts could be its light: it is refused."""
        large = replace(GLOW, a=26.0, b=22.0)
        data, _, flags = glowing(ramps(), large)
        (model,) = fit_showers(Cube(data, flags), [large], data.shape[-2:], GROUP_TIME)
        assert "so much of the frame" in model.doubt()

    def test_correlated_noise(self):
        """Noise that neighbours share makes a glow less sure, and no misfit of its light curve."""
        data, _, flags = glowing(ramps(ngroups=30), amplitude=40.0)
        rng = np.random.default_rng(7)
        # Four columns are read at a time, by amplifiers with a noise of their own in common.
        shared = rng.normal(0, 6, (*data.shape[:-1], data.shape[-1] // 4)).repeat(4, axis=-1)
        shape = data.shape[-2:]
        (quiet,) = fit_showers(Cube(data, flags), [GLOW], shape, GROUP_TIME)
        noisy = (data + shared).astype(np.float32)
        (model,) = fit_showers(Cube(noisy, flags), [GLOW], shape, GROUP_TIME)
        assert model.snr < quiet.snr
        assert model.chi_square < 1.8  # 2.6 if its noise were taken for white

    def test_all_flagged(self):
        """Where all is flagged there is nothing to fit."""
        builder = ramps()
        flags = builder.group_dq() | np.uint8(1)
        assert fit_showers(Cube(builder.array(), flags), [GLOW], (56, 64), GROUP_TIME) == [None]


class TestPolygonRadius:
    """How far a place is from the middle of a polygon."""

    def test_edge(self):
        """The radius is 1 on the edge, less inside, more outside, and grows evenly."""
        square = Polygon(integration=0, group=0, vertices=((2, 2), (10, 2), (10, 10), (2, 10)))
        radius = square.radius(slice(0, 20), slice(0, 20))
        assert radius[2, 5] == pytest.approx(1)
        assert radius[6, 6] < 0.2
        size = np.sqrt(64 / np.pi)
        assert radius[6, 15] == pytest.approx(1 + 5 / size)


class TestModel:
    """What a model says, and the file of models."""

    @pytest.fixture
    def model(self):
        """Return a small model."""
        course = np.array([0, 0, 1.0, 0.5, 0.25])
        return ShowerModel(
            integration=0,
            box=(slice(1, 3), slice(2, 5)),
            map=np.arange(6, dtype=np.float32).reshape(2, 3),
            variance=np.full((2, 3), 0.5, np.float32),
            course=course,
            onset=2,
            is_idle=False,
            snr=20.0,
            chi_square=1.0,
            course_error=0.0,
        )

    def test_slope(self, model):
        """Slope and weights are those of a straight line through the used groups."""
        use = np.array([0, 1, 1, 1, 1, 0], bool)
        groups = np.flatnonzero(use)
        expected = np.polyfit(groups, model.light[groups], 1)[0]
        assert slope_of_course(model.course, use) == pytest.approx(expected)
        assert slope_weights(use)[[0, 4]] == pytest.approx([0, 0], abs=1e-12)

    def test_photon_noise(self, model):
        """The constant rate of the same noise has just that noise in a slope."""
        use = np.ones(6, bool)
        rate = model.photon_rate(use, 2.0)[1, 2]
        photons, _ = model.rate_variance(use, gain=4.0)
        # OLS: variance of a constant rate is rate / gain / time of the slope.
        assert photons[1, 2] / 2.0**2 == pytest.approx(rate / 4.0 / (5 * 2.0))

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"snr": 5.0}, "S/N 5.0"),
            ({"snr": 6.2, "is_idle": True}, "began before"),
            ({"chi_square": 50.0}, "does not fade"),
            ({"snr": float("nan")}, "S/N nan"),
            ({"has_surroundings": False}, "so much of the frame"),
        ],
    )
    def test_doubt(self, model, change, word):
        """The rule says why it refuses."""
        assert model.doubt() is None
        assert word in replace(model, **change).doubt()

    def test_file(self, model, tmp_path):
        """The file of models gives back what was written."""
        models = ShowerModels(
            exposure=ROOT,
            region_file="x.yaml",
            region_hash="0123456789abcdef",
            stack_shape=(1, 6),
            gain=4.0,
            showers=(RemovedShower(key="showers[0]", fingerprint="12345678", model=model),),
        )
        path = tmp_path / "x_showermodel.fits"
        models.write(path)
        again = ShowerModels.read(path)
        assert again.hash == models.hash
        assert again.stack_shape == (1, 6)
        (one,) = again.showers
        assert np.array_equal(one.model.map, model.map)
        assert np.array_equal(one.model.course, model.course)
        assert (one.model.box, one.model.onset) == (model.box, model.onset)

    def test_changed_file(self, model, tmp_path):
        """A file that was changed is refused."""
        self.test_file(model, tmp_path)
        path = tmp_path / "x_showermodel.fits"
        with fits.open(path, mode="update") as hdus:
            hdus["MAP", 1].data[0, 0] += 1
        with pytest.raises(ShowermaskError, match="was changed"):
            ShowerModels.read(path)
        path.write_bytes(b"no")
        with pytest.raises(ShowermaskError, match="expected one that subtract_showers"):
            ShowerModels.read(path)


class TestStep:
    """The step on files and models."""

    @pytest.fixture
    def files(self, tmp_path, monkeypatch):
        """Return a folder with a ramp that has a glow, and its region file."""
        monkeypatch.chdir(tmp_path)
        model = ramps().add_glow(GLOW, amplitude=60.0, decay=20.0).model()
        model.meta.filename = f"{ROOT}_jump.fits"
        model.save(f"{ROOT}_jump.fits")
        model.close()
        write_regions(f"{ROOT}_showers.yaml", RegionFile(showers=[GLOW], exposure=ROOT))
        return tmp_path

    def test_saved(self, files):
        """The ramp without the light and the models appear side by side; the input is as it was."""
        before = Path(f"{ROOT}_jump.fits").read_bytes()
        SubtractShowersStep.call(f"{ROOT}_jump.fits", save_results=True)
        assert Path(f"{ROOT}_jump.fits").read_bytes() == before
        product = f"{ROOT}_jump_showersubtract.fits"
        with fits.open(product) as hdus:
            header = hdus[0].header
            assert (header["S_SHWSUB"], header["SHWSNSHW"]) == ("COMPLETE", 1)
            assert header["SHWS0001"] == f"{GLOW.fingerprint} showers[0]"
            assert "subtracted 1 shower" in " ".join(header["HISTORY"])
            models = ShowerModels.read(Path(f"{ROOT}_showermodel.fits"))
            assert header["SHWSMODL"] == models.hash
            original = fits.getdata(f"{ROOT}_jump.fits", "SCI")
            expected = original.copy()
            models.showers[0].model.take_out(expected[0])
            assert np.array_equal(hdus["SCI"].data, expected)
            assert np.array_equal(
                hdus["GROUPDQ"].data, fits.getdata(f"{ROOT}_jump.fits", "GROUPDQ")
            )

    def test_restored(self, files):
        """The light comes back to rounding, and the record is gone."""
        SubtractShowersStep.call(f"{ROOT}_jump.fits", save_results=True)
        with SubtractShowersStep.call(f"{ROOT}_jump_showersubtract.fits", restore=True) as model:
            original = fits.getdata(f"{ROOT}_jump.fits", "SCI")
            assert model.data == pytest.approx(original, rel=3e-7)
            assert SubtractionRecord.of_model(model) is None
            assert not np.asarray(model.average_dark_current).max() > 1e-6

    def test_twice(self, files):
        """What has been subtracted is not subtracted again."""
        SubtractShowersStep.call(f"{ROOT}_jump.fits", save_results=True)
        with pytest.raises(ShowermaskError, match="were subtracted already"):
            SubtractShowersStep.call(f"{ROOT}_jump_showersubtract.fits")

    def test_mask_after(self, files):
        """The mask leaves out what was subtracted, and masks it where it was not."""
        subtracted = SubtractShowersStep.call(f"{ROOT}_jump.fits", save_results=True)
        with subtracted, ManualShowerMaskStep.call(subtracted) as masked:
            assert np.array_equal(masked.groupdq, subtracted.groupdq)
        with ManualShowerMaskStep.call(f"{ROOT}_jump.fits") as masked:
            assert masked.groupdq[0, 10, 26, 30] & 5 == 5

    def test_refused_is_masked(self, files):
        """What the rule refuses is left to the mask."""
        faint = replace(GLOW, x=50.0, y=12.0, a=5.0, b=5.0)
        regions = RegionFile(showers=[GLOW, faint], exposure=ROOT)
        write_regions(f"{ROOT}_showers.yaml", regions)
        with SubtractShowersStep.call(f"{ROOT}_jump.fits") as subtracted:
            assert SubtractionRecord.of_model(subtracted).refused == 1
            with ManualShowerMaskStep.call(subtracted) as masked:
                assert masked.groupdq[0, 10, 12, 50] & 5 == 5
                assert not masked.groupdq[0, 10, 26, 30] & 5

    def test_no_action(self, files):
        """Entries that are to be masked are not subtracted."""
        plain = replace(GLOW, action="mask")
        write_regions(f"{ROOT}_showers.yaml", RegionFile(showers=[plain], exposure=ROOT))
        with SubtractShowersStep.call(f"{ROOT}_jump.fits") as model:
            assert np.array_equal(model.data, fits.getdata(f"{ROOT}_jump.fits", "SCI"))
            assert model.meta.cal_step.subtract_showers == "SKIPPED"

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            (lambda m: setattr(m.meta.target, "type", "MOVING"), "target moves"),
            (lambda m: setattr(m.meta.visit, "tsovisit", True), "time series"),
        ],
    )
    def test_changing_light(self, files, change, word):
        """Moving targets and time series are refused, unless forced."""
        with datamodels.open(f"{ROOT}_jump.fits") as model:
            change(model)
            with pytest.raises(ShowermaskError, match=word):
                SubtractShowersStep.call(model)
            with SubtractShowersStep.call(model, force=True) as forced:
                assert SubtractionRecord.of_model(forced) is not None

    def test_rate(self, files):
        """In a rate nothing tells a shower from a source."""
        rate = datamodels.ImageModel(np.zeros((56, 64), np.float32))
        rate.meta.filename = f"{ROOT}_rate.fits"
        with pytest.raises(ShowermaskError, match="nothing tells a shower from a source"):
            SubtractShowersStep.call(rate)

    def test_restore_without(self, files):
        """What was not subtracted can't be put back."""
        with pytest.raises(ShowermaskError, match="no shower was subtracted"):
            SubtractShowersStep.call(f"{ROOT}_jump.fits", restore=True)

    def test_references(self, files):
        """Gain and read noise are taken from reference files where they are given."""
        for name, kind, value in (("g.fits", "GainModel", 4.0), ("r.fits", "ReadnoiseModel", 8.5)):
            getattr(datamodels, kind)(np.full((56, 64), value, np.float32)).save(name)
        SubtractShowersStep.call(
            f"{ROOT}_jump.fits",
            override_gain="g.fits",
            override_readnoise="r.fits",
            save_results=True,
        )
        assert ShowerModels.read(Path(f"{ROOT}_showermodel.fits")).gain == 4.0
        with pytest.raises(ShowermaskError, match="expected a GAIN reference file"):
            SubtractShowersStep.call(f"{ROOT}_jump.fits", override_gain="none.fits")

    def test_strun_name(self):
        """Stpipe knows the step by its alias."""
        from stpipe import entry_points

        names = {step.class_alias for step in entry_points.get_steps()}
        assert "subtract_showers" in names
        assert issubclass(SubtractShowersStep, Step)


class TestRateints:
    """The excess of an integration over the others."""

    @pytest.fixture
    def rateints(self, tmp_path, monkeypatch):
        """Return the path of rateints with a glow in the second of three integrations."""
        monkeypatch.chdir(tmp_path)
        rng = np.random.default_rng(21)
        y, x = np.mgrid[:56, :64]
        star = 30 * np.exp(-((x - 20) ** 2 + (y - 30) ** 2) / 8)
        light = 0.4 * np.exp(-(GLOW.radius(slice(0, 56), slice(0, 64)) ** 2) * 1.5)
        data = 10 + star + rng.normal(0, 0.05, (3, 56, 64))
        self.twin = data.copy()
        data[1] += light
        model = datamodels.CubeModel(data.astype(np.float32))
        model.err = np.full(data.shape, 0.05, np.float32)
        model.var_poisson = np.full(data.shape, 0.001, np.float32)
        model.var_rnoise = np.full(data.shape, 0.0015, np.float32)
        model.dq = np.zeros(data.shape, np.uint32)
        model.meta.filename = f"{ROOT}_rateints.fits"
        model.meta.exposure.nints = 3
        model.meta.exposure.ngroups = 20
        model.save(f"{ROOT}_rateints.fits")
        entry = replace(GLOW, integration=1)
        faint = replace(GLOW, integration=2)
        write_regions(f"{ROOT}_showers.yaml", RegionFile(showers=[entry, faint], exposure=ROOT))
        return f"{ROOT}_rateints.fits"

    def test_taken_out(self, rateints):
        """The glow goes, the star stays, the variance grows; where nothing is, nothing changes."""
        with SubtractShowersStep.call(rateints, save_results=True) as model:
            box, inside = GLOW.pixels((56, 64))
            before = fits.getdata(rateints, "SCI")[1][box][inside] - self.twin[1][box][inside]
            after = model.data[1][box][inside] - self.twin[1][box][inside]
            assert np.abs(after).sum() < 0.3 * np.abs(before).sum()
            assert np.array_equal(model.data[[0, 2]], fits.getdata(rateints, "SCI")[[0, 2]])
            assert (model.err[1][box][inside] > 0.05).all()
            assert SubtractionRecord.of_model(model).refused == 1
        product = f"{ROOT}_rateints_showersubtract.fits"
        with SubtractShowersStep.call(product, restore=True) as again:
            assert again.data == pytest.approx(fits.getdata(rateints, "SCI"), rel=3e-7)
            assert again.err == pytest.approx(fits.getdata(rateints, "ERR"), rel=1e-4)
