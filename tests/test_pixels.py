"""Pixels that are no ellipse: what a region file says of them, and what is masked."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from jwst.datamodels import dqflags
from stdatamodels.jwst import datamodels

from showermask import BadPixels, ManualShowerMaskStep, RegionFile, Shower, read_regions
from showermask.cli import main
from showermask.exceptions import PixelsError, RegionFileError
from showermask.masking.cost import measure
from showermask.masking.footprint import find_footprints
from showermask.regionfile.badpixels import MaskImage
from showermask.regionfile.maskfile import ANYWHERE_VARIABLE, write_mask
from showermask.regionfile.writer import write_regions
from showermask.synthetic.ramps import RampBuilder

FRAME = (16, 20)
BOTH = dqflags.group["JUMP_DET"] | dqflags.group["DO_NOT_USE"]


def masked(region, shape=(2, 6, *FRAME)):
    """Return what a region masks of a plane, as truth values."""
    plane = np.zeros(shape, bool)
    stack = plane.reshape(shape[0] if len(shape) > 2 else 1, -1, *FRAME)
    for footprint in find_footprints([region], shape):
        stack[footprint.integration, footprint.groups, *footprint.box] |= footprint.inside
    return plane


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder to work in, with a ramp and a mask."""
    monkeypatch.chdir(tmp_path)
    RampBuilder(nints=2, ngroups=6, ny=16, nx=20).model().save("x_jump.fits")
    hot = np.zeros(FRAME, bool)
    hot[3:6, 7:9] = hot[12, 1] = True
    write_mask(tmp_path / "hot.fits", hot)
    return tmp_path


def written(text):
    """Write a region file of pixels, and return its path."""
    Path("x_showers.yaml").write_text(f"pixels:\n{text}")
    return "x_showers.yaml"


class TestForms:
    """Columns, rows, ranges."""

    @pytest.mark.parametrize(
        ("region", "rows", "columns"),
        [
            (BadPixels(x=7, y=3), [3], [7]),
            (BadPixels(x=[7, 9], y=3), [3], [7, 8, 9]),
            (BadPixels(x=0, y="all"), range(16), [0]),
            (BadPixels(x="all", y=(14, 15)), [14, 15], range(20)),
        ],
    )
    def test_places(self, region, rows, columns):
        """Ranges are inclusive; all integrations and groups without more."""
        expected = np.zeros((2, 6, *FRAME), bool)
        expected[:, :, np.array(rows)[:, np.newaxis], list(columns)] = True
        assert np.array_equal(masked(region), expected)

    def test_times(self):
        """An integration, a first and a last group, inclusive."""
        region = BadPixels(x=7, y=3, integration=1, group=2, last_group=4)
        expected = np.zeros((2, 6, *FRAME), bool)
        expected[1, 2:5, 3, 7] = True
        assert np.array_equal(masked(region), expected)
        assert np.array_equal(masked(region, (2, *FRAME)), expected.any(axis=1))
        assert np.array_equal(masked(region, FRAME), expected.any(axis=(0, 1)))

    def test_what_overlaps_counts_once(self):
        """And a region of all integrations is one region."""
        regions = [BadPixels(x=7, y="all"), BadPixels(x="all", y=3)]
        shower = Shower(integration=0, group=0, x=7, y=3, a=1.2, b=1.2, theta=0)
        coverage = measure(find_footprints([*regions, shower], (2, 6, *FRAME)), (2, 6, *FRAME))
        assert coverage.counts == {"showers": 1, "pixels": 2, "polygons": 0}
        assert coverage.pixels == 16 + 20 - 1
        assert coverage.integration_pixels == 2 * (16 + 20 - 1)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("- {x: 1}", "pixels[0].x is missing, expected x and y, or mask"),
            ("- {x: 1, y: [3, 2]}", "pixels[0].y is (3, 2)"),
            ("- {x: 1.5, y: 2}", "pixels[0].x is 1.5, expected a whole number (zero-based), an"),
            ("- {x: -1, y: 2}", "pixels[0].x is -1, expected"),
            ("- {x: some, y: 2}", "pixels[0].x is the text 'some', expected"),
            ("- {x: true, y: 2}", "pixels[0].x is true, expected"),
            ("- {x: [1, 2, 3], y: 2}", "pixels[0].x is a list of 3, expected"),
            ("- {x: 1, y: 2, mask: hot.fits}", "x, y and mask are given"),
            ("- {x: 1, y: 2, a: 3}", "pixels[0].a is not a known key, expected one of x, y, mask"),
            ("- {x: 1, y: 2, group: 3, last_group: 2}", "last_group is 2, expected 3"),
            ("- {x: 1, y: 2, status: maybe}", "status is the text 'maybe', expected one of"),
        ],
    )
    def test_what_is_wrong(self, folder, text, problem):
        """Is told with its place."""
        with pytest.raises(RegionFileError) as raised:
            read_regions(written(text))
        assert problem in str(raised.value).replace("[3, 2]", "(3, 2)")

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("- {x: 20, y: 2}", "pixels[0].x is 20, but the frame has columns 0 to 19"),
            ("- {x: 2, y: [3, 16]}", "pixels[0].y is [3, 16], but the frame has rows 0 to 15"),
            ("- {x: 1, y: 2, integration: 2}", "pixels[0].integration is 2, but the exposure"),
            ("- {x: 1, y: 2, group: 6}", "pixels[0].group is 6, but the exposure has groups 0"),
        ],
    )
    def test_what_does_not_fit(self, folder, text, problem, capsys):
        """Is told, before anything is masked."""
        assert main(["check", written(text), "x_jump.fits"]) == 1
        assert problem in capsys.readouterr().err


class TestMaskFiles:
    """Images that a region file names."""

    def test_what_is_not_zero_is_masked(self, folder):
        """Whatever the type of the image."""
        values = np.zeros(FRAME, np.float32)
        values[2, 5], values[9, 0] = -3.5, np.inf
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(values)]).writeto("f.fits")
        (region,) = read_regions(written("- {mask: f.fits, integration: 1}")).pixels
        assert np.array_equal(masked(region)[1, 0], values != 0)
        assert not masked(region)[0].any()

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("none.fits", "which can't be read (No such file or directory)"),
            ("../hot.fits", "outside the folder of the region file"),
            ("link.fits", "outside the folder of the region file"),
            ("cube.fits", "which has an image of 3 axes, expected one of two axes"),
            ("table.fits", "which has no image"),
            ("nan.fits", "which has NaN"),
            ("text.fits", "can't be read"),
            ("short.fits", "can't be read"),
            ("circle.fits", "is 'circle.fits', which is no path"),
            (".", "expected a FITS file"),
        ],
    )
    def test_what_is_no_mask(self, folder, name, problem):
        """Is told with the reason."""
        (folder / "regions").mkdir()
        os.chdir("regions")
        Path("link.fits").symlink_to("../hot.fits")
        fits.writeto("cube.fits", np.zeros((2, *FRAME)))
        fits.writeto("nan.fits", np.full(FRAME, np.nan))
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([])]).writeto("table.fits")
        (folder / "regions" / "text.fits").write_text("no FITS")
        Path("circle.fits").symlink_to("circle.fits")
        Path("short.fits").write_bytes((folder / "hot.fits").read_bytes()[:3000])
        with pytest.raises(RegionFileError, match=r"pixels\[0\].mask is ") as raised:
            read_regions(written(f"- {{mask: {name}}}"))
        assert problem in str(raised.value)

    def test_elsewhere_if_allowed(self, folder, monkeypatch):
        """By the one who reads, or by the environment."""
        (folder / "regions").mkdir()
        os.chdir("regions")
        path = written("- {mask: ../hot.fits}")
        (region,) = read_regions(path, masks_anywhere=True).pixels
        assert masked(region)[0, 0].sum() == 7
        monkeypatch.setenv(ANYWHERE_VARIABLE, "1")
        assert read_regions(path).pixels == (region,)

    def test_another_shape(self, folder, capsys):
        """Is refused for the exposure."""
        fits.writeto("small.fits", np.ones((4, 4)))
        assert main(["check", written("- {mask: small.fits}"), "x_jump.fits"]) == 1
        error = capsys.readouterr().err
        assert "mask is small.fits of shape (4, 4), but the frame has (16, 20)" in error

    def test_the_fingerprint_follows_the_mask(self, folder):
        """So that what was made with another mask is not up to date."""
        path = written("- {mask: hot.fits}")
        before = read_regions(path)
        write_mask(folder / "hot.fits", np.ones(FRAME, bool))
        after = read_regions(path)
        assert before.sha256 == after.sha256
        assert before.fingerprint != after.fingerprint

    def test_a_region_file_elsewhere_would_lose_them(self, folder):
        """Is not written where its masks are not."""
        regions = read_regions(written("- {mask: hot.fits}"))
        (folder / "other").mkdir()
        with pytest.raises(RegionFileError, match="which is not there"):
            write_regions("other/x_showers.yaml", regions)
        assert not list((folder / "other").iterdir())

    def test_an_image_that_was_not_read(self):
        """Can't be masked by accident."""
        with pytest.raises(PixelsError, match="has not been read"):
            find_footprints([BadPixels(mask="hot.fits")], FRAME)

    def test_an_empty_mask(self):
        """Masks nothing."""
        region = BadPixels(mask="m", image=MaskImage.of_array(np.zeros(FRAME)))
        assert not masked(region).any()


class TestFormats:
    """1.0 stays what it was."""

    def test_the_earliest_format_is_written(self, folder):
        """A file without pixels can be read by what knows 1.0 only."""
        shower = Shower(integration=0, group=1, x=2, y=3, a=4, b=5, theta=6)
        region = BadPixels(x=1, y=(2, 3), comment="why")
        write_regions("a.yaml", RegionFile(showers=(shower,)))
        write_regions("b.yaml", RegionFile(showers=(shower,), pixels=(region,)))
        assert "format: showermask-1.0\n" in Path("a.yaml").read_text()
        assert "format: showermask-1.1\n" in Path("b.yaml").read_text()
        assert read_regions("b.yaml").entries == (shower, region)

    def test_pixels_in_a_file_of_1_0(self, folder):
        """Are an error, with what to write."""
        Path("a.yaml").write_text("format: showermask-1.0\nshowers: []\npixels: []\n")
        with pytest.raises(RegionFileError, match=r"expected showermask-1.1 in a file with pixels"):
            read_regions("a.yaml")

    @pytest.mark.slow
    def test_more_than_can_be_read_back(self, folder):
        """Is not written."""
        many = tuple(BadPixels(x=i, y=i, comment="x" * 100) for i in range(40_000))
        with pytest.raises(RegionFileError, match=r"would have 5 MB, expected a region file of"):
            write_regions("a.yaml", RegionFile(showers=(), pixels=many))
        assert not Path("a.yaml").exists()

    def test_ten_million_pixels(self, folder):
        """Are refused at once, with what to do."""
        Path("a.yaml").write_text("pixels:\n" + "- {x: 100, y: 200}\n" * 10_000_000)
        with pytest.raises(RegionFileError, match=r"many pixels go into a FITS file"):
            read_regions("a.yaml")


class TestStep:
    """Bits in products."""

    def test_ramp(self, folder):
        """Accepted ones, with their flags; others stay as they are."""
        path = written(
            "- {x: 7, y: 3}\n"
            "- {x: [1, 2], y: 5, integration: 0, group: 2, flags: [DO_NOT_USE]}\n"
            "- {mask: hot.fits, integration: 1, status: rejected}\n"
            "- {x: 9, y: 9, status: candidate}\n"
        )
        model = ManualShowerMaskStep.call("x_jump.fits", region_file=path)
        with datamodels.open("x_jump.fits") as before:
            expected = before.groupdq.copy()
        expected[:, :, 3, 7] |= BOTH
        expected[0, 1:, 5, 1:3] |= dqflags.group["DO_NOT_USE"]  # group 1 is left without neighbour
        assert np.array_equal(model.groupdq, expected)
        model.save("m.fits")
        header = fits.getheader("m.fits")
        assert (header["SHWMNSHW"], header["SHWMNREG"], header["SHWMNPIX"]) == (0, 2, 4)

    def test_rates(self, folder):
        """A rateints loses the integration, a rate all; PERSISTENCE where the plane knows it."""
        path = written("- {x: 7, y: 3, integration: 1, flags: [PERSISTENCE, DO_NOT_USE]}\n")
        bits = dqflags.pixel["PERSISTENCE"] | dqflags.pixel["DO_NOT_USE"]
        rateints = datamodels.CubeModel((2, *FRAME))
        rateints.meta.filename = "x_rateints.fits"
        masked_ints = ManualShowerMaskStep.call(rateints, region_file=path)
        assert (masked_ints.dq[0, 3, 7], masked_ints.dq[1, 3, 7]) == (0, bits)
        rate = datamodels.ImageModel(FRAME)
        rate.meta.filename = "x_rate.fits"
        assert ManualShowerMaskStep.call(rate, region_file=path).dq[3, 7] == bits

    def test_a_mask_that_changed(self, folder):
        """Is applied again, though the region file is the same."""
        path = written("- {mask: hot.fits}\n")
        first = ManualShowerMaskStep.call("x_jump.fits", region_file=path)
        first.save("x_jump_masked.fits")
        one = np.zeros(FRAME, bool)
        one[12, 1] = True
        write_mask(folder / "hot.fits", one)
        second = ManualShowerMaskStep.call("x_jump.fits", region_file=path)
        assert (second.groupdq & BOTH == BOTH).sum() < (first.groupdq & BOTH == BOTH).sum()

    def test_a_mask_that_changed_unseen(self, folder):
        """A mask of the same size and time is read anew, and its own hash is recorded."""
        path = written("- {mask: hot.fits}\n")
        before = (folder / "hot.fits").stat()
        first = read_regions(path)
        one = np.zeros(FRAME, bool)
        one[12, 1] = True
        write_mask(folder / "hot.fits", one)
        os.utime(folder / "hot.fits", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (folder / "hot.fits").stat().st_size == before.st_size
        second = read_regions(path)
        assert second.pixels[0].image.inside.sum() == 1
        assert second.fingerprint != first.fingerprint


class TestAround:
    """The commands know pixels."""

    def test_check(self, folder, capsys):
        """A table of their own, and the sum of all."""
        path = written("- {x: 7, y: all, integration: 1, group: 2}\n- {mask: hot.fits}\n")
        assert main(["check", path, "x_jump.fits"]) == 0
        out = capsys.readouterr().out
        assert "showers: 0, of which 0 accepted, 0 candidate, 0 rejected; pixel regions: 2" in out
        assert "  0    1  2-end        16       4 of 6" in out
        assert "x 7, y all" in out
        assert "  1  all  0-end         7       6 of 6" in out
        assert "total of 2: 20 pixels (27 in all integrations)" in out

    @pytest.mark.slow
    def test_batch_and_report(self, folder, capsys):
        """A changed mask is done again; the page tells of each region."""
        (folder / "regions").mkdir()
        hot = folder / "hot.fits"
        hot.rename(folder / "regions" / "hot.fits")
        regions = RegionFile(
            showers=(),
            pixels=(
                BadPixels(mask="hot.fits", image=MaskImage.of_array(np.zeros(FRAME))),
                BadPixels(x=(2, 3), y=4, status="rejected", comment="fine"),
            ),
        )
        write_regions("regions/x_showers.yaml", regions)
        arguments = ["batch", "regions", "x_jump.fits", "-o", "out", "-j", "1"]
        assert main(arguments) == 0
        assert main(arguments) == 0
        assert "1 up to date" in capsys.readouterr().out
        write_mask(folder / "regions" / "hot.fits", np.eye(*FRAME, dtype=bool))
        assert main(arguments) == 0
        assert "1 done, 0 up to date" in capsys.readouterr().out
        with datamodels.open("out/x_jump.fits") as model:
            assert np.array_equal(model.groupdq[0, 2] == BOTH, np.eye(*FRAME, dtype=bool))
        assert main(["report", "out"]) == 0
        page = (folder / "out" / "report.html").read_text()
        for text in (
            "pixels[0]",
            "hot.fits",
            "x 2 to 3, y 4",
            "fine",
            "0 showers, 1 pixel region, 32 pixels in all integrations",
        ):
            assert text in page

    def test_propose_leaves_them(self, folder):
        """A second list is no matter of the search."""
        written("- {x: 7, y: 3}\n")
        replace(RampBuilder(ngroups=20, ny=16, nx=20)).model().save("x_jump.fits")
        before = (folder / "x_showers.yaml").read_text()
        assert main(["propose", "x_jump.fits"]) == 0
        assert (folder / "x_showers.yaml").read_text() == before


def test_a_mask_that_is_a_folder(tmp_path):
    """Is called one."""
    (tmp_path / "r.yaml").write_text("showers: []\npixels: [{mask: .}]\n")
    with pytest.raises(
        RegionFileError, match=r"pixels\[0\].mask is .*, a directory, expected a FITS"
    ):
        read_regions(tmp_path / "r.yaml")
