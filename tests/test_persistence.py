"""Persistence: what saturated in an exposure is masked in the later ones, and only there."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from jwst.datamodels import dqflags
from stdatamodels.jwst import datamodels

from showermask import BadPixels, RegionFile, Shower, read_regions, write_regions
from showermask.cli import main
from showermask.masking.footprint import find_footprints
from showermask.synthetic.crds_cache import Detector, build_cache, use_cache
from showermask.synthetic.ramps import RampBuilder

FRAME = (24, 32)
#: Product root, filter, MJD, and where the star is: the first in file order is the second in time.
EXPOSURES = {
    "jw00001001001_02101_00001_mirimage": ("F770W", 60000.02, (10, 8)),
    "jw00001001001_02101_00002_mirimage": ("F770W", 60000.01, (10, 20)),
    "jw00001001001_04101_00001_mirimage": ("F1000W", 60000.03, (18, 14)),
}
SECOND, FIRST, THIRD = EXPOSURES
LENGTH = 100 / 86400


def star(place, size=1):
    """Return the pixels of a star."""
    mask = np.zeros(FRAME, bool)
    y, x = place
    mask[y - size : y + size + 1, x - size : x + size + 1] = True
    return mask


def written(
    root, *, mjd, saturated, nints=1, ngroups=10, image_shape=FRAME, corner=(1, 1), **keywords
):
    """Write a ramp in which pixels saturate, each from a group on in an integration."""
    builder = RampBuilder(
        nints=nints, ngroups=ngroups, ny=image_shape[0], nx=image_shape[1], seed=1
    )
    model = builder.model()
    for mask, integration, group, bits in saturated:
        model.groupdq[integration, group:, mask] |= np.uint8(bits)
    model.meta.exposure.start_time = mjd
    model.meta.exposure.end_time = mjd + LENGTH
    model.meta.instrument.filter = keywords.get("filter")
    model.meta.instrument.detector = keywords.get("detector", "MIRIMAGE")
    model.meta.subarray.ystart, model.meta.subarray.xstart = corner
    path = Path(f"{root}_jump.fits")
    model.save(str(path))
    return path


def masked(root, folder=".", image_shape=FRAME):
    """Return the pixels that the region file of an exposure masks; none without one."""
    path = Path(folder) / f"{root}_showers.yaml"
    mask = np.zeros(image_shape, bool)
    if path.exists():
        for footprint in find_footprints(read_regions(path).accepted, image_shape):
            mask[footprint.box] |= footprint.inside
    return mask


@pytest.fixture
def dithers(tmp_path, monkeypatch):
    """Write three dithers in two filters; the star saturates in the third group."""
    monkeypatch.chdir(tmp_path)
    for root, (name, mjd, place) in EXPOSURES.items():
        bits = dqflags.group["SATURATED"]
        if root == FIRST:
            bits |= dqflags.group["DO_NOT_USE"]
        written(root, mjd=mjd, saturated=[(star(place), 0, 2, bits)], filter=name)
    return tmp_path


class TestDithers:
    """Three exposures in two filters, one earlier in file order and later in time."""

    def test_later_ones_and_only_they(self, dithers, capsys):
        """By time, not by name; SATURATED with DO_NOT_USE counts too."""
        assert main(["propose", "--persistence", "."]) == 0
        assert not Path(f"{FIRST}_showers.yaml").exists()
        first, second = (star(EXPOSURES[root][2]) for root in (FIRST, SECOND))
        assert np.array_equal(masked(SECOND), first)
        assert np.array_equal(masked(THIRD), first | second)
        lines = capsys.readouterr().out.splitlines()
        assert lines == [
            f"{FIRST}: no persistence of earlier exposures",
            f"{SECOND}: 9 pixels saturated in {FIRST}, in {SECOND}_showers.yaml",
            f"{THIRD}: 18 pixels saturated in {SECOND}, {FIRST}, in {THIRD}_showers.yaml",
        ]
        (entry,) = read_regions(f"{SECOND}_showers.yaml").pixels
        assert (entry.x, entry.y) == ((19, 21), (9, 11))
        assert entry.flags == ("DO_NOT_USE", "PERSISTENCE")
        assert entry.comment == f"saturated in {FIRST}, 764 s before"

    @pytest.mark.slow
    def test_through_batch_to_rates(self, dithers, tmp_path_factory):
        """DO_NOT_USE in the groups, so no rate; PERSISTENCE where the plane knows it."""
        assert main(["propose", "--persistence", ".", "-o", "regions"]) == 0
        detector = Detector(ny=FRAME[0], nx=FRAME[1], subarray="SUB128")
        with use_cache(build_cache(tmp_path_factory.mktemp("crds"), detector)):
            arguments = ["batch", "regions", ".", "-o", "rates", "--to", "rate", "-j", "1"]
            assert main(arguments) == 0
        made = sorted(path.name for path in Path("rates").glob("*_rate.fits"))
        assert made == [f"{root}_rate.fits" for root in (SECOND, THIRD)]
        with datamodels.open(f"rates/{THIRD}_rate.fits") as rate:
            flagged = (rate.dq & dqflags.pixel["DO_NOT_USE"]) > 0
            assert flagged[masked(THIRD, "regions")].all()
            elsewhere = ~masked(THIRD, "regions") & ~star(EXPOSURES[THIRD][2])
            assert not flagged[elsewhere].any()
        with datamodels.open(f"{THIRD}_jump.fits") as ramp:
            image = datamodels.ImageModel(FRAME)
            image.meta.filename = ramp.meta.filename.replace("_jump", "_rate")
            image.save(f"{THIRD}_rate.fits")
        assert main(["batch", "regions", ".", "-o", "masked", "--from", "rate", "-j", "1"]) == 0
        with datamodels.open(f"masked/{THIRD}_rate.fits") as rate:
            bits = dqflags.pixel["DO_NOT_USE"] | dqflags.pixel["PERSISTENCE"]
            assert np.array_equal(rate.dq == bits, masked(THIRD, "regions"))

    def test_twice(self, dithers, capsys):
        """Nothing changes, not a byte."""
        assert main(["propose", "--persistence", "."]) == 0
        before = {path.name: path.read_bytes() for path in Path().glob("*.yaml")}
        capsys.readouterr()
        assert main(["propose", "--persistence", "."]) == 0
        assert {path.name: path.read_bytes() for path in Path().glob("*.yaml")} == before
        assert f"already in {SECOND}_showers.yaml" in capsys.readouterr().out

    def test_what_people_did_stays(self, dithers):
        """Showers, pixels and comments of theirs; what they rejected is not proposed again."""
        shower = Shower(integration=0, group=1, x=5, y=6, a=2, b=2, theta=0)
        mine = BadPixels(x=0, y="all", comment="bad")
        root = f"{SECOND}_showers.yaml"
        write_regions(root, RegionFile(showers=(shower,), pixels=(mine,)))
        assert main(["propose", "--persistence", "."]) == 0
        regions = read_regions(root)
        assert regions.entries[:2] == (shower, mine)
        text = (
            Path(root).read_text().replace("PERSISTENCE]\n", "PERSISTENCE]\n  status: rejected\n")
        )
        Path(root).write_text(text)
        rejected = read_regions(root)
        assert len(rejected.accepted) == 2
        assert main(["propose", "--persistence", ".", "--grow", "1"]) == 0
        assert read_regions(root).pixels[:2] == rejected.pixels
        assert not masked(SECOND)[9:12, 19:22].any()

    def test_decisions_of_all_kinds(self, dithers):
        """Accepted candidates, changed groups and notes in the file survive the next run."""
        path = Path(f"{SECOND}_showers.yaml")
        assert main(["propose", "--persistence", ".", "--as-candidates"]) == 0
        text = path.read_text().replace("status: candidate", "last_group: 4  # by eye")
        path.write_text(text)
        for extra in (["--as-candidates"], [], ["--as-candidates", "--grow", "1"]):
            assert main(["propose", "--persistence", ".", *extra]) == 0
            assert "last_group: 4  # by eye" in path.read_text()
            assert read_regions(path).pixels[0].is_accepted

    def test_exposures_that_were_not_looked_at(self, dithers, capsys):
        """Keep what they have left before."""
        assert main(["propose", "--persistence", "."]) == 0
        before = Path(f"{SECOND}_showers.yaml").read_bytes()
        assert main(["propose", "--persistence", f"{SECOND}_jump.fits"]) == 0
        assert Path(f"{SECOND}_showers.yaml").read_bytes() == before

    def test_what_does_not_hold_any_more(self, dithers, capsys):
        """Is taken out, and that is told."""
        assert main(["propose", "--persistence", "."]) == 0
        assert main(["propose", "--persistence", ".", "--unsaturated-groups", "0"]) == 0
        assert not masked(SECOND).any()
        assert f"{SECOND}: no persistence of earlier exposures; 1 entry" in capsys.readouterr().out

    def test_a_rejected_mask_is_not_written_over(self, dithers):
        """What is new goes into another; twice is as once."""
        scattered = np.indices(FRAME).sum(axis=0) % 2 == 0
        scattered[12:] = False
        scattered[:, ::3] = False
        written(FIRST, mjd=60000.01, saturated=[(scattered, 0, 0, 2)])
        assert main(["propose", "--persistence", "."]) == 0
        path = Path(f"{SECOND}_showers.yaml")
        path.write_text(path.read_text().replace("E]\n", "E]\n  status: rejected\n"))
        for _ in range(2):
            assert main(["propose", "--persistence", "."]) == 0
            assert not masked(SECOND).any()
        more = scattered.copy()
        more[13:23:2, 1::2] = more[:12, ::3] = True
        more[:12, ::6] = False
        written(FIRST, mjd=60000.01, saturated=[(more, 0, 0, 2)])
        for _ in range(3):
            assert main(["propose", "--persistence", "."]) == 0
            assert np.array_equal(masked(SECOND), more & ~scattered)

    def test_time_limit(self, dithers):
        """Counts from the end of the one to the start of the other."""
        assert main(["propose", "--persistence", ".", "--time-limit", "1000"]) == 0
        assert np.array_equal(masked(THIRD), star(EXPOSURES[SECOND][2]))

    def test_time_limits_of_filters(self, dithers):
        """A limit for the filter of the later exposure goes before that for all."""
        name = EXPOSURES[THIRD][0]
        for limit, is_masked in ((f"{name}=1", False), (f"{name}=any", True)):
            options = ["--time-limit", "1000", "--time-limit", limit]
            assert main(["propose", "--persistence", ".", "-o", limit, *options]) == 0
            path = Path(limit) / f"{THIRD}_showers.yaml"
            assert path.exists() == is_masked

    def test_grown(self, dithers):
        """By so many pixels on each side."""
        assert main(["propose", "--persistence", ".", "--grow", "2"]) == 0
        assert np.array_equal(masked(SECOND), star(EXPOSURES[FIRST][2], 3))

    def test_candidates(self, dithers):
        """Are for the review, and not applied."""
        assert main(["propose", "--persistence", ".", "--as-candidates"]) == 0
        assert len(read_regions(f"{SECOND}_showers.yaml").candidates) == 1

    def test_many_ranges_go_into_a_file(self, dithers, capsys):
        """Beside the region file; twice is as once, and less is less."""
        scattered = np.indices(FRAME).sum(axis=0) % 2 == 0
        written(FIRST, mjd=60000.01, saturated=[(scattered, 0, 0, 2)])
        for _ in range(2):
            assert main(["propose", "--persistence", ".", "-o", "regions"]) == 0
            assert np.array_equal(masked(SECOND, "regions"), scattered)
        assert Path(f"regions/{SECOND}_persistence.fits").exists()


class TestRules:
    """Which pixels count."""

    def later(self, source, *arguments, **saturated):
        """Return what is masked after an exposure."""
        written("b", mjd=60001.0, saturated=[])
        assert main(["propose", "--persistence", str(source), "b_jump.fits", *arguments]) == 0
        return masked("b")

    def test_every_integration(self, dithers):
        """One is enough, whichever it is."""
        places = [(star((5, 5)), 0, 0, 2), (star((12, 20)), 2, 1, 2)]
        source = written("a", mjd=60000.9, saturated=places, nints=3)
        assert np.array_equal(self.later(source), star((5, 5)) | star((12, 20)))

    @pytest.mark.parametrize(
        ("ngroups", "group", "is_masked"),
        [(10, 3, True), (10, 4, False), (3, 1, True), (3, 2, False), (5, 2, True), (5, 3, False)],
    )
    def test_unsaturated_groups(self, dithers, ngroups, group, is_masked):
        """At most three, and fewer than half: a ramp of three groups is not flagged wholesale."""
        source = written("a", mjd=60000.9, saturated=[(star((5, 5)), 0, group, 2)], ngroups=ngroups)
        found = self.later(source)
        assert np.array_equal(found, star((5, 5)) & is_masked)

    def test_other_limits(self, dithers):
        """As asked."""
        source = written("a", mjd=60000.9, saturated=[(star((5, 5)), 0, 4, 2)])
        assert self.later(source, "--unsaturated-groups", "4").sum() == 9

    def test_another_detector(self, dithers):
        """Has nothing of it."""
        places = [(star((5, 5)), 0, 0, 2)]
        source = written("a", mjd=60000.9, saturated=places, detector="MIRIFUSHORT")
        assert not self.later(source).any()

    def test_subarrays(self, dithers):
        """Are parts of one detector: pixels are where they are on it."""
        source = written(
            "a", mjd=60000.9, saturated=[(star((5, 5))[:12, :12], 0, 0, 2)], image_shape=(12, 12),
            corner=(11, 13),
        )  # fmt: skip
        assert np.array_equal(self.later(source), star((15, 17)))


class TestRefusals:
    """What can't be done is told, the rest is done."""

    def test_each_with_its_reason(self, dithers, capsys):
        """And exit code 1."""
        written("a", mjd=60002.0, saturated=[])
        with fits.open("a_jump.fits", mode="update") as hdus:
            del hdus[0].header["EXPSTART"]
        RampBuilder(ngroups=4, ny=8, nx=8).raw_model().save("r_uncal.fits")
        datamodels.ImageModel(FRAME).save("i_rate.fits")
        arguments = ["a_jump.fits", "r_uncal.fits", "i_rate.fits", "none_jump.fits", "."]
        assert main(["propose", "--persistence", *arguments]) == 1
        errors = capsys.readouterr().err
        for reason in (
            "a_jump.fits: EXPSTART is None: expected what says when (MJD) and where",
            "r_uncal.fits: expected a ramp with the flags of the saturation step",
            "i_rate.fits: expected a ramp",
            "none_jump.fits: can't be read",
        ):
            assert reason in errors
        assert masked(SECOND).any()

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("EXPSTART", "soon"),
            ("EXPSTART", True),
            ("EXPEND", 1e308),
            ("EXPEND", 59000.0),
            ("SUBSTRT1", 1.5),
            ("DETECTOR", 5),
        ],
    )
    def test_keywords_that_make_no_sense(self, dithers, key, value, capsys):
        """Are told of the one exposure; the others are done."""
        with fits.open(f"{FIRST}_jump.fits", mode="update") as hdus:
            hdus[0].header[key] = value
        assert main(["propose", "--persistence", "."]) == 1
        assert f"{FIRST}_jump.fits: {key} is " in capsys.readouterr().err
        assert masked(THIRD).any()

    @pytest.mark.parametrize(
        "option", ["--grow=-1", "--grow=x", "--time-limit=0", "--unsaturated-groups=-2"]
    )
    def test_options(self, dithers, option):
        """Are checked."""
        with pytest.raises(SystemExit, match="2"):
            main(["propose", "--persistence", ".", option])


def test_many_sources_make_one_mask(tmp_path, monkeypatch):
    """With the name of each source in its header, and region files that stay small."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    spots = [rng.random(FRAME) < 0.05 for _ in range(6)]
    for number, spot in enumerate(spots):
        written(f"e{number}", mjd=60000 + 0.01 * number, saturated=[(spot, 0, 1, 2)])
    for _ in range(2):
        assert main(["propose", "--persistence", "."]) == 0
        assert np.array_equal(masked("e5"), np.any(spots[:5], axis=0))
    (entry,) = read_regions("e5_showers.yaml").pixels
    assert entry.mask == "e5_persistence.fits"
    assert entry.comment.startswith("saturated in 5 earlier exposures, ")
    image, header = fits.getdata(entry.mask, header=True)
    assert [header[f"SRC{i}"] for i in range(1, 6)] == ["e0", "e1", "e2", "e3", "e4"]
    for number in range(5):
        later = np.any([np.zeros(FRAME, bool), *spots[number + 1 : 5]], axis=0)
        assert np.array_equal(image == number + 1, spots[number] & ~later)
    assert main(["propose", "--persistence", "e5_jump.fits"]) == 0
    assert np.array_equal(masked("e5"), np.any(spots[:5], axis=0)), "sources not looked at stay"
