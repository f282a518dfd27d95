"""Candidates: what is found, what is not, and that no decision of a person is lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cube import GROUP_TIME, Cube, found_in
from jwst.pipeline import Detector1Pipeline
from stdatamodels.jwst import datamodels
from stdatamodels.jwst.datamodels import dqflags

from showermask import RegionFile, Shower, read_regions, write_regions
from showermask.cli import main
from showermask.commands.propose.finder import THRESHOLD, find_candidates
from showermask.commands.propose.merging import is_same, merge_candidates
from showermask.commands.propose.showers import propose_showers
from showermask.commands.propose.tasks import SearchTask
from showermask.commands.review.session import ReviewSession
from showermask.exceptions import ExposureError
from showermask.exposure.images import ImageReader
from showermask.glow.common_mode import read_typical_ramp
from showermask.glow.duration import best_last_group
from showermask.glow.time_filters import make_filters
from showermask.synthetic.ramps import RampBuilder

GLOW = Shower(integration=0, group=9, x=70.0, y=60.0, a=18.0, b=11.0, theta=30.0)


@pytest.fixture
def sky():
    """Return ramps with photon and read noise."""
    return RampBuilder(ngroups=30, ny=128, nx=136, readnoise=6.0, pedestal=100.0, seed=1)


def overlap(one, other, image_shape=(128, 136)):
    """Return the part of their union that two showers have in common."""
    masks = []
    for shower in (one, other):
        mask = np.zeros(image_shape, bool)
        box, inside = shower.pixels(image_shape)
        mask[box] = inside
        masks.append(mask)
    return np.sum(masks[0] & masks[1]) / np.sum(masks[0] | masks[1])


class TestFound:
    """Glows."""

    def test_a_glow(self, sky):
        """Once, in its place and time, with a score, as a candidate."""
        (shower,) = found_in(sky.add_glow(GLOW, amplitude=15.0, decay=20.0))
        assert overlap(shower, GLOW) > 0.7
        assert abs(shower.group - GLOW.group) <= 1
        assert (shower.integration, shower.status, shower.source) == (0, "candidate", "propose")
        assert shower.score > 10
        assert GLOW.group < shower.last_group < 29

    def test_a_glow_that_began_before_the_first_group(self, sky):
        """Is masked from the first group on."""
        idle = replace(GLOW, group=0)
        (shower,) = found_in(sky.add_glow(idle, amplitude=15.0, decay=20.0))
        assert shower.group == 0
        assert overlap(shower, GLOW) > 0.6

    def test_a_glow_with_a_bright_hit(self, sky):
        """The hit is flagged; the glow around it is not hidden by it."""

        def hit(data, flags):
            data[9:, 58:63, 65:75] += 5000
            flags[9, 58:63, 65:75] |= 4

        (shower,) = found_in(sky.add_glow(GLOW, amplitude=15.0, decay=20.0), hit)
        assert overlap(shower, GLOW) > 0.6

    def test_two_glows(self, sky):
        """The strongest first."""
        far = replace(GLOW, x=30.0, y=100.0, group=20)
        builder = sky.add_glow(GLOW, amplitude=12.0, decay=20.0)
        showers = found_in(builder.add_glow(far, amplitude=25.0, decay=20.0))
        assert [is_same(s, t) for s, t in zip(showers, (far, GLOW), strict=True)] == [True, True]
        assert showers[0].score > showers[1].score

    def test_slow_read_out(self, sky):
        """Where a glow is over within a group or two."""
        slow = replace(sky, group_time=23.89, ngroups=20)
        data = slow.add_glow(GLOW, amplitude=60.0, decay=20.0)
        cube = Cube(data.array(), data.group_dq())
        (shower,) = find_candidates(cube, (128, 136), group_time=23.89)
        assert overlap(shower, GLOW) > 0.6

    def test_integrations_are_looked_at_one_by_one(self, sky):
        """A glow of one is found in that one, and only those asked for are read."""
        second = replace(GLOW, integration=1)
        builder = replace(sky, nints=3).add_glow(second, amplitude=15.0, decay=20.0)
        cube = Cube(builder.array(), builder.group_dq())
        showers = list(find_candidates(cube, (128, 136), group_time=GROUP_TIME))
        assert [shower.integration for shower in showers] == [1]
        cube.asked.clear()
        assert not list(
            find_candidates(cube, (128, 136), group_time=GROUP_TIME, integrations=range(2, 3))
        )
        assert cube.asked == {2}


class TestBrightGlows:
    """A bright glow that lasts must not be taken for a source, nor move what is around it."""

    @pytest.mark.parametrize("amplitude", [10.0, 20.0, 80.0])
    def test_it_is_found_whole(self, sky, amplitude):
        """Also where it has light in most of the groups; and nothing else is."""
        glow = replace(GLOW, group=6)
        (shower,) = found_in(sky.add_glow(glow, amplitude=amplitude, decay=60.0))
        assert abs(shower.group - glow.group) <= 1
        assert overlap(shower, glow) > 0.6

    @pytest.mark.parametrize("amplitude", [30.0, 40.0, 60.0, 100.0])
    def test_its_light_is_flagged_as_jumps(self, sky, amplitude):
        """In some of its pixels or in all, and in many groups: it is found all the same."""

        def flag_jumps(data, flags):
            steps = np.diff(data, axis=0)
            flags[1:][steps - np.median(steps, axis=0) > 4 * np.sqrt(2) * 6.0] |= 4
            assert (flags[GLOW.group, 55:66, 64:77] & 4 > 0).mean() > 0.03

        (shower,) = found_in(sky.add_glow(GLOW, amplitude=amplitude, decay=30.0), flag_jumps)
        assert abs(shower.group - GLOW.group) <= 1
        assert overlap(shower, GLOW) > 0.6
        assert shower.probability > 0.7

    def test_its_rows_have_nothing(self):
        """Though it fills a quarter of them."""
        wide = RampBuilder(ngroups=30, ny=128, nx=300, readnoise=6.0, pedestal=100.0, seed=2)
        glow = replace(GLOW, a=40.0, b=20.0, theta=0.0, x=150.0)
        found = found_in(wide.add_glow(glow, amplitude=30.0, decay=60.0))
        assert [is_same(shower, glow) for shower in found] == [True]


class TestWhatIsMissing:
    """Flagged samples must not move what is around them."""

    def test_large_areas_that_are_never_used(self):
        """Their rows drift as the others do."""
        wide = RampBuilder(ngroups=30, ny=128, nx=300, readnoise=6.0, pedestal=100.0, seed=3)
        rng = np.random.default_rng(4)

        def drifts(data, flags):
            data += rng.normal(0, 3.0, (30, 128, 1))
            flags[:, 30:90, :110] |= 1

        assert not found_in(wide, drifts)

    @pytest.mark.parametrize("flag", ["DO_NOT_USE", "REFERENCE_PIXEL"])
    def test_pixels_flagged_for_all_of_the_exposure(self, sky, flag):
        """Are not looked at: what fades there is no shower."""
        cube = Cube(sky.add_glow(GLOW, amplitude=15.0, decay=20.0).array(), sky.group_dq())
        cube.pixeldq[30:90, 40:100] = dqflags.pixel[flag]
        assert not list(find_candidates(cube, (128, 136), group_time=GROUP_TIME))

    def test_a_large_flagged_core(self, sky):
        """The glow around it is found."""

        def hit(data, flags):
            data[9:, 55:66, 64:77] += 3000
            flags[9, 55:66, 64:77] |= 4

        (shower,) = found_in(sky.add_glow(GLOW, amplitude=15.0, decay=20.0), hit)
        assert overlap(shower, GLOW) > 0.6


class TestManyIntegrations:
    """What follows every reset is no shower; one of a single integration is."""

    def test_what_all_integrations_do(self, sky):
        """Is taken away, and a glow that is in one of them stays."""
        glow = replace(GLOW, integration=4)
        builder = replace(sky, nints=8).add_glow(glow, amplitude=15.0, decay=20.0)
        data = builder.array()
        latent = replace(GLOW, x=30.0, y=100.0).ellipse
        y, x = np.mgrid[0:128, 0:136]
        spot = np.exp(-(latent.radius(x, y) ** 2))
        data += 80 * spot * (1 - np.exp(-np.arange(30) / 6))[:, np.newaxis, np.newaxis]
        first = Cube(data[:1], builder.group_dq()[:1])
        assert len(list(find_candidates(first, (128, 136), group_time=GROUP_TIME))) == 1
        cube = Cube(data, builder.group_dq())
        (shower,) = find_candidates(cube, (128, 136), group_time=GROUP_TIME)
        assert shower.integration == 4
        assert overlap(shower, GLOW) > 0.6

    def test_pixels_that_are_never_good(self, sky):
        """Have no course, and do no harm."""
        builder = replace(sky, nints=8, ngroups=12)
        flags = builder.group_dq()
        flags[:, :, 20:60, 30:50] |= 1
        typical_ramp = read_typical_ramp(Cube(builder.array(), flags), (128, 136))
        assert np.all(typical_ramp[:, 20:60, 30:50] == 0)
        assert np.mean(typical_ramp[1:-1, 70:, 60:] != 0) > 0.8
        few = Cube(builder.array()[:4], flags[:4])
        assert read_typical_ramp(few, (128, 136)) is None


class TestNotFound:
    """What looks like a glow and is none."""

    @pytest.mark.parametrize("seed", range(4))
    def test_noise(self, sky, seed):
        """Nothing."""
        assert not found_in(replace(sky, seed=seed))

    def test_stars_that_are_not_quite_linear(self, sky):
        """What linearity correction leaves goes with the square of the counts."""

        def stars(data, flags):
            rng = np.random.default_rng(3)
            y, x = np.mgrid[0:128, 0:136]
            for _ in range(25):
                cy, cx = rng.uniform(0, 128), rng.uniform(0, 136)
                spot = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 8)
                counts = 10 ** rng.uniform(1, 2.7) * spot * np.arange(1, 31)[:, None, None]
                data += rng.poisson(counts * 4) / 4
            data -= 2e-6 * data**2

        assert not found_in(sky, stars)

    def test_hits_and_bad_pixels(self, sky):
        """Single pixels, flagged or not, and those that flicker."""

        def defects(data, flags):
            rng = np.random.default_rng(4)
            for _ in range(400):
                g, y, x = rng.integers(1, 30), rng.integers(0, 128), rng.integers(0, 135)
                charge = 10 ** rng.uniform(1, 4)
                data[g:, y, x : x + 2] += charge
                if charge > 60:
                    flags[g, y, x : x + 2] |= 4
            rows, columns = rng.integers(0, 128, 100), rng.integers(0, 136, 100)
            data[:, rows[:50], columns[:50]] += rng.normal(0, 60, (30, 50))
            flags[:, rows[50:], columns[50:]] |= 1
            data[:, rows[50:], columns[50:]] = np.nan

        assert not found_in(sky, defects)

    def test_drifts(self):
        """Of the frame, of rows, and a smooth change after the reset."""
        wide = RampBuilder(ngroups=20, ny=256, nx=264, readnoise=6.0, seed=5)

        def drifts(data, flags):
            rng = np.random.default_rng(6)
            data += rng.normal(0, 3, (20, 1, 1)) + rng.normal(0, 2, (20, 256, 1))
            y = np.arange(256)[:, None] / 256
            data += 20 * (1 + 0.3 * y) * (1 - np.exp(-np.arange(20) / 3))[:, None, None]

        assert not found_in(wide, drifts)

    def test_too_few_groups(self, sky):
        """Nothing can be told from five groups."""
        bright = replace(sky, ngroups=5).add_glow(
            replace(GLOW, group=2), amplitude=100.0, decay=20.0
        )
        assert not found_in(bright)

    def test_higher_threshold(self, sky):
        """Only what stands out as much is proposed."""
        builder = sky.add_glow(GLOW, amplitude=15.0, decay=20.0)
        (shower,) = found_in(builder)
        assert not found_in(builder, threshold=shower.score + 1)


class TestFilters:
    """The filters over time."""

    @pytest.mark.parametrize("correlation", [0.0, -0.3, -0.45])
    def test_blind_to_a_constant_and_of_unit_noise(self, correlation):
        """Whatever the sky, and in noise as it was told."""
        valid = np.ones(20, bool)
        valid[[0, -1]] = False
        filters = make_filters(20, GROUP_TIME, correlation, valid)
        np.testing.assert_allclose(filters.weights @ valid, 0, atol=1e-4)
        assert not filters.weights[:, ~valid].any()
        covariance = np.eye(20) + correlation * (np.eye(20, k=1) + np.eye(20, k=-1))
        noise = np.einsum("ij,jk,ik->i", filters.weights, covariance, filters.weights)
        np.testing.assert_allclose(noise, 1, rtol=1e-3)

    def test_the_best_filter_for_a_glow_is_its_own(self):
        """Of the same onset and decay."""
        filters = make_filters(30, GROUP_TIME, -0.3, np.ones(30, bool))
        for which in range(0, len(filters.weights), 7):
            assert np.argmax(filters.weights @ filters.shape[which]) == which


class TestExtent:
    """Where a mask should end."""

    def last_group(self, amplitude, decay=4.0):
        """Return the last group of a mask for a glow that begins in group 6."""
        glow = np.where(np.arange(39) >= 5, amplitude * np.exp(-(np.arange(39) - 5) / decay), 0)
        valid = np.ones(39, bool)
        valid[[0, -1]] = False
        return best_last_group(glow, noise=9.0, correlation=-0.3, first_group=6, valid=valid)

    def test_brighter_glows_are_masked_for_longer(self):
        """The brighter, the longer it is worth the noise."""
        ends = [self.last_group(amplitude) for amplitude in (3, 30, 300)]
        assert ends == sorted(ends)
        assert ends[0] < ends[2]

    def test_slow_glows_are_masked_for_longer(self):
        """To the end, if they are bright enough."""
        assert self.last_group(300, decay=3.0) < 30
        assert self.last_group(3000, decay=40.0) is None


class TestMerging:
    """Candidates and what is in the file."""

    CANDIDATE = replace(GLOW, status="candidate", source="propose", score=9.0)

    def merged(self, showers, found):
        """Return the merged showers, and how many are new."""
        merged = merge_candidates(RegionFile(showers=tuple(showers), reviewer="A"), found)
        assert merged.region_file.reviewer == "A"
        return list(merged.region_file.showers), merged.new

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": "accepted"},
            {"status": "rejected", "comment": "a star"},
            {"source": "manual"},
            {"comment": "look again"},
            {"source": "propose, corrected", "a": 30.0},
        ],
    )
    def test_what_people_did_stays(self, changes):
        """And the same shower is not proposed beside it, a little off as it may be found."""
        decided = replace(self.CANDIDATE, **changes)
        again = replace(self.CANDIDATE, x=74.0, a=12.0, group=10, score=11.0)
        assert self.merged([decided], [again]) == ([decided], 0)
        assert self.merged([decided], []) == ([decided], 0)

    def test_candidates_of_before(self):
        """Stay as they are, for somebody may have changed them; those not found any more go."""
        old = [
            replace(self.CANDIDATE, y=100.0),
            replace(self.CANDIDATE, a=15.0, flags=("JUMP_DET",)),
        ]
        again = replace(self.CANDIDATE, score=11.0)
        new = replace(self.CANDIDATE, y=20.0)
        assert self.merged(old, [new, again]) == ([old[1], new], 1)
        assert merge_candidates(RegionFile(showers=tuple(old)), [again]).gone == 1

    def test_how_late_is_the_same(self):
        """So many groups or seconds, whichever is more."""
        late = replace(self.CANDIDATE, group=self.CANDIDATE.group + 20)
        assert not is_same(self.CANDIDATE, late, group_time=2.775)
        assert is_same(self.CANDIDATE, late, group_time=0.1)

    def test_what_is_much_smaller(self):
        """Is something else, such as a shower in what was rejected because it fills the frame."""
        assert not is_same(self.CANDIDATE, replace(self.CANDIDATE, a=90.0, b=60.0))

    def test_other_showers_in_one_place(self):
        """Much later, in another integration, or elsewhere: another shower."""
        for change in ({"group": 20}, {"integration": 1}, {"y": 100.0}):
            assert not is_same(self.CANDIDATE, replace(self.CANDIDATE, **change))


class TestCommand:
    """As typed."""

    @pytest.fixture
    def jump(self, sky, tmp_path, monkeypatch):
        """Return the path of a jump file with a glow."""
        monkeypatch.chdir(tmp_path)
        path = Path("x_jump.fits")
        sky.add_glow(GLOW, amplitude=15.0, decay=20.0).model().save(str(path))
        return path

    def test_propose_review_propose(self, jump, capsys):
        """A region file that the step takes; decisions survive, and nothing is written twice."""
        assert main(["propose", str(jump)]) == 0
        assert "x: 1 candidate, S/N " in capsys.readouterr().out
        regions = read_regions("x_showers.yaml")
        assert (regions.exposure, regions.shape) == ("x", (1, 30, 128, 136))
        (candidate,) = regions.candidates
        before = Path("x_showers.yaml").stat().st_mtime_ns
        assert main(["propose", str(jump)]) == 0
        assert "0 new" in capsys.readouterr().out
        assert Path("x_showers.yaml").stat().st_mtime_ns == before
        decided = replace(regions, showers=(replace(candidate, status="rejected"),))
        write_regions("x_showers.yaml", decided)
        assert main(["propose", str(jump)]) == 0
        assert read_regions("x_showers.yaml") == decided

    def test_what_was_corrected_on_the_review_page(self, jump):
        """Is left alone."""
        assert main(["propose", str(jump)]) == 0
        with ImageReader(jump) as reader:
            session = ReviewSession(reader.exposure, Path("x_showers.yaml"))
        session.edit(0, {"a": 30.0, "last_group": 20})
        session.save()
        regions = read_regions("x_showers.yaml")
        assert main(["propose", str(jump), "--threshold", "1000"]) == 0
        assert read_regions("x_showers.yaml") == regions

    def test_candidates_that_go_are_counted(self, jump, capsys):
        """A higher threshold takes some of what was found, and says that it does."""
        assert main(["propose", str(jump)]) == 0
        assert main(["propose", str(jump), "--threshold", "1000"]) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        assert last == "x: no candidates, 1 of before not found again and taken out"
        assert not read_regions("x_showers.yaml").showers

    @pytest.mark.parametrize("threshold", ["nan", "inf", "0", "-3", "much"])
    def test_thresholds_that_are_none(self, jump, threshold, capsys):
        """Are refused."""
        with pytest.raises(SystemExit, match="2"):
            main(["propose", str(jump), f"--threshold={threshold}"])
        assert threshold in capsys.readouterr().err

    def test_two_exposures_of_one_name(self, jump, sky, capsys):
        """Would share a region file: the second is refused."""
        Path("other").mkdir()
        sky.model().save("other/x_jump.fits")
        assert main(["propose", str(jump), "other/x_jump.fits", "-o", "regions"]) == 1
        assert len(read_regions("regions/x_showers.yaml").candidates) == 1
        assert (
            "other/x_jump.fits: has the same region file as x_jump.fits" in capsys.readouterr().err
        )

    def test_a_bad_path_among_others(self, jump, capsys):
        """Is told, and the others are searched."""
        Path("empty").mkdir()
        assert main(["propose", "empty", str(jump), "missing_jump.fits"]) == 1
        assert Path("x_showers.yaml").exists()
        errors = capsys.readouterr().err
        assert (
            "empty: found no exposure, expected files that end in _jump.fits, _ramp.fits" in errors
        )
        assert "missing_jump.fits" in errors

    @pytest.mark.parametrize("name", ["x_jump.fits", "x_jump.fits/below", "new.yaml"])
    def test_no_directory(self, jump, name, capsys):
        """For the region files: said before anything is searched."""
        assert main(["propose", str(jump), "-o", name]) == 1
        assert "expected a directory for" in capsys.readouterr().err

    def test_elsewhere_and_directories(self, jump, capsys):
        """Region files go to a directory; of a directory every ramp is searched."""
        assert main(["propose", ".", "-o", "regions"]) == 0
        assert Path("regions/x_showers.yaml").exists()
        assert not Path("x_showers.yaml").exists()

    def test_nothing_found(self, sky, tmp_path, capsys):
        """Is said, and no file is made of it."""
        sky.model().save(str(tmp_path / "x_jump.fits"))
        assert main(["propose", str(tmp_path / "x_jump.fits")]) == 0
        assert capsys.readouterr().out == "x: no candidates\n"
        assert [path.name for path in tmp_path.iterdir()] == ["x_jump.fits"]

    def test_interrupted(self, jump, sky, monkeypatch, capsys):
        """What is done is written and told, with what is left."""
        sky.model().save("y_jump.fits")
        run = SearchTask.run

        def stop_at_the_second(task):
            if task.path.name == "y_jump.fits":
                raise KeyboardInterrupt
            return run(task)

        monkeypatch.setattr(SearchTask, "run", stop_at_the_second)
        assert main(["propose", "."]) == 130
        assert "stopped after 1 of 2; what is finished is kept" in capsys.readouterr().out
        assert Path("x_showers.yaml").exists()

    @pytest.mark.slow
    def test_several_on_workers(self, jump, sky, capsys):
        """Each is counted; what can't be searched is told, and the others are."""
        Path("below").mkdir()
        sky.model().save("below/y_jump.fits")
        replace(sky, ngroups=5).model().save("z_jump.fits")
        assert main(["propose", ".", "-j", "2"]) == 1
        printed = capsys.readouterr()
        assert "3 exposures, on 2 workers" in printed.out
        assert "/3] x: 1 candidate" in printed.out
        assert "/3] y: no candidates" in printed.out
        assert "/3] z_jump.fits: FAILED" in printed.out
        assert "z_jump.fits: has 5 groups, expected at least 6" in printed.err
        assert Path("x_showers.yaml").exists()

    def test_what_can_not_be_searched(self, sky, jump, capsys):
        """Each with its reason; the others are searched."""
        sky.raw_model().save("raw_uncal.fits")
        datamodels.ImageModel((8, 8)).save("r_rate.fits")
        replace(sky, ngroups=5).model().save("short_jump.fits")
        model = sky.model()
        model.meta.exposure.group_time = None
        model.save("t_jump.fits")
        paths = ["raw_uncal.fits", "r_rate.fits", "short_jump.fits", "t_jump.fits", "none.fits"]
        assert main(["propose", *paths, str(jump)]) == 1
        printed = capsys.readouterr()
        assert "x: 1 candidate" in printed.out
        for reason in (
            "raw_uncal.fits: is a raw ramp",
            "r_rate.fits: is a rate, in which a shower's time course is gone",
            "short_jump.fits: has 5 groups, expected at least 6",
            "t_jump.fits: has no group time",
            "none.fits: can't be read",
        ):
            assert reason in printed.err

    def test_region_file_of_another_exposure(self, jump, capsys):
        """Is not merged into."""
        write_regions("x_showers.yaml", RegionFile(showers=(), exposure="y"))
        assert main(["propose", str(jump)]) == 1
        assert "exposure is y, but the data are x" in capsys.readouterr().err

    def test_the_ramp_is_not_read_as_a_whole(self, jump, tmp_path):
        """A strip of rows of one group at a time is the most that is asked for."""
        sizes = []

        class Watched(ImageReader):
            def window(self, integration, group, box):
                sizes.append((box[0].stop - box[0].start) * (box[1].stop - box[1].start))
                return super().window(integration, group, box)

        with Watched(jump) as reader:
            list(find_candidates(reader, (128, 136), group_time=GROUP_TIME))
        assert max(sizes) <= 128 * 136


class TestRealRamp:
    """A real detector, without showers that anyone knows of."""

    def test_raw(self, real_ramp):
        """A raw ramp is refused, with what to do instead."""
        with pytest.raises(ExposureError, match=r"expected one from calwebb_detector1"):
            propose_showers(real_ramp, real_ramp.with_suffix(".yaml"), threshold=THRESHOLD)

    def test_from_jump(self, real_ramp):
        """Nothing in it is taken for a shower."""
        Detector1Pipeline.call(
            str(real_ramp), steps={"jump": {"save_results": True}}, output_dir=str(real_ramp.parent)
        )
        jump = real_ramp.with_name(real_ramp.name.replace("_uncal", "_jump"))
        proposal = propose_showers(jump, real_ramp.with_suffix(".yaml"), threshold=THRESHOLD)
        assert proposal.found == ()
