"""The evidence image and the light curve: what they show of a glow, and what they leave out."""

from dataclasses import replace

import numpy as np
import pytest
from stdatamodels.jwst import datamodels

from showermask import BadPixels, Polygon, Shower, evidence
from showermask.exceptions import EntryError
from showermask.exposure.models import ModelImages
from showermask.glow.evidence import Evidence
from showermask.glow.light_curve import Aperture, LightCurve, fit_glow
from showermask.glow.matched_filter import make_template
from showermask.synthetic.ramps import RampBuilder

ENTRY = Shower(integration=0, group=9, x=70.0, y=60.0, a=16.0, b=10.0, theta=30.0)
SHAPE = (128, 136)


@pytest.fixture
def sky():
    """Return ramps with photon and read noise."""
    return RampBuilder(ngroups=30, ny=128, nx=136, readnoise=6.0, pedestal=100.0, seed=1)


@pytest.fixture
def glow(sky):
    """Return a ramp with a faint glow."""
    return sky.add_glow(ENTRY, amplitude=3.0, decay=15.0)


def regions_of(entry=ENTRY):
    """Return the pixels of an entry, and those around it, in images."""
    aperture = Aperture.of_entry(entry, SHAPE)
    inside, ring = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    inside[aperture.box], ring[aperture.box] = aperture.inside, aperture.ring
    return inside, ring


def contrast(image, entry=ENTRY):
    """Return mean inside less mean of the ring, over the noise of the image."""
    inside, ring = regions_of(entry)
    noise = np.nanstd(image[~inside & ~ring])
    return (np.nanmean(image[inside]) - np.nanmean(image[ring])) / noise


class TestImage:
    """The image of `evidence`."""

    def test_a_glow_that_no_difference_shows(self, glow):
        """Its contrast is several times that of any single difference."""
        model = glow.model()
        differences = np.diff(model.data[0], axis=0)
        assert max(contrast(difference) for difference in differences) < 1
        assert contrast(evidence(model, ENTRY, smoothing=0)) > 0.7
        assert contrast(evidence(model, ENTRY)) > 5

    @pytest.mark.parametrize("smoothing", [0, 1, 4])
    def test_in_units_of_its_noise(self, sky, smoothing):
        """Where there is nothing, its standard deviation is 1."""
        image = evidence(sky.model(), ENTRY, smoothing=smoothing)
        assert image.shape == SHAPE
        assert image.dtype == np.float32
        assert np.std(image) == pytest.approx(1, abs=0.1)
        assert np.mean(image) == pytest.approx(0, abs=0.1)

    def test_sources_vanish(self, glow):
        """What shines at a constant rate is not in it, nor does it spoil its noise."""
        model = glow.model()
        rng = np.random.default_rng(2)
        bright = np.zeros(SHAPE)
        bright[20:40, 20:40] = 2000.0
        bright[55:62, 68:75] = 300.0
        photons = rng.poisson(np.clip(bright, 0, None) * 4, (30, *SHAPE)) / 4
        model.data[0] += np.cumsum(photons, axis=0)
        image = evidence(model, ENTRY)
        assert np.abs(image[20:40, 20:40]).max() < 6
        assert contrast(image) > 4

    def test_rows_are_levelled(self, glow):
        """Rows that drift leave no stripes."""
        model = glow.model()
        before = evidence(model, ENTRY)
        model.data[0] += np.random.default_rng(3).normal(0, 8, (30, 128, 1))
        after = evidence(model, ENTRY)
        of_rows = [np.std(np.median(image[:, :40], axis=1)) for image in (before, after)]
        assert of_rows[1] < 1.4 * of_rows[0]
        assert contrast(after) > 0.8 * contrast(before)

    def test_flagged_samples_take_no_part(self, glow):
        """Flagged samples may have any value; those of a bright source would leave a residual."""
        model = glow.model()
        rng = np.random.default_rng(4)
        model.data[0] += 500.0 * np.arange(30)[:, np.newaxis, np.newaxis]
        plain = evidence(model, ENTRY, smoothing=0)
        hit = rng.uniform(size=(28, *SHAPE)) < 0.03
        group = model.groupdq[0, 1:-1]
        for flag, value in ((1, 5000.0), (2, -3000.0)):
            chosen = hit & (rng.uniform(size=hit.shape) < 0.3)
            group[chosen] |= flag
            model.data[0, 1:-1][chosen] += value
        jumps = hit & (group == 0)
        group[jumps] |= 4
        model.data[0, 1:-1] += np.cumsum(1e4 * jumps, axis=0)
        image = evidence(model, ENTRY, smoothing=0)
        assert np.isfinite(image).mean() > 0.97
        assert np.nanstd(image) == pytest.approx(np.std(plain), abs=0.1)
        assert contrast(image) == pytest.approx(contrast(plain), rel=0.15)

    def test_jumps_all_over_the_glow_are_its_light(self, glow):
        """Where the jump step has flagged a shower, it is still seen."""
        model = glow.model()
        inside, _ = regions_of()
        model.groupdq[0, 9:13][:, inside] |= 4
        assert contrast(evidence(model, ENTRY)) > 5

    def test_a_lone_hit_is_no_smear(self, sky):
        """A hit that nobody has flagged is not smoothed into a glow."""
        model = sky.model()
        model.data[0, 9:, 60, 70] += 3000.0
        assert abs(evidence(model, ENTRY)[60, 70]) < 5

    def test_pixels_that_never_work(self, glow):
        """They are not known, without smoothing."""
        model = glow.model()
        model.pixeldq[5, 7] = 1
        assert np.isnan(evidence(model, ENTRY, smoothing=0)[5, 7])

    def test_of_a_glow_older_than_the_ramp(self, sky):
        """An entry from group 0 on, which decays over all of the ramp."""
        idle = replace(ENTRY, group=0)
        model = sky.add_glow(idle, amplitude=6.0, decay=30.0).model()
        assert contrast(evidence(model, idle)) > 5

    def test_of_a_polygon(self, glow):
        """Any entry with groups will do."""
        square = Polygon(integration=0, group=9, vertices=[[58, 52], [82, 52], [82, 68], [58, 68]])
        assert contrast(evidence(glow.model(), square), square) > 4

    def test_from_a_file(self, glow, tmp_path):
        """The same as from the model; neither is modified."""
        model = glow.model()
        data, flags = model.data.copy(), model.groupdq.copy()
        path = tmp_path / "x_jump.fits"
        model.save(str(path))
        content = path.read_bytes()
        from_model = evidence(model, ENTRY)
        np.testing.assert_allclose(evidence(path, ENTRY), from_model, atol=1e-3)
        np.testing.assert_allclose(evidence(str(path), ENTRY), from_model, atol=1e-3)
        np.testing.assert_array_equal(model.data, data)
        np.testing.assert_array_equal(model.groupdq, flags)
        assert path.read_bytes() == content

    def test_part_of_it(self, glow):
        """A box is the same as that part of the whole, up to what tells level and noise."""
        gathered = Evidence.of_entry(ModelImages(glow.model()), ENTRY)
        box = slice(20, 100), slice(30, 120)
        part, whole = gathered.image(box=box), gathered.image()[box]
        inner = slice(12, -12), slice(12, -12)
        assert np.corrcoef(part[inner].ravel(), whole[inner].ravel())[0, 1] > 0.99


class TestRates:
    """Products without groups."""

    def test_rateints(self):
        """An integration less the others: sources vanish, a shower stays."""
        rng = np.random.default_rng(5)
        data = rng.normal(10, 0.1, (6, *SHAPE)).astype(np.float32)
        data[:, 20:40, 20:40] += 500
        inside, _ = regions_of()
        data[2][inside] += 0.1
        model = datamodels.CubeModel(data=data, dq=np.zeros(data.shape, np.uint32))
        model.dq[2, 5, 5] = 1
        entry = replace(ENTRY, integration=2)
        image = evidence(model, entry)
        assert contrast(image, entry) > 3
        assert abs(image[20:40, 20:40].mean()) < 2.5
        assert np.isnan(evidence(model, entry, smoothing=0)[5, 5])
        curve = Evidence.of_entry(ModelImages(model), entry).curve
        assert int(np.argmax(curve.values)) == 2
        assert curve.values[2] == pytest.approx(0.1, abs=0.02)
        assert curve.errors[2] < 0.02

    def test_rate(self):
        """A single image, in units of its noise."""
        data = np.random.default_rng(6).normal(10, 0.1, SHAPE).astype(np.float32)
        inside, _ = regions_of()
        data[inside] += 0.15
        model = datamodels.ImageModel(data=data, dq=np.zeros(SHAPE, np.uint32))
        assert contrast(evidence(model, ENTRY)) > 3
        assert Evidence.of_entry(ModelImages(model), ENTRY).curve is None


class TestLightCurve:
    """The light curve of an entry."""

    def test_values_and_errors(self, sky):
        """It is the glow, within its errors, which are those that many ramps show."""
        flat = sky.add_glow(ENTRY, amplitude=3.0, decay=15.0, is_flat=True)
        true = np.zeros(29)
        true[8:] = 3.0 * np.exp(-sky.group_time * np.arange(21) / 15.0)
        pulls = []
        for seed in range(20):
            gathered = Evidence.of_entry(ModelImages(replace(flat, seed=seed).model()), ENTRY)
            curve = gathered.curve
            assert list(np.flatnonzero(~curve.known)) == [0, 28]
            pulls.append((curve.values - true)[1:-1] / curve.errors[1:-1])
        pulls = np.array(pulls)
        assert np.std(pulls) == pytest.approx(1, abs=0.1)
        assert abs(np.mean(pulls)) < 0.15

    def test_of_very_many_samples(self, glow, monkeypatch):
        """Some rows of a large aperture tell the same, within the errors."""
        images = ModelImages(glow.model())
        whole = Evidence.of_entry(images, ENTRY).curve
        monkeypatch.setattr("showermask.glow.light_curve._MOST_SAMPLES", 1)
        part = Evidence.of_entry(images, ENTRY).curve
        assert part.pixels < 0.7 * whole.pixels
        pulls = (part.values - whole.values)[1:-1] / part.errors[1:-1]
        assert np.std(pulls) < 1.2

    def test_correlation(self, sky):
        """Read noise is correlated from one difference to the next, photon noise is not."""
        quiet = replace(sky, rate=0.05)
        assert Evidence.of_entry(ModelImages(quiet.model()), ENTRY).curve.correlation < -0.42
        bright = replace(sky, rate=2000.0)
        assert Evidence.of_entry(ModelImages(bright.model()), ENTRY).curve.correlation > -0.1

    def test_sources_that_are_flagged_leave_no_steps(self, sky):
        """A bright pixel that is flagged in one difference only."""
        model = sky.model()
        model.data[0, :, 60, 70] += 4000.0 * np.arange(30)
        model.groupdq[0, 15, 60, 70] |= 1
        curve = Evidence.of_entry(ModelImages(model), ENTRY).curve
        assert np.all(np.abs((curve.values - np.nanmedian(curve.values)) / curve.errors)[1:-1] < 5)

    @pytest.mark.parametrize(("onset", "decay"), [(-1, 8.0), (5, 3.0), (12, 20.0)])
    def test_the_fit(self, onset, decay):
        """Without noise to speak of, the fit goes through the points."""
        times = np.arange(39)
        values = np.where(times >= onset, 5.0 * np.exp(-(times - max(onset, 0)) / decay), 0.0) + 2
        curve = LightCurve(values=values, errors=np.full(39, 0.1), correlation=-0.3, pixels=100.0)
        fit = fit_glow(curve, onset)
        assert np.abs(fit.glow + fit.level - values).max() < 0.15
        assert fit.gain > 1000
        assert not fit.glow[: max(onset, 0)].any()

    def test_no_light(self):
        """A glow is never negative; what is looked for then is a typical one."""
        rng = np.random.default_rng(7)
        values = rng.normal(0, 0.1, 39) - 3 * (np.arange(39) >= 20)
        curve = LightCurve(values=values, errors=np.full(39, 0.1), correlation=0.0, pixels=100.0)
        fit = fit_glow(curve, 20)
        assert not fit.glow.any()
        assert make_template(curve, fit.shape) is not None


class TestRefusals:
    """What there is no evidence for."""

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            (BadPixels(x=3, y=4), "bad in all groups of all integrations"),
            (replace(ENTRY, group=40), "group is 40"),
            (replace(ENTRY, integration=2), "integration is 2"),
            (replace(ENTRY, group=29), "no usable groups without its light"),
        ],
    )
    def test_entries(self, sky, entry, words):
        """Each says why."""
        with pytest.raises(EntryError, match=words):
            evidence(sky.model(), entry)

    @pytest.mark.parametrize("smoothing", [-1, 5, float("nan")])
    def test_smoothing(self, sky, smoothing):
        """Between 0 and 4 pixels."""
        with pytest.raises(ValueError, match="expected 0 to 4 pixels"):
            evidence(sky.model(), ENTRY, smoothing=smoothing)
