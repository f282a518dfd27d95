"""Persistence: what saturated in an exposure is masked in the later ones, and only there."""

from importlib.metadata import version
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from jwst.datamodels import dqflags
from jwst.persistence import PersistenceStep
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
        nints=nints, ngroups=ngroups, ny=image_shape[0], nx=image_shape[1], readnoise=3.0, seed=1
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
            f"{FIRST}: no persistence",
            f"{SECOND}: 9 pixels, in {SECOND}_showers.yaml",
            f"    9 saturated in {FIRST}, 764 s before: no trace",
            f"{THIRD}: 18 pixels, in {THIRD}_showers.yaml",
            f"    9 saturated in {SECOND}, 764 s before: no trace",
            f"    9 saturated in {FIRST}, 1628 s before: no trace",
        ]
        (entry,) = read_regions(f"{SECOND}_showers.yaml").pixels
        assert (entry.x, entry.y) == ((19, 21), (9, 11))
        assert entry.flags == ("DO_NOT_USE", "PERSISTENCE")
        assert entry.comment == f"saturated in {FIRST}, 764 s before; no trace"

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
        assert f"{SECOND}: no persistence; 1 entry" in capsys.readouterr().out

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


class TestTraces:
    """Pixels are masked whether they show an excess, a deficit or nothing; that is said."""

    @pytest.mark.parametrize(
        ("slope", "trace"), [(40.0, "excess of "), (-40.0, "deficit of "), (0.0, "no trace")]
    )
    def test_excess_and_deficit(self, dithers, slope, trace, capsys):
        """Of the rise in the first integration, against the surroundings."""
        path = f"{SECOND}_jump.fits"
        with datamodels.open(path) as model:
            model.data[0, :, star(EXPOSURES[FIRST][2])] += slope * np.arange(10)
            model.save(path)
        assert main(["propose", "--persistence", "."]) == 0
        assert np.array_equal(masked(SECOND), star(EXPOSURES[FIRST][2]))
        (entry,) = read_regions(f"{SECOND}_showers.yaml").pixels
        assert f"764 s before; {trace}" in entry.comment
        assert f"9 saturated in {FIRST}, 764 s before: {trace}" in capsys.readouterr().out

    def test_saturated_again(self, dithers, capsys):
        """Nothing can be said of pixels that are saturated in both."""
        again = [(star(EXPOSURES[FIRST][2]), 0, 2, 2)]
        written(SECOND, mjd=60000.02, saturated=again)
        assert main(["propose", "--persistence", "."]) == 0
        assert f"9 saturated in {FIRST}, 764 s before\n" in capsys.readouterr().out


class TestOtherSources:
    """Exposures of other programmes, slews, and persistence arrays."""

    def test_visits_in_folders(self, dithers):
        """Their order is that of time, wherever they lie."""
        for number, root in enumerate((THIRD, FIRST, SECOND)):
            Path(f"visit{number}").mkdir()
            Path(f"{root}_jump.fits").rename(f"visit{number}/{root}_jump.fits")
        assert main(["propose", "--persistence", "visit0", "visit1", "visit2"]) == 0
        first, second = (star(EXPOSURES[root][2]) for root in (FIRST, SECOND))
        assert np.array_equal(masked(SECOND, "visit2"), first)
        assert np.array_equal(masked(THIRD, "visit0"), first | second)

    def test_earlier(self, dithers):
        """They are sources, and get no region files."""
        Path("other").mkdir()
        Path(f"{FIRST}_jump.fits").rename(f"other/{FIRST}_jump.fits")
        arguments = ["propose", "--persistence", f"{SECOND}_jump.fits", "-o", "regions"]
        assert main([*arguments, "--earlier", "other"]) == 0
        assert np.array_equal(masked(SECOND, "regions"), star(EXPOSURES[FIRST][2]))
        assert {path.name for path in Path().rglob("*.yaml")} == {f"{SECOND}_showers.yaml"}
        before = Path(f"regions/{SECOND}_showers.yaml").read_bytes()
        assert main(arguments) == 0
        assert Path(f"regions/{SECOND}_showers.yaml").read_bytes() == before

    def test_slews(self, dithers, capsys):
        """Until their end; where an exposure saturated too, that is the source."""
        Path("slews.txt").write_text(
            "x y until from\n"
            "3:5 2 2023-02-25T00:30:00 2023-02-25T00:20:00\n"
            "19 9:11 60001.0 59999.0\n"
        )
        assert main(["propose", "--persistence", ".", "--slews", "slews.txt"]) == 0
        mine = np.zeros(FRAME, bool)
        mine[2, 3:6] = True
        star_pixels, rest = star(EXPOSURES[FIRST][2]), np.zeros(FRAME, bool)
        rest[9:12, 19] = True
        assert np.array_equal(masked(SECOND), mine | star_pixels)
        assert np.array_equal(masked(FIRST), rest)
        assert not masked(THIRD)[2, 3:6].any()
        out = capsys.readouterr().out
        assert "    3 on a slew in slews.txt, until 2023-02-25T00:30:00.000: no trace" in out
        Path("slews.txt").write_text("0 0 60001.0\n")
        assert main(["propose", "--persistence", ".", "--slews", "slews.txt"]) == 0
        assert np.array_equal(masked(FIRST), np.arange(FRAME[0] * FRAME[1]).reshape(FRAME) == 0)

    def test_slews_of_a_subarray(self, dithers):
        """Pixels are those of the detector."""
        Path("slews.txt").write_text("x y until\n14 12 60010\n")
        written("a", mjd=60003.0, saturated=[], image_shape=(12, 12), corner=(11, 13))
        assert main(["propose", "--persistence", "a_jump.fits", "--slews", "slews.txt"]) == 0
        mask = masked("a", image_shape=(12, 12))
        assert mask[2, 2]
        assert mask.sum() == 1

    @pytest.mark.parametrize(
        ("table", "sentence"),
        [
            ("x y until\n5 -1 60001\n", "row 1: y is -1, expected a pixel from 0"),
            ("x y until\n5 9:3 60001\n", "row 1: y is 9:3, expected the first pixel"),
            ("x y until\n5 3 soon\n", "row 1: until is soon, expected UTC as"),
            ("x y until from\n5 3 60001 60002\n", "from is 60002, not before until, 60001"),
            ("x y\n5 3\n", "has the columns x, y, expected a table with the columns x, y, until"),
            ("", "can't be read"),
            ("1 2 3 4\n", "can't be read"),
        ],
    )
    def test_slews_that_make_no_sense(self, dithers, table, sentence, capsys):
        """Are refused before anything is written."""
        Path("slews.txt").write_text(table)
        assert main(["propose", "--persistence", ".", "--slews", "slews.txt"]) == 1
        assert sentence in capsys.readouterr().err
        assert not list(Path().glob("*.yaml"))

    def test_slews_of_several_detectors(self, dithers, capsys):
        """Say which."""
        written("a", mjd=60003.0, saturated=[], detector="MIRIFUSHORT")
        Path("slews.txt").write_text("1 2 60010\n")
        arguments = ["propose", "--persistence", ".", "--slews", "slews.txt"]
        assert main(arguments) == 1
        assert "has no column detector, but the exposures are of" in capsys.readouterr().err
        Path("slews.txt").write_text("x y until detector\n1 2 60010 mirifushort\n")
        assert main(arguments) == 0
        assert masked("a")[2, 1]
        assert not masked(FIRST).any()


@pytest.mark.skipif(
    int(version("jwst").split(".")[0]) < 3, reason="the step of jwst 2 takes no persistence array"
)
class TestPersistenceArray:
    """The file of the stock step, in and out."""

    def step(self, root, **parameters):
        """Run the stock step on an exposure, and return the pixels that it flags in all groups."""
        parameters = {"skip": False, "persistence_time": 18600, **parameters}
        result = PersistenceStep.call(f"{root}_jump.fits", **parameters)
        flagged = (result.groupdq & dqflags.group["PERSISTENCE"]) > 0
        return flagged.all(axis=(0, 1)) & ((result.groupdq & 2) == 0).all(axis=(0, 1))

    def test_the_step_reads_ours(self, dithers):
        """It flags in the third exposure what is masked there."""
        first_two = [f"{root}_jump.fits" for root in (FIRST, SECOND)]
        arguments = ["propose", "--persistence", *first_two, "-o", "regions"]
        assert main([*arguments, "--save-persistence", "array.asdf"]) == 0
        flagged = self.step(THIRD, persistence_array_file="array.asdf")
        assert np.array_equal(flagged, star(EXPOSURES[FIRST][2]) | star(EXPOSURES[SECOND][2]))

    def test_we_read_the_steps(self, dithers, capsys):
        """The third exposure has the pixels that the first two have left."""
        for root in (FIRST, SECOND):
            self.step(root, save_persistence="array.asdf", persistence_array_file="array.asdf")
        arguments = ["propose", "--persistence", f"{THIRD}_jump.fits"]
        assert main([*arguments, "--persistence-array-file", "array.asdf"]) == 0
        both = star(EXPOSURES[FIRST][2]) | star(EXPOSURES[SECOND][2])
        assert np.array_equal(masked(THIRD), both)
        assert "18 in the persistence array array.asdf, " in capsys.readouterr().out
        before = Path(f"{THIRD}_showers.yaml").read_bytes()
        assert main(arguments) == 0
        assert Path(f"{THIRD}_showers.yaml").read_bytes() == before, "not looked at this time"

    def test_in_and_out(self, dithers):
        """Visit by visit gives what all at once gives, also in a second run."""
        assert main(["propose", "--persistence", ".", "-o", "once"]) == 0
        files = ["--persistence-array-file", "array.asdf", "--save-persistence", "array.asdf"]
        for root in (FIRST, SECOND, THIRD):
            arguments = ["propose", "--persistence", f"{root}_jump.fits", "-o", "parts"]
            assert main([*arguments, *(files if root != FIRST else files[2:])]) == 0
            assert np.array_equal(masked(root, "parts"), masked(root, "once"))
        assert main(["propose", "--persistence", ".", "-o", "again", *files]) == 0
        for root in EXPOSURES:
            assert np.array_equal(masked(root, "again"), masked(root, "once"))

    def test_other_detectors_stay(self, dithers):
        """A file has one array a detector."""
        asdf.AsdfFile(
            {"NRS1": {"filename": "n", "rows": [1], "cols": [2], "vals": [3.0], "pers_time": 9}}
        ).write_to("array.asdf")
        assert main(["propose", "--persistence", ".", "--save-persistence", "array.asdf"]) == 0
        with asdf.open("array.asdf") as file:
            assert file["NRS1"]["filename"] == "n"
            assert file["MIRIMAGE"]["pers_time"] == 18600

    def test_subarray(self, dithers):
        """What is written says where its pixels are; what the step wrote needs its exposure."""
        places = [(star((5, 5))[:12, :12], 0, 2, 2)]
        written("a", mjd=59999.9, saturated=places, image_shape=(12, 12), corner=(11, 13))
        expected = star((15, 17))
        ours = ["propose", "--persistence", "a_jump.fits", "--save-persistence", "ours.asdf"]
        assert main([*ours, "-o", "a"]) == 0
        self.step("a", save_persistence="theirs.asdf")
        later = ["propose", "--persistence", f"{FIRST}_jump.fits"]
        for name, extra in (("ours", []), ("theirs", ["--earlier", "a_jump.fits"])):
            arguments = ["-o", name, "--persistence-array-file", f"{name}.asdf", *extra]
            assert main([*later, *arguments]) == 0
            assert np.array_equal(masked(FIRST, name), expected)

    def test_where_nobody_tells(self, dithers, capsys):
        """Subarrays of several corners: the exposure of the file is asked for."""
        written("a", mjd=60004.0, saturated=[], image_shape=(12, 12), corner=(11, 13))
        self.step(FIRST, save_persistence="array.asdf")
        arguments = ["propose", "--persistence", f"{SECOND}_jump.fits", "a_jump.fits"]
        arguments += ["--persistence-array-file", "array.asdf"]
        assert main(arguments) == 1
        assert "name that exposure too, with --earlier" in capsys.readouterr().err
        assert main([*arguments, "--earlier", f"{FIRST}_jump.fits"]) == 0

    @pytest.mark.parametrize(
        ("tree", "sentence"),
        [
            ({"MIRIMAGE": 5}, "MIRIMAGE is something else, expected a persistence array"),
            (
                {
                    "MIRIMAGE": {
                        "filename": "a", "rows": [-1], "cols": [1], "vals": [1.0], "pers_time": 5,
                    }
                },
                "MIRIMAGE: expected rows, cols and vals of one length",
            ),
            (None, "can't be read"),
        ],
    )  # fmt: skip
    def test_other_files(self, dithers, tree, sentence, capsys):
        """Are refused, and left as they are."""
        if tree is not None:
            asdf.AsdfFile(tree).write_to("array.asdf")
        else:
            Path("array.asdf").write_text("hello")
        before = Path("array.asdf").read_bytes()
        arguments = ["propose", "--persistence", "."]
        assert main([*arguments, "--persistence-array-file", "array.asdf"]) == 1
        assert sentence in capsys.readouterr().err
        assert Path("array.asdf").read_bytes() == before

    def test_needs_a_time(self, dithers, capsys):
        """No window without a limit."""
        arguments = ["propose", "--persistence", ".", "--save-persistence", "array.asdf"]
        assert main([*arguments, "--time-limit", "any"]) == 1
        assert "needs the time for which persistence matters" in capsys.readouterr().err
        assert not Path("array.asdf").exists()


def test_an_older_step_takes_no_array(dithers, monkeypatch, capsys):
    """Its persistence step has other parameters: a sentence, and the rest is done."""
    monkeypatch.setattr("importlib.metadata.version", lambda _: "2.0.1")
    assert main(["propose", "--persistence", ".", "--save-persistence", "array.asdf"]) == 0
    assert "not written, for the persistence step of jwst 2.0.1" in capsys.readouterr().out
    assert not Path("array.asdf").exists()
    assert masked(SECOND).any()


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
