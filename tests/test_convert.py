"""Other files: nothing is lost on the way out and back, and nothing is half read."""

import string
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from regions import Regions
from stdatamodels.jwst.datamodels import dqflags

from showermask import BadPixels, RegionFile, Shower, Status, read_regions
from showermask.cli import main
from showermask.commands.convert.ds9 import read_ds9
from showermask.commands.convert.ds9draw import write_ds9
from showermask.commands.convert.ecsv import read_table, write_table
from showermask.commands.convert.flags import read_flag_file
from showermask.commands.convert.options import ConvertOptions
from showermask.exceptions import ConvertError, RegionFileError
from showermask.exposure.product import describe_file
from showermask.masking.footprint import find_footprints
from showermask.regionfile.badpixels import ranges_of
from showermask.regionfile.maskfile import write_mask
from showermask.regionfile.writer import write_regions
from showermask.synthetic.ramps import RampBuilder

HERE = Path("x.reg")
SHOWER = Shower(integration=0, group=12, x=31.5, y=20.0, a=9.0, b=5.5, theta=30.0)

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("{}#;\"'=\n"),
    max_size=20,
)
places = st.floats(-1000, 3000, allow_nan=False)
axes = st.floats(1e-3, 3000, allow_nan=False)
names = st.text(string.ascii_uppercase + "_", min_size=1, max_size=12)
names |= st.sampled_from(["a,b", " a", '"', "[x"])
flags = st.none() | st.lists(names, min_size=1, max_size=3).map(tuple)
times = {"integration": st.integers(0, 3), "group": st.integers(0, 9)}
ends = st.none() | st.integers(9, 30)
showers = st.builds(
    Shower,
    **times,
    last_group=ends,
    x=places,
    y=places,
    a=axes,
    b=axes,
    theta=st.floats(-720, 720, allow_nan=False),
    status=st.sampled_from(list(Status)),
    flags=flags,
    comment=st.none() | texts,
    source=st.none() | texts,
    score=st.none() | st.floats(-1e6, 1e6, allow_nan=False),
)
spans = st.integers(0, 90) | st.tuples(st.integers(0, 20), st.integers(20, 90)) | st.just("all")
pixels = st.builds(
    BadPixels,
    x=spans,
    y=spans,
    integration=st.none() | st.integers(0, 3),
    group=st.none() | st.integers(0, 9),
    last_group=ends,
    status=st.sampled_from(list(Status)),
    flags=flags,
    comment=st.none() | texts,
    source=st.none() | texts,
)
headers = st.text(string.ascii_letters + ' .äλ\n"\\', min_size=1, max_size=12)
region_files = st.builds(
    RegionFile,
    showers=st.lists(showers, max_size=4).map(tuple),
    pixels=st.lists(pixels, max_size=3).map(tuple),
    exposure=st.none() | headers,
    shape=st.none() | st.just((4, 31, 91, 91)),
    subarray=st.none() | headers,
    reviewer=st.none() | headers,
    reviewed=st.none() | st.just("2026-11-20T15:00:00Z"),
)


def in_ds9(text, **context):
    """Return what is read of a DS9 text."""
    return read_ds9(text, HERE, ConvertOptions(**context))


def union(entries, image_shape):
    """Return the pixels of entries in a frame."""
    mask = np.zeros(image_shape, bool)
    for footprint in find_footprints(entries, image_shape):
        mask[footprint.box] |= footprint.inside
    return mask


@pytest.fixture
def exposure(tmp_path, monkeypatch):
    """Return a ramp on disk, in the working directory."""
    monkeypatch.chdir(tmp_path)
    RampBuilder(nints=2, ngroups=20, ny=40, nx=60).model().save("x_jump.fits")
    return "x_jump.fits"


class TestDs9:
    """DS9 region files."""

    @given(regions=region_files)
    def test_round_trip(self, regions):
        """Loses nothing: no digit, no text, no entry, and their order stays."""
        back = in_ds9(write_ds9(regions))
        assert back == regions

    @pytest.mark.parametrize("comment", ["007", "1e5", "nan", "True", "a text={b}", "tag={x}", "#"])
    def test_texts_that_look_like_something_else(self, comment):
        """Are texts, here and as somebody wrote them."""
        regions = RegionFile(showers=(replace(SHOWER, comment=comment),))
        assert in_ds9(write_ds9(regions)) == regions
        line = "image\ncircle(1,2,3) # color=red text='007' tag={group 1}"
        assert in_ds9(line, integration=0).showers[0].comment == "007"

    @given(shower=showers.filter(lambda s: max(s.a, s.b) < 300))
    def test_regions_sees_the_same_pixels(self, shower):
        """Pixel for pixel, but where six decimals decide."""
        text = write_ds9(RegionFile(showers=(replace(shower, comment=None, source=None),)))
        (shape,) = Regions.parse(text, format="ds9")
        image_shape = (60, 70)
        image = shape.to_mask(mode="center").to_image(image_shape)
        theirs = np.zeros(image_shape, bool) if image is None else image > 0
        y, x = np.indices(image_shape)
        at_the_edge = np.abs(shower.ellipse.radius(x, y) - 1) < 1e-3
        assert np.array_equal(theirs | at_the_edge, union([shower], image_shape) | at_the_edge)

    def test_pixels_are_boxes(self):
        """Which ``regions`` masks as they are meant."""
        region = BadPixels(x=(3, 7), y=5)
        (shape,) = Regions.parse(write_ds9(RegionFile(showers=(), pixels=(region,))), format="ds9")
        image = shape.to_mask(mode="center").to_image((20, 30)) > 0
        assert np.array_equal(image, union([region], (20, 30)))

    def test_what_people_see(self):
        """Radii, from 1, colours by status, and the comment as text."""
        rejected = replace(SHOWER, status="rejected", comment="a star?", last_group=14)
        line = write_ds9(RegionFile(showers=(rejected,))).splitlines()[-1]
        assert line == (
            "ellipse(32.500000,21.000000,9.000000,5.500000,30.000000) # color=red text={a star?} "
            "tag={integration 0} tag={group 12} tag={last_group 14} tag={status rejected}"
        )

    def test_a_shape_that_was_moved(self):
        """In DS9: what is seen counts, not what was kept."""
        shower = replace(SHOWER, x=31.123456789012)
        text = write_ds9(RegionFile(showers=(shower,)))
        assert "tag={exact" in text
        assert in_ds9(text).showers == (shower,)
        moved = in_ds9(text.replace("ellipse(32.123457", "ellipse(35.5")).showers[0]
        assert (moved.x, moved.group) == (34.5, 12)

    def test_drawn_by_hand(self):
        """Header, colours, fonts; ellipses and circles become showers with what is given."""
        text = (
            "# Region file format: DS9 version 4.1\n"
            'global color=green dashlist=8 3 width=1 font="helvetica 10 normal roman" select=1\n'
            "image\n"
            "ellipse(32.5,21,9,5.5,30) # color=magenta text={bright one}\n"
            "circle(11,12,4);box(8,9,3,5,0) # width=2\n"
            "+ellipse 5 6 2 1 0\n"
        )
        regions = in_ds9(text, integration=0, group=12)
        first, second, third = regions.showers
        assert first == replace(SHOWER, comment="bright one", source="ds9")
        assert (second.x, second.y, second.a, second.b) == (10, 11, 4, 4)
        assert (third.x, third.y, third.a, third.b) == (4, 5, 2, 1)
        (box,) = regions.pixels
        assert (box.x, box.y, box.integration, box.group) == ((6, 8), (6, 10), 0, 12)

    @pytest.mark.parametrize(
        "shape",
        [
            "polygon(5,5,25.5,8,14,27)",
            "annulus(20,15,4,9)",
            "ellipse(20,15,4,3,9,7,20)",
            "box(20,15,9,4,30)",
            "box(20.3,15,9,4,0)",
            "point(7,9) # point=x",
        ],
    )
    def test_other_shapes_become_pixels(self, exposure, shape):
        """The same that ``regions`` masks, in few ranges."""
        regions = in_ds9(f"image\n{shape}\n", exposure=describe_file(exposure))
        (theirs,) = Regions.parse(f"image\n{shape}\n", format="ds9")
        if shape.startswith("point"):
            expected = np.zeros((40, 60), bool)
            expected[8, 6] = True
        else:
            expected = theirs.to_mask(mode="center").to_image((40, 60)) > 0
        assert np.array_equal(union(regions.pixels, (40, 60)), expected)
        assert regions.exposure == "x"

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (
                "circle(3,4,5)",
                "line 1: comes before any coordinate system, which in DS9",
            ),
            ("physical\ncircle(3,4,5)", "line 1: is in physical coordinates; save"),
            ("fk5\ncircle(3,4,5)", "line 1: is in fk5, sky coordinates, for which ramps and rates"),
            ("image;circle(3,4,5);icrs;circle(1,2,3)", "is in icrs, sky coordinates"),
            ("image\n-circle(3,4,5)", "line 2: '-circle(3,4,5)' excludes pixels"),
            ("image\nannulus(9,9,3,4,5)", "line 2: annulus has 5 numbers, expected 4"),
            ('image\ncircle(3,4,5")', "line 2: circle has '5\"', expected numbers of pixels"),
            ("image\ncircle(3,4)", "line 2: circle has 2 numbers, expected 3"),
            (
                "image\nvector(3,4,5,6)",
                "line 2: 'vector(3,4,5,6)' can't be converted, exp",
            ),
            ("image\n# text(3,4) text={hi}", "line 2: '# text(3,4) text={hi}' is no shape with"),
            ("image\ncircle(3,4,5) # text={a {b} c}", "line 2: has braces within braces"),
            ("image\ncircle(3,4,5) || circle(3,4,6)", "line 2: "),
            ("image\ncircle(3,4,5", "line 2: "),
            (
                "image\nannulus(5,5,2,4)",
                "CircleAnnulusPixelRegion becomes pixels, for which",
            ),
            ("tile 2\nimage\ncircle(1,2,3)", "line 1: "),
            ("image\ncircle(1,2,0)", "line 2: "),
            ("image\nellipse(1,2,nan,3,0)", "line 2: ellipse has 'nan', expected numbers"),
            ("image ellipse(1,2,3,4,5)", "is more than a coordinate system; use a ;"),
            ("image\nglobal color=red circle(1,2,3)", "is more than defaults"),
            ("image\ncircle(1,2,3) # include=0", "excludes pixels"),
            ("global include=0\nimage\ncircle(1,2,3)", "is more than defaults"),
            ("image\ncircle(1,2,3) # tag={group 1} tag={group 2}", "has several tags group"),
            ("# showermask {broken", "line 1: begins as one of ours, but is not whole"),
        ],
    )
    def test_what_is_not_taken(self, text, sentence):
        """Is refused with a sentence, never half read."""
        with pytest.raises(ConvertError) as raised:
            in_ds9(text, integration=0, group=0)
        assert sentence in str(raised.value)

    def test_what_is_no_matter(self):
        """Comments, a byte order mark, tags of other programs, which are kept in the comment."""
        text = "# ellipse(1,2,3,4,5)\n# Note (x)\nimage\ncircle(3,4,5) # text={a} tag={night 2}\n"
        (shower,) = in_ds9(text, integration=0, group=0).showers
        assert shower.comment == "a; night 2"

    def test_far_too_large(self, exposure):
        """Does not fill the memory."""
        with pytest.raises(ConvertError, match="pixels large, the frame 60 × 40"):
            in_ds9("image\nbox(10,20,1e9,5,0)", exposure=describe_file(exposure))

    def test_no_integration_and_group(self):
        """Are asked for."""
        with pytest.raises(ConvertError, match="line 2: has no integration and group; give --int"):
            in_ds9("image\ncircle(3,4,5)")

    def test_all_that_is_wrong_is_told(self):
        """At once."""
        with pytest.raises(ConvertError) as raised:
            in_ds9("image\n-circle(3,4,5)\nline(1,2,3,4)\ncircle(3,4,5)")
        assert len(raised.value.problems) == 3


class TestTable:
    """ECSV."""

    @given(regions=region_files)
    def test_round_trip(self, regions):
        """Loses nothing."""
        assert read_table(write_table(regions), HERE) == regions

    def test_what_people_see(self):
        """Columns with units, that any astropy reads."""
        text = write_table(RegionFile(showers=(SHOWER,), exposure="x"))
        table = Table.read(text.splitlines(), format="ascii.ecsv")
        assert (table["x"][0], str(table["x"].unit), str(table["theta"].unit)) == (
            31.5,
            "pix",
            "deg",
        )
        assert "flags" not in table.colnames

    @pytest.mark.parametrize(
        ("table", "sentence"),
        [
            (Table({"x": [1.0]}), "showers[0].integration is missing"),
            (Table({"x": [1.0], "other": [2]}), "showers[0].other is not a known key"),
            (Table({"x": ["a"]}), "showers[0].x is the text 'a', expected a finite number"),
        ],
    )
    def test_what_is_wrong(self, tmp_path, table, sentence):
        """Is told as in a region file."""
        path = tmp_path / "t.ecsv"
        table.write(path)
        with pytest.raises(RegionFileError) as raised:
            read_table(path.read_text(), path)
        assert sentence in str(raised.value)

    def test_units(self, tmp_path):
        """Other units are not taken for pixels."""
        table = Table({"x": [1.0]}, units={"x": "arcsec"})
        table.write(tmp_path / "t.ecsv")
        with pytest.raises(ConvertError, match="x is in arcsec, expected pix"):
            read_table((tmp_path / "t.ecsv").read_text(), HERE)

    def test_no_table(self):
        """Is told."""
        with pytest.raises(ConvertError, match="can't be read as an ECSV table"):
            read_table("x y\n1 2\n", HERE)


class TestToolList:
    """What the original tool prints."""

    TEXT = "[(31.5, 20, 9, 5.5, 30, 0, 12), (np.float64(3.0), 4.5, 2, 1, -10.5, 1, 3)]"

    def test_what_it_masked(self, exposure):
        """The axes are semi-axes, as it masked them; half of it, as it drew them."""
        Path("list.txt").write_text(self.TEXT)
        assert main(["convert", "list.txt", "a.yaml", "--from", "tool"]) == 0
        first, second = read_regions("a.yaml").showers
        assert first == replace(SHOWER, source="MIRI ShowerMasking")
        assert (second.x, second.theta, second.integration, second.group) == (3, -10.5, 1, 3)
        assert main(["convert", "list.txt", "b.yaml", "--from", "tool", "--drawn-size"]) == 0
        assert read_regions("b.yaml").showers[0].a == 4.5

    def test_back(self, exposure, capsys):
        """And what it has no place for is told."""
        late = replace(SHOWER, last_group=15)
        rejected = replace(SHOWER, status="rejected")
        write_regions("a.yaml", RegionFile(showers=(late, rejected)))
        assert main(["convert", "a.yaml", "list.txt", "--to", "tool"]) == 0
        assert Path("list.txt").read_text() == "[(31.5, 20.0, 9.0, 5.5, 30.0, 0, 12)]\n"
        out = capsys.readouterr().out
        assert "not in list.txt: 1 shower, not accepted" in out
        assert "not in list.txt: last groups" in out

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("[(1, 2, 3, 4, 5, 0)]", "tuple 0 is (1, 2, 3, 4, 5, 0), expected seven numbers"),
            ("[(1, 2, 3, 4, 5, 0, x)]", "expected seven numbers"),
            ("(1, 2, 3, 4, 5, 0.5, 1)", "tuple 0 has no whole integration"),
            ("print(1)", "has 'print', expected tuples"),
        ],
    )
    def test_what_is_wrong(self, exposure, text, sentence, capsys):
        """Is told, and nothing is written."""
        Path("list.txt").write_text(text)
        assert main(["convert", "list.txt", "a.yaml", "--from", "tool"]) == 1
        assert sentence in capsys.readouterr().err
        assert not Path("a.yaml").exists()


class TestPixelLists:
    """Columns x and y."""

    def test_origin(self, exposure):
        """Has to be given; ranges are made of neighbours."""
        Path("bad.txt").write_text("# mine\n4 3\n5,3  # two\n\n1 1\n")
        arguments = ["convert", "bad.txt", "a.yaml", "--from", "pixels"]
        assert main(arguments) == 1
        assert main([*arguments, "--origin", "1"]) == 0
        ones = read_regions("a.yaml").pixels
        assert [(region.x, region.y) for region in ones] == [(0, 0), ((3, 4), 2)]
        assert main([*arguments, "--origin", "0"]) == 1
        assert main([*arguments, "--origin", "0", "--overwrite"]) == 0
        zeros = read_regions("a.yaml").pixels
        assert [(region.x, region.y) for region in zeros] == [(1, 1), ((4, 5), 3)]

    @given(mask=st.integers(0, 2**63))
    def test_ranges_are_the_pixels(self, mask):
        """No more, no less, none twice."""
        bits = np.array([mask >> i & 1 for i in range(63)], bool).reshape(7, 9)
        found = [BadPixels(x=x, y=y) for x, y in ranges_of(bits)]
        assert np.array_equal(union(found, bits.shape), bits)
        assert (
            sum(footprint.pixels for footprint in find_footprints(found, bits.shape)) == bits.sum()
        )

    def test_many_go_into_a_mask(self, exposure):
        """Which the region file names; the list itself stays."""
        mask = np.indices((40, 60)).sum(axis=0) % 2 == 1
        rows, columns = np.nonzero(mask)
        lines = "".join(f"{x} {y}\n" for x, y in zip(columns, rows, strict=True))
        Path("bad.txt").write_text(lines)
        for extra, code in (([], 1), (["--exposure", exposure], 0)):
            arguments = ["convert", "bad.txt", "x_showers.yaml", "--from", "pixels"]
            assert main([*arguments, "--origin=0", *extra]) == code
        (region,) = read_regions("x_showers.yaml").pixels
        assert region.mask == "x_showers_mask.fits"
        assert np.array_equal(union([region], mask.shape), mask)
        back = ["convert", "x_showers.yaml", "back.txt", "--to=pixels", "--origin=0"]
        assert main(back) == 0
        assert Path("back.txt").read_text().split("\n", 1)[1] == lines

    @pytest.mark.parametrize(
        "line", ["1", "1 2\f3 4", "1 2 3", "a b", "1.5 2", "-1 2", "1 2; 3 4", "1e3 2"]
    )
    def test_what_is_wrong(self, exposure, line, capsys):
        """Is told with its line."""
        Path("bad.txt").write_text(f"1 1\n{line}\n")
        assert main(["convert", "bad.txt", "a.yaml", "--from=pixels", "--origin=0"]) == 1
        assert f"bad.txt: line 2 is {line!r}, expected two whole" in capsys.readouterr().err

    def test_outside(self, exposure, capsys):
        """Of the frame that is given, or below the origin."""
        Path("bad.txt").write_text("0 0\n60 3\n")
        arguments = ["convert", "bad.txt", "a.yaml", "--from=pixels", "--exposure", exposure]
        assert main([*arguments, "--origin=0"]) == 1
        assert "has the pixel (60, 3), zero-based, but the frame" in capsys.readouterr().err
        assert main([*arguments, "--origin=1"]) == 1
        assert "has pixels below 1, the origin that is given" in capsys.readouterr().err


class TestFlagFiles:
    """Manual flag files of jwst_reffiles."""

    TEXT = (
        "# a comment\n"
        " x       y       flag\n"
        "4:5      :       unreliable_slope\n"
        "3        2       HOT\n"
        ":1       6:      DEAD\n"
        "7:       :1      HOT   # to the end\n"
        "3        2       RC\n"
    )

    def test_all_forms(self, exposure):
        """The pixels and bits of their rules, written out for a small frame."""
        expected = np.zeros((8, 10), np.uint32)
        expected[:, 4:6] |= dqflags.pixel["UNRELIABLE_SLOPE"]
        expected[2, 3] |= dqflags.pixel["HOT"] | dqflags.pixel["RC"]
        expected[6:8, 0:2] |= dqflags.pixel["DEAD"]
        expected[0:2, 7:10] |= dqflags.pixel["HOT"]
        RampBuilder(ngroups=6, ny=8, nx=10).model().save("s_jump.fits")
        context = ConvertOptions(exposure=describe_file("s_jump.fits"))
        found = read_flag_file(self.TEXT, HERE, context)
        plane = np.zeros((8, 10), np.uint32)
        for region in found:
            (name,) = region.flags
            plane[union([region], (8, 10))] |= dqflags.pixel[name]
        assert np.array_equal(plane, expected)

    def test_what_is_wrong(self):
        """An unknown flag is an error, not left out; all problems at once."""
        text = "1 2 NOT_A_FLAG\n1:x 2 HOT\n5:3 1 HOT\n1 2\n"
        with pytest.raises(ConvertError) as raised:
            read_flag_file(text, HERE, ConvertOptions())
        assert [problem.split(": ", 1)[1] for problem in raised.value.problems] == [
            "line 1: NOT_A_FLAG is no flag of the pixel plane",
            "line 2 has '1:x', expected a number or a range such as 3:5",
            "line 3 has '5:3', expected a range that goes up",
            "line 4 is '1 2', expected x y flag",
        ]

    def test_open_ends_need_the_frame(self):
        """Which the file does not tell."""
        with pytest.raises(ConvertError, match="line 1 has the range 7:, for which the frame"):
            read_flag_file("7: 2 HOT", HERE, ConvertOptions())


class TestMasks:
    """FITS masks."""

    def test_there_and_back(self, exposure, capsys):
        """Few pixels become ranges; entries become the pixels that they mask."""
        mask = np.zeros((40, 60), bool)
        mask[3:9, 10:14] = mask[30, 59] = True
        write_mask(Path("bad.fits"), mask)
        assert main(["convert", "bad.fits", "a.yaml", "--exposure", exposure]) == 0
        regions = read_regions("a.yaml")
        assert len(regions.pixels) == 2
        write_regions("b.yaml", replace(regions, showers=(SHOWER,)))
        assert main(["convert", "b.yaml", "back.fits"]) == 0
        assert "not in back.fits: integrations, groups, flags and texts" in capsys.readouterr().out
        expected = mask | union([SHOWER], mask.shape)
        assert np.array_equal(fits.getdata("back.fits") > 0, expected)

    def test_another_frame(self, exposure, capsys):
        """Is refused, where the exposure is given."""
        write_mask(Path("bad.fits"), np.ones((80, 90), bool))
        assert main(["convert", "bad.fits", "a.yaml", "--exposure", exposure]) == 1
        assert "but the frame has" in capsys.readouterr().err
        assert not Path("a.yaml").exists()


class TestCommand:
    """As typed."""

    @pytest.mark.parametrize("name", ["b.asdf", "b.yml", "b.reg", "b.ecsv"])
    def test_there_and_back(self, exposure, name):
        """By the suffix; the file is as before."""
        regions = RegionFile(
            showers=(SHOWER, replace(SHOWER, comment="näher {an}", x=0.1)),
            pixels=(BadPixels(x=3, y=4, flags=["HOT"]), BadPixels(x="all", y=(2, 3))),
            exposure="x",
            shape=(2, 20, 40, 60),
        )
        write_regions("a.yaml", regions)
        before = Path("a.yaml").read_bytes()
        assert main(["convert", "a.yaml", name]) == 0
        assert main(["convert", name, "c.yaml"]) == 0
        assert read_regions("c.yaml") == regions
        assert Path("a.yaml").read_bytes() == before

    def test_a_mask_beside(self, exposure):
        """Is named from DS9 and tables too."""
        write_mask(Path("m.fits"), np.eye(40, 60, dtype=bool))
        Path("a.yaml").write_text("pixels:\n- {mask: m.fits}\n")
        for name in ("b.reg", "b.ecsv"):
            assert main(["convert", "a.yaml", name]) == 0
            assert main(["convert", name, "c.yaml", "--overwrite"]) == 0
            assert read_regions("c.yaml") == read_regions("a.yaml")

    def test_nothing_else_is_written_over(self, exposure, capsys):
        """Not the exposure, nor a mask that is named, nor what is there already."""
        write_mask(Path("m.fits"), np.eye(40, 60, dtype=bool))
        Path("a.yaml").write_text("pixels:\n- {mask: m.fits}\n")
        Path("there.reg").write_text("mine")
        Path("big_mask.fits").write_text("mine")
        write_mask(Path("many.fits"), np.indices((40, 60)).sum(axis=0) % 2 == 1)
        before = {path.name: path.read_bytes() for path in Path().iterdir()}
        for arguments, sentence in (
            (["a.yaml", exposure, "--exposure", exposure, "--overwrite"], "is the exposure"),
            (["a.yaml", "m.fits", "--exposure", exposure, "--overwrite"], "is a mask of a.yaml"),
            (["a.yaml", "there.reg"], "there.reg: exists; give another name, or --overwrite"),
            (["many.fits", "big.yaml"], "big_mask.fits: exists; give another name"),
            (["many.fits", "new.txt", "--to=regions"], "new.txt: expected a region file with one"),
            (["a.yaml", ".", "--to=regions"], "is a directory"),
        ):
            assert main(["convert", *arguments]) == 1
            assert sentence in capsys.readouterr().err
        assert {path.name: path.read_bytes() for path in Path().iterdir()} == before

    @pytest.mark.parametrize("name", ["other/b.yaml", "other/b.reg", "other/b.ecsv"])
    def test_a_mask_that_is_another_there(self, exposure, name, capsys):
        """Is not named; a copy of it is."""
        Path("other").mkdir()
        write_mask(Path("m.fits"), np.eye(40, 60, dtype=bool))
        Path("a.yaml").write_text("pixels:\n- {mask: m.fits}\n")
        for image in (None, np.ones((40, 60), bool)):
            if image is not None:
                write_mask(Path("other/m.fits"), image)
            assert main(["convert", "a.yaml", name]) == 1
            assert "m.fits, which is not the same seen from" in capsys.readouterr().err
        Path("other/m.fits").write_bytes(Path("m.fits").read_bytes())
        assert main(["convert", "a.yaml", name]) == 0

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["a.yaml", "a.yaml"], "is the file to be converted; give another name"),
            (["a.txt", "b.yaml"], "its suffix does not tell what it is; give --from"),
            (["a.yaml", "b.txt"], "its suffix does not tell what it is; give --to"),
            (["a.yaml", "b.txt", "--to=flags"], "flag files are read, not written"),
            (["a.yaml", "b.fits"], "give --exposure"),
            (["none.reg", "b.yaml"], "can't be read (No such file or directory)"),
            (["x_jump.fits", "b.yaml"], "an image of 4 axes"),
            (["binary.reg", "b.yaml"], "is no text, expected UTF-8"),
            (["a.yaml", "none/b.reg"], "none"),
        ],
    )
    def test_what_is_wrong(self, exposure, arguments, sentence, capsys):
        """Is told, and nothing is written."""
        write_regions("a.yaml", RegionFile(showers=(SHOWER,)))
        Path("binary.reg").write_bytes(b"\xff\xfe\x00")
        before = sorted(path.name for path in Path().iterdir())
        assert main(["convert", *arguments]) == 1
        assert sentence in capsys.readouterr().err
        assert sorted(path.name for path in Path().iterdir()) == before

    def test_the_wrong_exposure(self, exposure, capsys):
        """Is noticed."""
        write_regions("a.yaml", RegionFile(showers=(SHOWER,), exposure="other"))
        assert main(["convert", "a.yaml", "b.reg", "--exposure", exposure]) == 1
        assert "exposure is other, but the data are x" in capsys.readouterr().err


LONG = "9" * 5000
ECSV = (
    "# %ECSV 1.0\n# ---\n# datatype:\n# - {{name: integration, datatype: int64}}\n"
    "{rows}# meta: {{showermask: {meta}}}\n# schema: astropy-2.0\n{table}\n"
)


def ecsv(meta="{}", rows="", table="integration\n0"):
    """Return the text of a table."""
    return ECSV.format(meta=meta, rows=rows, table=table)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("ds9", "image\npoint(1e999,2)", "line 2: point has '1e999', expected numbers"),
        ("ds9", "image\nbox(1,2,1e999,3,0)", "line 2: box has '1e999'"),
        ("ds9", "image\nannulus(1,2,3,1e999)", "line 2: annulus has '1e999'"),
        ("ds9", "image\npolygon(1,2,3,4,1e999,6)", "line 2: polygon has '1e999'"),
        ("ds9", "image\nellipse(1,2,3,4,-1e400)", "line 2: ellipse has '-1e400'"),
        ("ds9", f"image\ncircle({LONG},1,2)", "line 2: circle has '9999"),
        ("ds9", "image\n" + "(" * 100_000, "line 2: '((("),
        ("ds9", "# showermask " + "[" * 100_000 + "\nimage", "line 1: begins as one of ours"),
        ("ecsv", ecsv("null"), "its metadata showermask are 'None', expected a mapping"),
        ("ecsv", ecsv("5"), "are '5', expected a mapping"),
        ("ecsv", ecsv("hello"), "has 'hello', expected JSON"),
        ("ecsv", ecsv("[1, 2]"), "are '[1, 2]', expected a mapping"),
        ("ecsv", ecsv("!astropy.units.Unit {unit: m}"), "are 'm', expected a mapping"),
        ("ecsv", ecsv("'" + "[" * 100_000 + "'"), "expected JSON"),
        (
            "ecsv",
            ecsv(rows="# - {name: flags, datatype: string}\n", table="integration flags\n0 [a"),
            "has '[a', expected JSON",
        ),
        (
            "ecsv",
            ecsv(
                rows="# - {name: x, datatype: string, subtype: 'float64[2]'}\n",
                table="integration x\n0 [1.0,2.0]",
            ),
            "x holds arrays or objects, expected one value in a row",
        ),
        ("tool", "\n\n(1, 2, 3, 4, 5, -1, 3)", "line 3: tuple 0 has no whole integration"),
        ("tool", f"(1, 2, 3, 4, 5, 0, {LONG})", "line 1: tuple 0 has no whole integration"),
        ("tool", "(1,2,3,4,5,0,0)\n(1, 2, 0, 4, 5, 0, 3)", "line 2: tuple 1: a is 0.0, expected"),
        ("tool", "(1e999, 2, 3, 4, 5, 0, 3)", "line 1: tuple 0: x is inf, expected a finite"),
        ("tool", "(" * 100_000, "has brackets that are not closed"),
        ("flags", f"{LONG} 1 HOT", "line 1 has '9999"),
        ("pixels", f"1 {LONG}", "line 1 is '1 9999"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_odd_inputs(tmp_path, monkeypatch, capsys, kind, text, said):
    """Found by attacks: one sentence with the file and the place, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    Path("input").write_text(text)
    options = ["--from", kind, "--integration", "0", "--group", "3", "--origin", "0"]
    assert main(["convert", "input", "out.yaml", *options]) == 1
    err = capsys.readouterr().err
    assert f"showermask: input: {said}" in err or said in err
    assert all(line.startswith("showermask: input: ") for line in err.splitlines())
    assert not Path("out.yaml").exists()


@pytest.mark.parametrize(
    "tag", ["group A", "Group 1", "status good", "flags", "score inf", "exact 1"]
)
def test_tags_of_other_people(tag):
    """A tag that only begins like one of ours is kept in the comment."""
    (shower,) = in_ds9(f"image\ncircle(3,4,5) # tag={{{tag}}}\n", integration=0, group=0).showers
    assert (shower.comment, shower.group, shower.status) == (tag, 0, "accepted")
