"""The parts of propose: map, profile, outline, residuals, numbers, probability, kinds, series."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from cube import GROUP_TIME, Cube, found_in

from showermask import Polygon, Shower
from showermask.commands.propose.background import smooth_background
from showermask.commands.propose.candidates import find_glows
from showermask.commands.propose.features import Features, point_size
from showermask.commands.propose.finder import LEAST_PROBABILITY, search
from showermask.commands.propose.kinds import likely_kind
from showermask.commands.propose.latents import earlier_exposures, find_source_before
from showermask.commands.propose.outline import find_outline
from showermask.commands.propose.probability import load_classifier, shower_probability
from showermask.commands.propose.profile import fit_profile
from showermask.commands.propose.residuals import BIN, read_residuals
from showermask.glow.differences import (
    level_and_noise,
    noise_without_glows,
)
from showermask.glow.jumps import large_areas, lasting
from showermask.glow.shape_map import denoised_map
from showermask.glow.time_filters import make_filters
from showermask.regionfile.ellipse import Ellipse
from showermask.synthetic.ramps import RampBuilder

GLOW = Shower(integration=0, group=9, x=70.0, y=60.0, a=18.0, b=11.0, theta=30.0)
SKY = RampBuilder(ngroups=30, ny=128, nx=136, readnoise=6.0, pedestal=100.0, seed=1)
Y, X = np.mgrid[0:64, 0:72].astype(float)


def gaussian(x, y, a, b, theta):
    """Return an elliptical Gaussian with these standard deviations."""
    angle = np.radians(theta)
    u = (X - x) * np.cos(angle) + (Y - y) * np.sin(angle)
    v = (Y - y) * np.cos(angle) - (X - x) * np.sin(angle)
    return np.exp(-0.5 * ((u / a) ** 2 + (v / b) ** 2))


def residuals_of(builder, change=None):
    """Return the residuals of a ramp, after a change to data and flags."""
    data, flags = builder.array(), builder.group_dq()
    if change is not None:
        change(data[0], flags[0])
    return read_residuals(Cube(data, flags), 0, data.shape[-2:])


class TestMap:
    """The map of a glow, without noise."""

    def test_noise_leaves_nothing(self):
        """Almost all of it goes."""
        noise = np.random.default_rng(1).normal(size=X.shape)
        shown = denoised_map(noise, np.ones(X.shape), np.ones(X.shape), planes=4)
        assert shown.min() >= 0
        assert np.sqrt(np.mean(shown**2)) < 0.15

    def test_a_glow_stays(self):
        """With a tenth of the error that it was measured with."""
        truth = 3 * gaussian(36, 30, 9, 5, 20)
        noisy = truth + np.random.default_rng(1).normal(size=X.shape)
        shown = denoised_map(noisy, np.ones(X.shape), np.ones(X.shape), planes=4)
        assert np.sqrt(np.mean((shown - truth) ** 2)) < 0.25
        assert shown.sum() == pytest.approx(truth.sum(), rel=0.15)

    def test_unknown_cells_have_what_is_around(self):
        """A gap in a bright glow is filled."""
        truth = 30 * gaussian(36, 30, 9, 9, 0)
        variance = np.ones(X.shape)
        variance[28:33, 34:39] = np.inf
        measured = np.where(np.isfinite(variance), truth, 999.0)
        shown = denoised_map(measured, variance, np.ones(X.shape), planes=4)
        assert shown[30, 36] == pytest.approx(30, rel=0.15)

    def test_nothing_known(self):
        """Nothing is shown."""
        unknown = np.full(X.shape, np.inf)
        assert not denoised_map(np.ones(X.shape), unknown, np.ones(X.shape), planes=3).any()


class TestProfile:
    """The Gaussian of a glow."""

    @pytest.mark.parametrize(("a", "b", "theta"), [(4, 4, 0), (6, 3, 30), (8, 2, -60)])
    def test_a_gaussian_is_found_as_it_is(self, a, b, theta):
        """From a round start beside it."""
        signal = gaussian(34.3, 31.8, a, b, theta)
        found = fit_profile(signal, np.full(X.shape, 0.01), 33.0, 30.0, 4.0, found=4.0)
        assert (found.x, found.y) == pytest.approx((34.3, 31.8), abs=0.1)
        assert found.axes == pytest.approx((a, b), rel=0.05)
        if a != b:
            assert abs((found.ellipse(1.0).theta - theta + 90) % 180 - 90) < 3

    def test_it_does_not_run_away(self):
        """On a plane, which has no size, it stays as large as what it was found with allows."""
        found = fit_profile(1 + 0.01 * X, np.ones(X.shape), 36.0, 32.0, 3.0, found=3.0)
        assert np.sqrt(np.prod(found.axes)) <= 2 * 3.0 * 1.001

    def test_nothing(self):
        """Where there is no light there is no profile."""
        assert fit_profile(-np.ones(X.shape), np.ones(X.shape), 36.0, 32.0, 3.0, found=3.0) is None


class TestOutline:
    """An ellipse, or a polygon where that holds more."""

    def held(self, image, outline):
        """Return the part of the light within an outline."""
        if isinstance(outline, Ellipse):
            return image[outline.radius(X, Y) <= 1].sum() / image.sum()
        polygon = Polygon(integration=0, group=0, vertices=[tuple(p) for p in outline.tolist()])
        box, inside = polygon.pixels(image.shape)
        return image[box][inside].sum() / image.sum()

    def test_an_ellipse_stays_one(self):
        """A Gaussian is held by its ellipse."""
        image = gaussian(36, 30, 8, 4, 30).astype(np.float32)
        ellipse = Ellipse(x=36, y=30, a=16, b=8, theta=30)
        assert find_outline(image, ellipse) is ellipse

    def test_a_bent_filament_is_a_polygon(self):
        """Which holds most of it, where an ellipse of the same area does not."""
        along = np.hypot(X - 36, Y - 12)
        image = np.where(Y > 20, np.exp(-(((along - 24) / 2.5) ** 2)), 0).astype(np.float32)
        outline = find_outline(image, Ellipse(x=36, y=34, a=24, b=5, theta=0))
        assert not isinstance(outline, Ellipse)
        assert self.held(image, outline) > 0.75

    def test_a_long_tail_is_held(self):
        """By an ellipse around it, where that of the glow holds little more than its head."""
        tail = np.where(X > 20, np.exp(-(X - 20) / 25) * np.exp(-(((Y - 30) / 2) ** 2)), 0)
        image = (gaussian(20, 30, 3, 3, 0) + tail).astype(np.float32)
        ellipse = Ellipse(x=20, y=30, a=6, b=6, theta=0)
        assert self.held(image, find_outline(image, ellipse)) > 0.7 > self.held(image, ellipse)

    def test_pieces_are_joined(self):
        """A polygon is one line around all of them."""
        image = sum(gaussian(x, y, 2, 2, 0) for x, y in ((15, 20), (26, 26), (35, 20)))
        outline = find_outline(image.astype(np.float32), Ellipse(x=26, y=26, a=5, b=5, theta=0))
        assert self.held(image, outline) > 0.75

    def test_no_light(self):
        """Leaves the ellipse."""
        ellipse = Ellipse(x=26, y=26, a=5, b=5, theta=0)
        assert find_outline(np.zeros(X.shape, np.float32), ellipse) is ellipse


class TestJumps:
    """What is flagged as a jump is a hit, or the light of a bright shower."""

    def test_where_they_lie_thick(self):
        """A fifth of the pixels over a large area is light; tracks and blocks are hits."""
        rng = np.random.default_rng(1)
        flags = np.zeros((80, 120), bool)
        flags[10:40, 10:60] = rng.uniform(size=(30, 50)) < 0.25
        flags[60:64, 20:24] = True
        flags[70, 40:90] = True
        flags[np.arange(60, 75), np.arange(95, 110)] = True
        light = large_areas(flags)
        assert light[10:40, 10:60].sum() > 0.95 * flags[10:40, 10:60].sum()
        assert not light[50:].any()
        assert not (light & ~flags).any()

    def test_a_few_everywhere(self):
        """Hits all over a frame are no shower."""
        rng = np.random.default_rng(2)
        assert not large_areas(rng.uniform(size=(200, 200)) < 0.02).any()

    def test_what_lasts(self):
        """Light goes on with the next difference, a hit has an afterglow at most."""
        differences = np.zeros((6, 1, 3), np.float32)
        differences[2:, 0, 0] = 100, 90, 80, 70
        differences[2:4, 0, 1] = 100, 10
        differences[5, 0, 2] = 100
        found = lasting(differences, differences > 60)
        assert np.flatnonzero(found[:, 0, 0]).tolist() == [2, 3, 4]
        assert not found[..., 1:].any()

    def test_noise_below_a_glow(self):
        """Is that of the pixels around it; of pixels that are really noisy it stays."""
        rng = np.random.default_rng(3)
        differences = rng.normal(0, 8, (40, 20, 30)).astype(np.float32)
        course = 80 * np.exp(-np.arange(30) / 10.0)
        differences[10:, 5:15, 5:15] += course[:, np.newaxis, np.newaxis]
        differences[:, :, 25:] *= 4
        _, noise = level_and_noise(differences)
        mended = noise_without_glows(differences, noise)
        assert np.median(noise[5:15, 5:15]) > 16
        assert np.median(mended[5:15, 5:15]) == pytest.approx(8, rel=0.3)
        assert np.median(mended[:, 25:]) > 25
        assert np.array_equal(mended[16:, :20], noise[16:, :20])


class TestResiduals:
    """What is known of a ramp and is no shower is taken away."""

    @staticmethod
    def star(x, y, flux, sigma=1.6):
        """Return the rate of a star."""
        rows, columns = np.mgrid[0:128, 0:136]
        return flux * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))

    def test_spill_of_saturated_pixels(self):
        """What is around a pixel that saturates is not looked at from then on."""

        def spill(data, flags):
            flags[12:, 60, 70] |= 2
            data[12:, 56:65, 66:75] += np.arange(18)[:, np.newaxis, np.newaxis] * 40

        residuals = residuals_of(SKY, spill)
        around = residuals.weights[:, 58 // BIN : 63 // BIN, 68 // BIN : 73 // BIN]
        assert not around[12:].any()
        assert around[2:10].all()
        assert residuals.saturated[60 // BIN, 70 // BIN] == 11
        assert found_in(SKY, spill) == []

    def test_jitter(self):
        """Shifts that all stars share leave little, and are not found."""
        rng = np.random.default_rng(3)
        places = [(x, y) for x in range(20, 130, 22) for y in range(18, 120, 20)]
        shifts = rng.normal(0, 0.15, (30, 2))

        def jitter(data, flags):
            total = np.zeros(data.shape[1:])
            for group, (dx, dy) in enumerate(shifts):
                for x, y in places:
                    total += GROUP_TIME * self.star(x + dx, y + dy, 60.0)
                data[group] += total

        def still(data, flags):
            image = sum(self.star(x, y, 60.0) for x, y in places)
            data += GROUP_TIME * np.arange(1, 31)[:, np.newaxis, np.newaxis] * image

        ratio = [
            np.std((r.values * np.sqrt(r.weights))[2:-2])
            for r in (residuals_of(SKY, jitter), residuals_of(SKY, still))
        ]
        assert ratio[0] < 1.15 * ratio[1]
        assert found_in(SKY, jitter) == []

    def test_reference_columns_are_not_hidden(self):
        """A glow beside them is found, with its ellipse at the edge."""
        glow = replace(GLOW, x=6.0, y=60.0, a=14.0, b=9.0, theta=90.0)
        builder = SKY.add_glow(glow, amplitude=20.0, decay=20.0)
        data, flags = builder.array(), builder.group_dq()
        cube = Cube(data, flags)
        cube.pixeldq[:, :4] |= np.uint32(1 << 31)
        data[..., :4] = 100.0
        (found,) = [
            e for c, e in search(cube, (128, 136), group_time=GROUP_TIME) if c.probability > 0.5
        ]
        assert abs(found.centre[1] - 60) < 5
        assert found.centre[0] < 14


class TestBackground:
    """The smooth background of a difference."""

    def test_it_has_little_noise(self):
        """A large faint glow has to stand out from it: the mean of a box has little noise."""
        image = np.random.default_rng(1).normal(0, 1, (256, 258)).astype(np.float32)
        background = smooth_background(image, np.ones(image.shape, bool))
        assert np.std(background) < 0.6 / 64
        assert abs(background.mean()) < 1 / 64

    def test_what_stands_out_does_not_count(self):
        """Neither single cells nor a box with a glow move it."""
        image = np.random.default_rng(2).normal(5, 1, (256, 258)).astype(np.float32)
        image[::7, ::5] += 300
        image[70:120, 70:120] += 3
        background = smooth_background(image, np.ones(image.shape, bool))
        assert np.abs(background - 5).max() < 0.2

    def test_nothing_known(self):
        """It is 0."""
        image = np.full((8, 9), np.nan, np.float32)
        assert not smooth_background(image, np.zeros(image.shape, bool)).any()


class TestOverlap:
    """A glow is taken out, and what is left is searched."""

    def test_two_in_one_place(self):
        """A fainter one that begins later is found within a brighter one."""
        later = replace(GLOW, x=80.0, y=66.0, group=20, a=12.0, b=12.0)
        builder = SKY.add_glow(GLOW, amplitude=40.0, decay=20.0)
        found = found_in(builder.add_glow(later, amplitude=22.0, decay=20.0))
        assert sorted(
            abs(e.group - g) <= 1
            for e, g in zip(sorted(found, key=lambda e: e.group), (9, 20), strict=True)
        ) == [True, True]

    def test_a_faint_one_in_the_middle_of_a_bright_one(self):
        """It makes no peak of its own until the bright one is taken out."""
        later = replace(GLOW, group=20, a=8.0, b=8.0)
        residuals = residuals_of(
            SKY.add_glow(GLOW, amplitude=40.0, decay=20.0).add_glow(
                later, amplitude=18.0, decay=20.0
            )
        )
        valid = np.median(residuals.weights, axis=(1, 2)) > 0
        filters = make_filters(len(valid), GROUP_TIME, -0.4, valid)
        found = find_glows(residuals, filters, -0.4)
        within = [one.glow for one in found if GLOW.contains(one.glow.x, one.glow.y)]
        assert any(glow.onset + 1 == 9 for glow in within)
        assert any(abs(glow.onset + 1 - 20) <= 1 for glow in within)

    def test_pieces_of_one_onset_are_one(self):
        """A clump of three is one candidate."""
        builder = SKY
        for x, y in ((60.0, 52.0), (76.0, 60.0), (62.0, 70.0)):
            part = replace(GLOW, x=x, y=y, a=7.0, b=6.0)
            builder = builder.add_glow(part, amplitude=30.0, decay=20.0)
        (found,) = found_in(builder)
        assert found.contains(76.0, 60.0)
        assert found.contains(60.0, 52.0)

    @pytest.mark.parametrize(("group", "count"), [(9, 1), (13, 2)])
    def test_clumps_lie_apart_as_far_as_they_are_large(self, group, count):
        """Of one onset they are one shower, with dark sky between; of two onsets they are two."""
        first = replace(GLOW, x=40.0, y=60.0, a=16.0, b=14.0)
        second = replace(GLOW, x=78.0, y=60.0, a=12.0, b=12.0, group=group)
        builder = SKY.add_glow(first, amplitude=12.0, decay=20.0)
        assert len(found_in(builder.add_glow(second, amplitude=5.0, decay=20.0))) == count

    def test_faint_wings_are_not_masked(self):
        """A compact glow in a halo of a sixteenth of its light keeps an entry of its size."""
        compact, halo = replace(GLOW, a=6.0, b=6.0), replace(GLOW, a=36.0, b=36.0)
        builder = SKY.add_glow(compact, amplitude=40.0, decay=20.0)
        (found,) = found_in(builder.add_glow(halo, amplitude=2.5, decay=20.0))
        _, inside = found.pixels((128, 136))
        assert np.count_nonzero(inside) < 400


class TestNumbers:
    """The numbers that tell a shower from what looks like one."""

    def features(self, builder, change=None):
        """Return the numbers of the strongest glow."""
        residuals = residuals_of(builder, change)
        valid = np.median(residuals.weights, axis=(1, 2)) > 0
        filters = make_filters(len(valid), GROUP_TIME, -0.4, valid)
        found = find_glows(residuals, filters, -0.4)
        return max(found, key=lambda one: one.glow.significance).features

    def test_a_shower(self):
        """Stands still, fades, is alone, and fits."""
        f = self.features(SKY.add_glow(GLOW, amplitude=20.0, decay=20.0))
        assert f.motion < 0.15
        assert f.negative < 0.3
        assert f.fit < 2
        assert f.step < 0.9
        assert f.overlap == 0
        assert (f.is_idle, f.saturation, f.saturates) == (0, 40.0, 20.0)
        assert f.size == pytest.approx(7.0, rel=0.4)
        assert shower_probability(f) > 0.9

    def test_a_moving_target(self):
        """Its late light lies elsewhere; it is not likely to be a shower."""
        star = TestResiduals.star

        def move(data, flags):
            total = np.zeros(data.shape[1:])
            for group in range(30):
                total += GROUP_TIME * star(40 + 1.2 * group, 60, 8.0)
                data[group] += total

        f = self.features(SKY, move)
        assert f.motion > 0.25
        assert shower_probability(f) < LEAST_PROBABILITY
        name, reason = likely_kind(f)
        assert name == "moving target"
        assert "on a line" in reason or "lie apart" in reason

    def test_an_afterglow(self):
        """It has the shape of its hit, is a small part of it, and is not likely to be a shower."""

        def hit(data, flags):
            for number in range(12):  # others, which leave nothing
                others = 10 + 9 * number, slice(90, 110)
                flags[4, *others] |= 4
                data[4:, *others] += 4000
            x = np.arange(50, 70)
            y = (40 + 0.3 * (x - 50)).astype(int)
            flags[12, y, x] |= 4
            for group in range(12, 30):
                since = GROUP_TIME * (group - 12)
                data[group, y, x] += 4000 * (1 + 0.04 * (1 - np.exp(-since / 20)))

        f = self.features(SKY, hit)
        assert f.jump_height > 1.7
        assert f.beside_jumps < 0.3
        assert shower_probability(f) < LEAST_PROBABILITY
        assert likely_kind(f)[0] == "afterglow of a hit"

    def test_sizes_of_stars(self):
        """Tell how wide a point is."""
        image = np.zeros((128, 136))
        for x in range(12, 130, 16):
            for y in range(12, 120, 16):
                image += TestResiduals.star(x, y, 200.0, 2.4)
        bins = image.reshape(64, 2, 68, 2).mean(axis=(1, 3)).astype(np.float32)
        assert point_size(bins) == pytest.approx(2.4, rel=0.15)
        assert point_size(np.zeros((64, 68), np.float32)) == 2.0


class TestKinds:
    """What else a glow may be, with the reason."""

    @pytest.fixture
    def plain(self):
        """Return the numbers of a clear shower."""
        values = dict.fromkeys(Features.names(), 0.0)
        return Features(
            **values
            | {
                "significance": 20.0, "size": 9.0, "ratio": 0.7, "saturation": 40.0,
                "saturates": 20.0, "of_point": 5.0, "neighbour": 40.0, "before": 10.0,
                "after": 20.0, "ndiff": 30.0, "bump": 0.8, "step": 0.4, "fit": 1.0,
                "beside_jumps": 1.0,
            }
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("numbers", "kind", "reason"),
        [
            ({"saturation": 6.0, "saturates": 1.0}, "saturation", "saturate 6 pixels away"),
            ({"motion": 0.5}, "moving target", "10 sigma"),
            ({"linked": 3.0}, "moving target", "on a line with 3 others"),
            ({"is_idle": 1.0, "of_point": 1.2}, "latent", "1.2 times as wide as a point"),
            ({"jumps": 0.9, "jump_height": 2.0, "beside_jumps": 0.0}, "afterglow of a hit", "90"),
            ({"negative": 0.9, "brightness": 5.0, "of_point": 2.5}, "jitter", "0.9 times as deep"),
            ({"row": 0.6}, "row drift", "60 per cent as much beside"),
            ({"drift": 0.9, "brightness": 3.0, "of_point": 1.4}, "variable source", "90 per cent"),
            ({"of_point": 0.5}, "bad pixels", "0.5 times as wide"),
        ],
    )
    def test_each(self, plain, numbers, kind, reason):
        """From the numbers that speak for it."""
        name, why = likely_kind(replace(plain, **numbers))
        assert name == kind
        assert reason in why

    def test_none(self, plain):
        """Nothing speaks against a clear shower."""
        assert likely_kind(plain) is None


class TestClassifier:
    """The boosted trees of the package."""

    def test_the_file_fits_the_numbers(self):
        """It is for the numbers that are measured, and small."""
        classifier = load_classifier()
        assert classifier.feature.max() < len(Features.names())
        assert classifier.feature.shape == classifier.value.shape
        assert classifier.feature.size < 10_000

    def test_odds(self):
        """A tree is followed from its root to a leaf."""
        classifier = type(load_classifier()).from_tree(
            {
                "start": 0.5,
                "feature": [[0, -1, -1], [1, -1, -1]],
                "threshold": [[2.0, 0, 0], [3.0, 0, 0]],
                "left": [[1, 0, 0], [1, 0, 0]],
                "right": [[2, 0, 0], [2, 0, 0]],
                "value": [[0, 1.0, -1.0], [0, 10.0, -10.0]],
            }
        )
        assert classifier.odds(np.array([2.0, 9.0])) == 0.5 + 1.0 - 10.0
        assert classifier.odds(np.array([2.1, 3.0])) == 0.5 - 1.0 + 10.0


class TestLatents:
    """What glows where an earlier exposure had a source may be its latent."""

    IDLE = replace(GLOW, group=0, a=9.0, b=8.0)

    def written(self, path, builder, mjd, change=None):
        """Write a ramp with the time at which it was taken."""
        model = builder.model()
        if change is not None:
            model.data = model.data + change
        model.meta.instrument.detector = "MIRIMAGE"
        model.save(str(path))
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["EXPSTART"], hdus[0].header["EXPEND"] = mjd, mjd + 0.001
        return path

    def test_source_before(self, tmp_path):
        """The latest exposure with a source there is told, of those before it only."""
        star = TestResiduals.star(70, 60, 80.0) * GROUP_TIME
        light = np.arange(1, 31)[:, np.newaxis, np.newaxis] * star
        first = self.written(tmp_path / "a_jump.fits", SKY, 60000.0, light)
        second = self.written(tmp_path / "b_jump.fits", SKY, 60000.01)
        third = self.written(tmp_path / "c_jump.fits", SKY, 60000.02)
        before = earlier_exposures([third, first, second])
        assert before == {first: (), second: (first,), third: (second, first)}
        found = find_source_before(third, before[third], 70.4, 59.7)
        assert (found.exposure, found.seconds) == ("a", pytest.approx(0.019 * 86400, abs=1))
        assert find_source_before(third, before[third], 30.0, 90.0) is None
        assert find_source_before(first, before[first], 70.0, 60.0) is None

    def test_it_is_less_probable(self):
        """And said to be a latent, or left out."""
        builder = SKY.add_glow(self.IDLE, amplitude=25.0, decay=25.0)
        asked = []

        def is_latent(x, y):
            asked.append((x, y))
            return "a source lay there"

        (plain,) = found_in(builder)
        judged = found_in(builder, is_latent=is_latent)
        assert asked == [pytest.approx((70, 60), abs=3)]
        assert all(
            e.kind == "latent" and e.comment.endswith("a source lay there")
            and e.probability < plain.probability
            for e in judged
        )  # fmt: skip


class TestSeries:
    """Glows that last longer than an integration."""

    def test_one_glow_of_several_integrations(self):
        """Has an entry in each, which tells of the others."""
        rng = np.random.default_rng(5)
        nints, ngroups, ny, nx = 20, 8, 96, 100
        rows, columns = np.mgrid[0:ny, 0:nx]
        shape = np.exp(-(((rows - 50) / 9.0) ** 2) - ((columns - 40) / 7.0) ** 2)
        data = np.empty((nints, ngroups, ny, nx), np.float32)
        for i in range(nints):
            rate = 8.0 + (2.0 * np.exp(-(i - 6) / 3.0) if i >= 6 else 0.0) * shape
            steps = rng.poisson(4 * rate, (ngroups, ny, nx)) / 4
            data[i] = np.cumsum(steps, axis=0) + rng.normal(0, 6, steps.shape)
        flags = np.zeros(data.shape, np.uint8)
        flags[:, [0, -1]] = 1
        found = [
            (c, e) for c, e in search(Cube(data, flags), (ny, nx), group_time=1.0)
            if e.comment and e.comment.startswith("one glow over integrations 6 to ")
        ]  # fmt: skip
        integrations = [entry.integration for _, entry in found]
        assert integrations[:3] == [6, 7, 8]
        assert integrations == list(range(6, integrations[-1] + 1))
        assert len({(e.centre, e.area, e.comment) for _, e in found}) == 1
        assert all((e.group, e.last_group) == (0, None) for _, e in found)
        assert found[0][1].contains(40.0, 50.0)
