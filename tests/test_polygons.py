"""Polygons: pixels, what is refused, and the way through every command."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from showermask import (
    ManualShowerMaskStep,
    Polygon,
    RegionFile,
    Shower,
    read_regions,
    write_regions,
)
from showermask.cli import main
from showermask.commands.convert.ds9 import read_ds9
from showermask.commands.convert.ds9draw import write_ds9
from showermask.commands.convert.ecsv import read_table, write_table
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import MaskTooLargeError, PolygonError, RegionFileError
from showermask.exposure.product import describe_file
from showermask.masking.footprint import find_footprints
from showermask.masking.mask import Mask
from showermask.pipeline.manifest import read_manifest

ROOT = "jw00001001001_02101_00001_mirimage"
IMAGE = (32, 40)
#: A concave shape, with corners on and between pixel centres.
ARROW = ((5, 5), (30, 5), (30.5, 24), (18, 12), (6.25, 25.5))


SAID = {"flags": ["JUMP_DET"], "status": "candidate", "comment": "a {b}", "last_group": 7}


def polygon(vertices=ARROW, **changes):
    """Return a polygon from group 3 on."""
    return Polygon(**{"integration": 0, "group": 3, "vertices": vertices, **changes})


def pixels_of(entry, image_shape=IMAGE):
    """Return the pixels of an image as the entry has them."""
    mask = np.zeros(image_shape, bool)
    box, inside = entry.pixels(image_shape)
    mask[box] = inside
    return mask


def star(rng, corners, scale=20.0):
    """Return a random polygon that does not meet itself: corners at rising angles."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.2, 1.0, corners) * scale
    centre = rng.uniform(-5, 45, 2)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1) + centre


class TestPixels:
    """A pixel is masked when its centre is inside or on the edge."""

    def test_as_matplotlib_has_them(self):
        """A thousand polygons, within rounding of the edge where matplotlib leaves it open."""
        rng = np.random.default_rng(20261121)
        y, x = np.mgrid[: IMAGE[0], : IMAGE[1]]
        centres = np.stack([x.ravel(), y.ravel()], axis=1)
        compared = 0
        for _ in range(1000):
            corners = star(rng, int(rng.integers(3, 40)))
            try:
                found = pixels_of(polygon(corners)).ravel()
            except PolygonError:  # the centre is outside of what the angles span
                continue
            outline = Outline(np.concatenate([corners, corners[:1]]), closed=True)
            surely_inside = outline.contains_points(centres, radius=-1e-7)
            surely_inside &= outline.contains_points(centres, radius=1e-7)
            maybe = outline.contains_points(centres, radius=1e-7)
            maybe |= outline.contains_points(centres, radius=-1e-7)
            assert not np.any(surely_inside & ~found)
            assert not np.any(found & ~maybe)
            compared += 1
        assert compared > 900

    @pytest.mark.parametrize("turn", [1, -1])
    def test_centres_on_the_edge(self, turn):
        """Corners and sides through pixel centres belong to the polygon, whatever its sense."""
        found = pixels_of(polygon(((2, 3), (6, 3), (6, 8), (2, 8))[::turn]))
        expected = np.zeros(IMAGE, bool)
        expected[3:9, 2:7] = True
        np.testing.assert_array_equal(found, expected)
        diagonal = pixels_of(polygon(((0, 0), (8, 8), (0, 8))[::turn]))
        assert diagonal[5, 5]
        assert not diagonal[4, 5]

    @given(st.integers(0, 3599), st.floats(-30, 70), st.floats(-30, 60))
    def test_over_the_edge_of_the_image(self, tenths, x, y):
        """What sticks out is cut off, pixel for pixel.

        No centre is on an edge but for rounding, which differs between places of the image.
        """
        theta = 0.1 * tenths + 0.037
        points = Shower(integration=0, group=0, x=x, y=y, a=15, b=6, theta=theta).ellipse.points(12)
        large = pixels_of(polygon(points + 100), (300, 300))
        np.testing.assert_array_equal(pixels_of(polygon(points)), large[100:132, 100:140])

    def test_a_thousand_corners(self):
        """Are masked at once."""
        points = Shower(
            integration=0, group=0, x=500, y=500, a=300, b=200, theta=20
        ).ellipse.points(1000)
        found = pixels_of(polygon(points), (1024, 1032))
        assert np.count_nonzero(found) == pytest.approx(np.pi * 300 * 200, rel=1e-3)


class TestValues:
    """What a polygon may be."""

    @pytest.mark.parametrize(
        ("vertices", "message"),
        [
            (((0, 0), (4, 4)), "vertices has 2 items, expected 3 or more"),
            (((0, 0),) * 1001, "vertices has 1001 items, expected 1000 or fewer"),
            (((0, 0), (1, 2, 3), (4, 4)), r"vertices\[1\] has 3 items, expected 2"),
            (((0, 0), (1, "a"), (4, 4)), r"vertices\[1\]\[1\] is the text 'a', expected a finite"),
            (((0, 0), (1, 2e6), (4, 4)), r"vertices\[1\]\[1\] is 2000000.0, expected 1000000 or"),
            (((0, 0), (1, float("nan")), (4, 4)), r"vertices\[1\]\[1\] is nan"),
            (((0, 0), (8, 8), (8, 0), (0, 8)), "vertices has sides 0 and 2 that cross or touch"),
            (((0, 0), (8, 0), (4, 0)), "cross or touch"),
            (((0, 0), (0, 0), (4, 0), (4, 4)), "cross or touch"),
            (((0, 0), (8, 0), (8, 8), (4, 0), (0, 8)), "cross or touch"),
        ],
    )
    def test_refusals(self, vertices, message):
        """Too few or too many corners, no numbers, sides that meet."""
        with pytest.raises(PolygonError, match=message):
            polygon(vertices)

    def test_in_a_file(self, tmp_path):
        """Round trips in YAML and ASDF, as version 1.2; without polygons as before."""
        regions = RegionFile(polygons=[polygon(comment="a glow", score=8.5, flags=["JUMP_DET"])])
        for name in ("r.yaml", "r.asdf"):
            write_regions(tmp_path / name, regions)
            assert read_regions(tmp_path / name) == regions
        assert yaml.safe_load((tmp_path / "r.yaml").read_text())["format"] == "showermask-1.2"
        write_regions(tmp_path / "old.yaml", replace(regions, polygons=[]))
        text = (tmp_path / "old.yaml").read_text()
        assert yaml.safe_load(text)["format"] == "showermask-1.0"

    def test_a_version_that_has_none(self, tmp_path):
        """A file of version 1.1 can't have polygons, and is told which can."""
        path = tmp_path / "r.yaml"
        path.write_text("format: showermask-1.1\npolygons: []\nshowers: []\n")
        with pytest.raises(
            RegionFileError, match="expected showermask-1.2 in a file with polygons"
        ):
            read_regions(path)

    def test_comments_at_corners_stay(self, tmp_path):
        """A corner that moves keeps its comment; where corners come and go, all are above."""
        path = tmp_path / "r.yaml"
        path.write_text(
            "polygons:\n- integration: 0\n  group: 3\n  vertices:\n  - [5, 5]  # a star\n"
            "  - [30, 5]\n  # keep this one\n  - [20, 20]\n"
        )
        regions = read_regions(path)
        (before,) = regions.polygons
        for vertices in (((5, 6), (30, 5), (20, 20)), ((5, 6), (30, 5), (20, 20), (6, 18))):
            write_regions(path, replace(regions, polygons=[replace(before, vertices=vertices)]))
            text = path.read_text()
            assert "# a star" in text
            assert "# keep this one" in text
            assert read_regions(path).polygons[0].vertices == vertices

    def test_closed_by_hand(self):
        """The line closes by itself, and says so."""
        with pytest.raises(PolygonError, match="ends where it begins; leave out the last corner"):
            polygon(((0, 0), (8, 0), (8, 8), (0, 0)))

    def test_comments_stay(self, tmp_path):
        """Comments go with their polygons."""
        path = tmp_path / "r.yaml"
        write_regions(path, RegionFile(polygons=[polygon(), polygon(group=5)]))
        text = path.read_text().replace("  group: 5", "  # by eye\n  group: 5")
        path.write_text(text)
        regions = read_regions(path)
        write_regions(path, replace(regions, polygons=regions.polygons[1:]))
        assert "by eye" in path.read_text()
        assert read_regions(path).polygons == regions.polygons[1:]


class TestCommands:
    """Polygons go where showers go."""

    @pytest.fixture
    def files(self, tmp_path, monkeypatch, builder):
        """Return exposure and region file, in the working directory."""
        monkeypatch.chdir(tmp_path)
        Path("data").mkdir()
        Path("regions").mkdir()
        exposure = Path(f"data/{ROOT}_jump.fits")
        builder.model().save(str(exposure))
        regions = Path(f"regions/{ROOT}_showers.yaml")
        rejected = polygon(status="rejected", group=5)
        write_regions(regions, RegionFile(polygons=[polygon(), rejected], exposure=ROOT))
        return exposure, regions

    def test_step(self, files):
        """The accepted polygon is masked from its group on, and counted."""
        exposure, regions = files
        result = ManualShowerMaskStep(region_file=str(regions)).run(str(exposure))
        expected = np.zeros(result.groupdq.shape, bool)
        expected[0, 3:] = pixels_of(polygon())
        np.testing.assert_array_equal(result.groupdq & 4 > 0, expected)
        cards = result.extra_fits.PRIMARY.header
        assert ["SHWMNPLY", 1, "Number of masked polygons"] in [list(card) for card in cards]
        assert ["SHWMNSHW", 0] in [list(card[:2]) for card in cards]

    def test_check(self, files, capsys):
        """A table of their own, with their extent."""
        assert main(["check", str(files[1]), str(files[0])]) == 0
        out = capsys.readouterr().out
        assert "polygons: 2, of which 1 accepted, 0 candidate, 1 rejected" in out
        assert "5 corners, x 5 to 30.5, y 5 to 25.5" in out
        assert f"total of 1: {np.count_nonzero(pixels_of(polygon()))} pixels" in out

    @pytest.mark.slow
    def test_batch_and_report(self, files, capsys):
        """Both are masked, counted and drawn."""
        assert main(["batch", "regions", "data", "-o", "out", "-j", "1"]) == 0
        record = read_manifest(Path("out"))[ROOT]
        assert (record.showers, record.regions) == (0, 1)
        assert record.frame_pixels == np.count_nonzero(pixels_of(polygon()))
        assert main(["report", "out"]) == 0
        page = Path("out/report.html").read_text()
        assert "polygons[1]" in page
        assert page.count("<figure") == 10

    def test_batch_and_dry_run_refuse_the_same(self, files, capsys):
        """In the same words, with exit code 1."""
        away = polygon([(100, 5), (120, 5), (110, 20)])
        write_regions(files[1], RegionFile(polygons=[away, polygon(flags=["JUMP"])]))
        said = []
        for more in (["--dry-run"], []):
            arguments = ["batch", "regions", "data", "-o", "out", "-j", "1", *more]
            assert main(arguments) == 1
            said.append(capsys.readouterr().out)
        for words in (
            "polygons[1].flags: JUMP is not a flag of GROUPDQ",
            "polygons[0] covers no pixel of the frame",
        ):
            assert all(words in text for text in said)

    def test_all_problems_at_once(self, files, capsys):
        """Values, relations, ranges and flags of a file are told in one go."""
        files[1].write_text(
            "showers:\n- {integration: 0, group: 9, last_group: 2, x: a, y: 1, a: 1, b: 1, "
            "theta: 0, flags: [FOO]}\npolygons:\n- {integration: 7, group: 1, "
            "vertices: [[0, 0], [8, 8], [8, 0], [0, 8]]}\n"
        )
        assert main(["check", str(files[1]), str(files[0])]) == 1
        err = capsys.readouterr().err
        for words in (
            "showers[0].x is the text 'a'",
            "showers[0].last_group is 2, expected 9",
            "showers[0].flags: FOO is not a flag of GROUPDQ",
            "polygons[0].integration is 7, but the exposure has integrations 0 to 0",
            "polygons[0].vertices has sides 0 and 2 that cross",
        ):
            assert words in err
        assert main(["batch", "regions", "data", "-o", "out", "--dry-run"]) == 1
        assert "showers[0].flags: FOO is not a flag of GROUPDQ" in capsys.readouterr().out

    def test_cost(self, files):
        """Footprints of polygons count once where they overlap others."""
        exposure = describe_file(files[0])
        regions = RegionFile(polygons=[polygon()], showers=[])
        mask = Mask.plan(regions, exposure)
        assert mask.coverage.counts == {"showers": 0, "pixels": 0, "polygons": 1}
        (footprint,) = find_footprints([polygon()], exposure.shape)
        assert mask.coverage.pixels == footprint.pixels


class TestConvert:
    """DS9 and ECSV hold polygons with all that is said of them."""

    @given(st.integers(0, 2**32 - 1), st.integers(3, 60))
    def test_ds9_round_trip(self, seed, corners):
        """Any numbers come back, in the same order."""
        rng = np.random.default_rng(seed)
        try:
            entry = polygon(star(rng, corners), **SAID)
        except PolygonError:
            return
        regions = RegionFile(polygons=[entry])
        assert read_ds9(write_ds9(regions), Path("x.reg"), ConvertOptions()) == regions

    def test_ds9_by_hand(self):
        """A polygon with a group is a polygon, one without is pixels."""
        text = "image\npolygon(2,3,12,3,7,13)\n"
        given = ConvertOptions(integration=0, group=4)
        (found,) = read_ds9(text, Path("x.reg"), given).polygons
        assert found == polygon(((1, 2), (11, 2), (6, 12)), group=4, source="ds9")
        tagged = "image\npolygon(2,3,12,3,7,13) # tag={integration 1} tag={group 2}\n"
        (found,) = read_ds9(tagged, Path("x.reg"), ConvertOptions()).polygons
        assert (found.integration, found.group) == (1, 2)

    def test_ecsv(self):
        """In the metadata, with everything."""
        regions = RegionFile(
            showers=[Shower(integration=0, group=1, x=1, y=2, a=3, b=4, theta=5)],
            polygons=[polygon(**SAID)],
        )
        assert read_table(write_table(regions), Path("x.ecsv")) == regions


class TestAgreement:
    """All commands take and refuse the same, and tell everything at once."""

    @pytest.fixture(autouse=True)
    def folders(self, tmp_path, monkeypatch, builder):
        """Work where there is an exposure."""
        monkeypatch.chdir(tmp_path)
        for name in ("data", "regions"):
            Path(name).mkdir()
        builder.model().save(f"data/{ROOT}_jump.fits")
        self.exposure = describe_file(f"data/{ROOT}_jump.fits")

    def batch(self, capsys, *more):
        """Return exit code and output of a dry run and a run, which have to be alike."""
        arguments = ["batch", "regions", "data", "-o", "out", "-j", "1", *more]
        results = []
        for option in ("--dry-run", "-j1"):
            code = main([*arguments, option])
            said = capsys.readouterr()
            results.append((code, said.out + said.err))
        assert results[0][0] == results[1][0]
        return results

    def test_an_invalid_file_of_another_name_fails_its_exposure(self, capsys):
        """By the exposure that it names, with what is wrong for it, whatever its lists."""
        Path("regions/m51.yaml").write_text(
            f"exposure: {ROOT}\npolygons:\n- {{integration: 0, group: 30, "
            "vertices: [[0, 0], [8, 8], [8, 0], [0, 8]]}\n"
        )
        for code, text in self.batch(capsys):
            assert code == 1
            assert f"{ROOT}: " in text
            assert "sides 0 and 2 that cross" in text
            assert "group is 30, but the exposure has groups 0 to 9" in text

    def test_nothing_to_do(self, capsys):
        """Is an error of the dry run too."""
        Path("regions/x_showers.yaml").write_text("showers: []\n")
        for code, text in self.batch(capsys):
            assert code == 1
            assert "nothing to do" in text

    def test_raw_ramps_under_another_name(self, capsys, builder):
        """Are refused before anything is done."""
        builder.raw_model().save(f"data/{ROOT}_jump.fits")
        write_regions(f"regions/{ROOT}_showers.yaml", RegionFile(polygons=[polygon()]))
        for _, text in self.batch(capsys):
            assert "is a raw ramp (uncal)" in text

    @pytest.mark.slow
    def test_a_mask_that_was_allowed_is_reported(self, capsys):
        """The report shows what the batch has masked, however large."""
        frame = polygon(((0, 0), (39, 0), (39, 31), (0, 31)))
        write_regions(f"regions/{ROOT}_showers.yaml", RegionFile(polygons=[frame]))
        self.batch(capsys, "--steps.manual_shower_mask.max_masked_fraction=1")
        assert main(["report", "out"]) == 0
        assert "<figure>" in Path("out/report.html").read_text()

    def test_everything_is_told_of_an_invalid_file(self, capsys):
        """Header, ranges, and entries off the frame, beside a value that is not valid."""
        Path("r.yaml").write_text(
            "exposure: other\nshape: [1, 8, 32, 40]\nshowers:\n"
            "- {integration: 0, group: 1, x: a, y: 1, a: 1, b: 1, theta: 0}\n"
            "- {integration: 0, group: 9, x: 5, y: 5, a: 3, b: 3, theta: 0}\n"
            "polygons:\n- {integration: 0, group: 1, vertices: [[90, 1], [99, 1], [95, 9]]}\n"
        )
        assert main(["check", "r.yaml", f"data/{ROOT}_jump.fits"]) == 1
        err = capsys.readouterr().err
        assert "exposure is other, but the data are" in err
        assert "polygons[0] covers no pixel of the frame" in err
        assert err.count("showers[1].group is 9") == 1

    def test_flags_do_not_hide_the_rest(self):
        """Unknown flags of the step, and of an entry that covers no pixel."""
        away = polygon(((90, 1), (99, 1), (95, 9)), flags=["FOO"])
        regions = RegionFile(polygons=[away, polygon()])
        with pytest.raises(RegionFileError) as raised:
            Mask.plan(regions, self.exposure, default_flags=["BAR"])
        text = str(raised.value)
        assert "polygons[0].flags: FOO is not a flag" in text
        assert "polygons[0] covers no pixel" in text
        assert "flags of the step: BAR is not a flag" in text

    def test_a_limit_that_is_no_number(self):
        """Refuses every mask, and no file without one."""
        plan = {"max_masked_fraction": float("nan")}
        assert Mask.plan(RegionFile(), self.exposure, **plan).coverage.pixels == 0
        with pytest.raises(MaskTooLargeError):
            Mask.plan(RegionFile(polygons=[polygon()]), self.exposure, **plan)

    @pytest.mark.parametrize(
        "group",
        [-(10**400), 10**400, 10**5000, 2**63, np.array(1.5)],
        ids=["low", "high", "no text", "64 bits", "array"],
    )
    def test_numbers_that_are_none(self, group):
        """Are refused, however large."""
        with pytest.raises(PolygonError, match="group is"):
            polygon(group=group)

    def test_numbers_of_numpy(self):
        """Are taken, arrays without axes too."""
        assert polygon(group=np.int64(3), last_group=np.array(5)).last_group == 5

    def test_the_same_entry_twice(self):
        """Is told as repeated, and kept in its section."""
        entry = polygon()
        assert list(RegionFile(polygons=[entry, entry]).repeated()) == [
            ("polygons[0]", "polygons[1]")
        ]
        with pytest.raises(RegionFileError, match="showers: found a polygon"):
            RegionFile(showers=[entry])
