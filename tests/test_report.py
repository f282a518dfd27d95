"""The report: what its pictures show, and that it says what is not there."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdatamodels.jwst import datamodels

from showermask import RegionFile, Shower, read_regions, write_regions
from showermask.cli import main
from showermask.commands.report.cutouts import RateSource, cut_out
from showermask.commands.report.pictures import Scale, draw_flags, draw_image
from showermask.exposure.images import ImageReader
from showermask.glow.quicklook import MaskedPlaces
from showermask.masking.footprint import find_footprints, set_bits
from showermask.pipeline.manifest import Record, file_time, write_manifest
from showermask.synthetic.ramps import RampBuilder

ROOT = "jw00001001001_02101_00001_mirimage"
LATE = Shower(integration=0, group=5, x=28, y=20, a=6, b=4, theta=30, comment="<i>late</i> & faint")
IDLE = Shower(integration=0, group=0, last_group=3, x=9, y=9, a=5, b=4, theta=0, score=7.5)


@pytest.fixture
def glowing(builder, tmp_path, monkeypatch):
    """Return the path of a jump file with two glows, and write its region file."""
    monkeypatch.chdir(tmp_path)
    for shower in (LATE, IDLE):
        builder = builder.add_glow(shower, amplitude=100.0, decay=20.0, is_flat=True)
    path = Path(f"{ROOT}_jump.fits")
    builder.model().save(str(path))
    showers = (LATE, IDLE, replace(LATE, status="rejected", x=5, comment=None))
    regions = RegionFile(showers=showers, exposure=ROOT, reviewer="A. N. Other")
    write_regions(f"{ROOT}_showers.yaml", regions)
    return path


def cutout_of(path, shower, masked, rates=None):
    """Return the surroundings of a shower."""
    with ImageReader(path) as reader:
        shape = reader.exposure.shape
        (footprint,) = find_footprints([shower], shape)
        places = MaskedPlaces(find_footprints(masked, shape, [5] * len(masked)))
        return cut_out(reader, footprint, places, rates or RateSource())


def at(cutout, name, x, y):
    """Return one pixel of the frame from an array of a cutout."""
    rows, columns = cutout.box
    return getattr(cutout, name)[y - rows.start, x - columns.start]


class TestCutouts:
    """The arrays of the pictures."""

    def test_late_shower(self, glowing):
        """The evidence has the glow, the rate before too, the rate after has not."""
        cutout = cutout_of(glowing, LATE, [LATE, IDLE])
        assert at(cutout, "evidence", 28, 20) > 5
        assert abs(at(cutout, "evidence", 28, 30)) < 1
        assert np.nanmax(cutout.curve.values) * 2.775 == pytest.approx(100, rel=0.05)
        assert at(cutout, "before", 28, 20) > 20
        assert at(cutout, "after", 28, 20) == pytest.approx(10, rel=1e-4)
        assert at(cutout, "before", 28, 30) == pytest.approx(10, rel=1e-4)
        assert at(cutout, "dq", 28, 20) == 5
        assert at(cutout, "dq", 28, 30) == 0
        assert cutout.evidence_title.startswith("evidence, smoothed 1")

    def test_idle_shower(self, glowing):
        """A light curve that fades; groups after the mask still make a rate."""
        cutout = cutout_of(glowing, IDLE, [IDLE])
        assert cutout.curve.values[1] > cutout.curve.values[5] > 0
        counts = 100 * np.exp(-2.775 * np.arange(10) / 20)
        kept = counts[5:9] / 2.775  # differences 4 to 5 … 7 to 8, both groups unmasked
        assert at(cutout, "after", 9, 9) == pytest.approx(10 + kept.mean(), rel=1e-3)

    def test_masked_from_the_first_to_the_last_group(self, glowing):
        """Where nothing is left, there is no rate."""
        whole = replace(IDLE, last_group=None)
        assert np.isnan(at(cutout_of(glowing, whole, [whole]), "after", 9, 9))

    def test_a_rejected_shower_masks_nothing(self, glowing):
        """Before and after are the same there, and no flag is set."""
        cutout = cutout_of(glowing, replace(LATE, x=5, status="rejected"), [LATE])
        np.testing.assert_array_equal(cutout.before, cutout.after)
        assert at(cutout, "dq", 5, 20) == 0

    @pytest.mark.parametrize("kind", ["rateints", "rate"])
    def test_rates(self, tmp_path, kind):
        """Of rateints the integration, of a rate the image; masked pixels have no rate after."""
        shape = (2, 32, 40) if kind == "rateints" else (32, 40)
        model = (datamodels.CubeModel if kind == "rateints" else datamodels.ImageModel)(shape)
        model.data = np.full(shape, 3.0, np.float32)
        model.save(str(tmp_path / f"x_{kind}.fits"))
        late = replace(LATE, integration=1)
        cutout = cutout_of(tmp_path / f"x_{kind}.fits", late, [late])
        assert at(cutout, "before", 28, 20) == 3
        assert np.isnan(at(cutout, "after", 28, 20))

    def test_rates_of_the_pipeline_are_preferred(self, glowing):
        """Where both are there: without the mask beside the exposure, with it in the output."""
        Path("out").mkdir()
        for folder, value in ((Path(), 7.0), (Path("out"), 8.0)):
            model = datamodels.ImageModel((32, 40))
            model.data = np.full((32, 40), value, np.float32)
            model.save(str(folder / f"{ROOT}_rate.fits"))
        cutout = cutout_of(glowing, LATE, [LATE], RateSource.near(glowing, Path("out")))
        assert (cutout.before[0, 0], cutout.after[0, 0]) == (7, 8)
        assert cutout.before_title == "_rate.fits"
        alone = cutout_of(glowing, LATE, [LATE], RateSource.near(glowing, None))
        assert alone.before_title == "mean of the usable differences"

    def test_showers_over_the_edge(self, glowing):
        """The surroundings end where the frame does."""
        edge = replace(LATE, x=39.5, y=-2)
        cutout = cutout_of(glowing, edge, [edge])
        rows, columns = cutout.box
        assert (rows.start, columns.stop) == (0, 40)
        assert cutout.evidence.shape == (rows.stop, 40 - columns.start)


class TestPictures:
    """Arrays as colours."""

    def test_first_row_at_the_bottom(self):
        """As in the frame; what has no value is grey."""
        image = np.array([[0.0, 1.0], [np.nan, 0.5]], np.float32)
        drawn = draw_image(image, Scale(0.0, 1.0))[::-1].astype(int)
        assert tuple(drawn[1, 0]) == (140, 140, 140)
        assert drawn[0, 1, 0] > 240 > drawn[0, 0, 0]

    def test_flags(self):
        """The mask's bits together have their own colour, which goes before each alone."""
        drawn = draw_flags(np.array([[0, 5, 7, 1, 4, 2, 2**20]], np.uint32))[0]
        assert tuple(drawn[1]) == tuple(drawn[2])
        assert len({tuple(colour) for colour in drawn}) == 6

    @pytest.mark.parametrize("values", [[], [np.nan], [3.0], [3.0, 3.0]])
    def test_scale_of_little(self, values):
        """Whatever there is, low is below high."""
        scale = Scale.of_values(np.array(values, np.float32))
        assert scale.low < scale.high


class Page(HTMLParser):
    """What a reader of the page gets."""

    def __init__(self, text):
        super().__init__()
        self.words, self.tags, self.addresses = [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        """Keep tags and addresses."""
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in {"href", "src", "xlink:href"}]

    def handle_data(self, data):
        """Keep text."""
        self.words.append(data)


class TestPage:
    """The page."""

    def test_one_exposure(self, glowing, capsys):
        """Every shower with its numbers, comment and pictures; nothing from elsewhere."""
        assert main(["report", "--one", str(glowing), f"{ROOT}_showers.yaml"]) == 0
        assert capsys.readouterr().out == f"{ROOT}_showers.html\n"
        page = Page(Path(f"{ROOT}_showers.html").read_text())
        assert page.tags.count("figure") == 15
        assert "script" not in page.tags
        assert "i" not in page.tags
        assert "“<i>late</i> & faint”" in page.text
        assert "A. N. Other" in page.text
        assert "S/N 7.5" in page.text
        assert (
            "rejected integration 0, groups 5 to 9; x 5, y 20, a 6, b 4, theta 30: not masked"
            in (page.text)
        )
        pictures = {a for a in page.addresses if not a.startswith("#")}
        assert len(pictures) == 15
        folder = Path(f"{ROOT}_showers_files")
        assert {f"{folder.name}/{path.name}" for path in folder.iterdir()} == pictures
        assert page.text.index("accepted") < page.text.index("rejected")

    def row(self, path, **changes):
        """Return a row of a manifest for an exposure that was masked."""
        regions = read_regions(f"{ROOT}_showers.yaml")
        given = {
            "exposure": ROOT,
            "status": "done",
            "input": str(path.absolute()),
            "input_size": 1,
            "input_time": file_time(path),
            "region_file": str(regions.path.absolute()),
            "sha256": regions.sha256,
            "parameters": {"to": "masked"},
            "showers": 2,
            "pixels": 138,
        }
        return Record(**(given | changes))

    def test_a_batch(self, glowing):
        """A table of all exposures; reasons for those that failed."""
        Path("out").mkdir()
        failed = self.row(glowing, exposure="b", status="failed", error="is <cut> short")
        waiting = self.row(glowing, exposure="c", status="pending")
        write_manifest(Path("out"), {ROOT: self.row(glowing), "b": failed, "c": waiting})
        assert main(["report", "out"]) == 0
        page = Page(Path("out/report.html").read_text())
        assert page.tags.count("tr") == 4
        assert page.tags.count("figure") == 15
        assert "is <cut> short" in page.text
        assert "1 of 3 exposures done, 1 failed" in page.text
        assert "b failed F1000W jump – – – – – – – c pending" in page.text
        ids = re.findall(r'id="([^"]+)"', Path("out/report.html").read_text())
        assert {a.removeprefix("#") for a in page.addresses if a.startswith("#")} == set(ids)

    @pytest.mark.parametrize("gone", ["exposure", "regions", "edited"])
    def test_what_is_gone_since(self, glowing, gone):
        """Is said, not guessed: the numbers of the manifest stay, pictures are left out."""
        Path("out").mkdir()
        write_manifest(Path("out"), {ROOT: self.row(glowing)})
        match gone:
            case "exposure":
                glowing.unlink()
            case "regions":
                Path(f"{ROOT}_showers.yaml").unlink()
            case "edited":
                write_regions(f"{ROOT}_showers.yaml", RegionFile(showers=()))
        assert main(["report", "out", "-o", "page.html"]) == 0
        page = Page(Path("page.html").read_text())
        assert "figure" not in page.tags
        assert "138" in page.text
        wanted = {"edited": "has changed since; run the batch again"}.get(gone, "can't be read")
        assert wanted in page.text

    def test_fewer_pictures(self, glowing):
        """A page of ten thousand pictures helps nobody; that some are left out is said."""
        arguments = ["--pictures", "1", "-o", "p.html"]
        assert main(["report", "--one", str(glowing), f"{ROOT}_showers.yaml", *arguments]) == 0
        page = Page(Path("p.html").read_text())
        assert page.tags.count("figure") == 5
        assert "more entries than pictures; give --pictures for more" in page.text

    def test_a_folder_of_something_else(self, glowing, capsys):
        """It is not replaced; pictures of an earlier report are."""
        arguments = ["report", "--one", str(glowing), f"{ROOT}_showers.yaml", "-o", "p.html"]
        assert main(arguments) == 0
        Path("p_files/00009-evidence.png").touch()
        assert main(arguments) == 0
        assert not Path("p_files/00009-evidence.png").exists()
        Path("p_files/notes.txt").touch()
        assert main(arguments) == 1
        assert "no pictures of a report (notes.txt)" in capsys.readouterr().err
        assert Path("p_files/notes.txt").exists()

    def test_wrong_usage(self, glowing, capsys):
        """Neither, both, or no batch."""
        for arguments in ([], ["out", "--one", "a", "b"]):
            with pytest.raises(SystemExit, match="2"):
                main(["report", *arguments])
        Path("out").mkdir()
        assert main(["report", "out"]) == 1
        assert "out: has no manifest.ecsv with exposures" in capsys.readouterr().err
        assert main(["report", "--one", str(glowing), "none.yaml"]) == 1
        assert main(["report", "--one", "none.fits", f"{ROOT}_showers.yaml"]) == 1
        assert not list(Path().rglob("*.html"))


def test_rejected_entries_with_flags_of_other_planes(glowing, tmp_path):
    """Are in the report as any other."""
    regions = RegionFile(showers=(LATE, replace(IDLE, status="rejected", flags=("HOT",))))
    write_regions("r.yaml", regions)
    assert main(["report", "--one", str(glowing), "r.yaml", "-o", "page.html"]) == 0
    assert "HOT" in Path("page.html").read_text()


def test_a_name_as_long_as_names_may_be(glowing):
    """Has no room for the suffix of a rate: there is none."""
    assert RateSource.near(Path("x" * 240 + "_jump.fits"), Path("out")) == RateSource()


@pytest.mark.slow
def test_an_input_that_is_gone_stops_no_report(glowing, tmp_path):
    """The reason is told, the others are shown."""
    (tmp_path / "regions").mkdir()
    (tmp_path / "data").mkdir()
    for root in ("a", "b"):
        shutil.copyfile(glowing, tmp_path / "data" / f"{root}_jump.fits")
        write_regions(tmp_path / "regions" / f"{root}_showers.yaml", RegionFile(showers=(LATE,)))
    assert main(["batch", "regions", "data", "-o", "out", "-j", "1"]) == 0
    (tmp_path / "data" / "a_jump.fits").unlink()
    (tmp_path / "data" / "a_jump.fits").mkdir()
    assert main(["report", "out"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "a_jump.fits: is a directory" in page
    assert page.count("<figure") == 5


@given(st.data())
@settings(max_examples=50)
def test_masked_places_are_those_of_all_marks(data):
    """Found by their place or one by one, the bits are the same."""
    shape = (2, 6, 150, 140)
    spots = st.builds(
        Shower,
        integration=st.integers(0, 1),
        group=st.integers(0, 2),
        last_group=st.none() | st.integers(2, 5),
        x=st.floats(-20, 160),
        y=st.floats(-20, 170),
        a=st.floats(1, 80),
        b=st.floats(1, 80),
        theta=st.floats(0, 180),
    )
    showers = data.draw(st.lists(spots, max_size=6))
    bits = [2 ** (i % 4) for i in range(len(showers))]
    footprints = find_footprints(showers, shape, bits)
    plane = np.zeros(shape, np.uint32)
    set_bits(plane, footprints, bits)
    corner = st.tuples(st.integers(0, 149), st.integers(0, 139))
    (y0, x0), (y1, x1) = data.draw(corner), data.draw(corner)
    box = slice(min(y0, y1), max(y0, y1) + 1), slice(min(x0, x1), max(x0, x1) + 1)
    found = MaskedPlaces(footprints).bits(1, 3, box)
    np.testing.assert_array_equal(found, plane[1, 3, *box])


def test_what_is_subtracted(tmp_path, monkeypatch, capsys):
    """A shower whose light is taken out has the verdict and pictures without it, and no flags."""
    monkeypatch.chdir(tmp_path)
    glow = Shower(integration=0, group=8, x=30, y=26, a=12, b=8, theta=20, action="subtract")
    faint = replace(glow, x=52, y=12, a=4, b=4)
    builder = RampBuilder(ngroups=24, ny=56, nx=64, seed=1, readnoise=6.0)
    builder = builder.add_glow(glow, amplitude=60.0, decay=20.0)
    builder.model().save(f"{ROOT}_jump.fits")
    write_regions(f"{ROOT}_showers.yaml", RegionFile(showers=[glow, faint], exposure=ROOT))
    assert main(["report", "--one", f"{ROOT}_jump.fits", f"{ROOT}_showers.yaml"]) == 0
    (page,) = Path().glob("*.html")
    text = page.read_text()
    assert "no pixel masked" in text
    assert "subtracted, S/N" in text
    assert "left to the mask" in text
    kinds = sorted(path.name for path in page.with_name(f"{page.stem}_files").iterdir())
    assert "00001-residual.png" in kinds
    assert "00001-flags.png" not in kinds
    assert "00002-flags.png" in kinds
    capsys.readouterr()
    assert main(["check", f"{ROOT}_showers.yaml", f"{ROOT}_jump.fits"]) == 0
    said = capsys.readouterr().out
    assert "with subtract_showers:" in said
    assert "showers[0]: subtracted, S/N" in said
    assert "showers[1]: left to the mask" in said
