"""Frames read from disk, and how they travel."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from stdatamodels.jwst import datamodels

from showermask.commands.review.encoding import CODE_SCALE, LINEAR_MADS, encode_image
from showermask.exceptions import ExposureError
from showermask.exposure.images import ImageReader
from showermask.regionfile.lookup import RegionLookup, find_work
from showermask.synthetic.ramps import RampBuilder


def saved(model, path):
    """Save a model and return its path."""
    model.save(str(path))
    return path


def decoded(packed, shape):
    """Return the values of a packed frame, as the page has them."""
    raw = np.frombuffer(gzip.decompress(packed.data), np.uint8).reshape(2, *shape)
    codes = raw[0] + 256.0 * raw[1]
    values = np.sinh((codes - 32768) / CODE_SCALE) * LINEAR_MADS * packed.mad + packed.median
    return np.where(codes == 0, np.nan, values)


def test_ramps(builder, tmp_path):
    """Group 0 is read as it is, each other group as the difference to the one before."""
    model = builder.model()
    model.data += np.random.default_rng(1).normal(size=model.data.shape)
    model.groupdq[0, 4, 5, 6] = 6
    model.pixeldq[5, 6] = 2**31 + 1024
    with ImageReader(saved(model, tmp_path / "x_jump.fits")) as reader:
        assert reader.stack_shape == (1, 10)
        np.testing.assert_array_equal(reader.difference(0, 0), model.data[0, 0])
        np.testing.assert_allclose(reader.difference(0, 3), model.data[0, 3] - model.data[0, 2])
        np.testing.assert_array_equal(reader.dq(0, 4), model.groupdq[0, 4])
        ramp = reader.pixel(0, x=6, y=5)
    assert ramp.values == tuple(float(value) for value in model.data[0, :, 5, 6])
    assert ramp.flags == tuple(int(flag) for flag in model.groupdq[0, :, 5, 6])
    assert ramp.pixel_flags == 2**31 + 1024


def test_raw_ramps(builder, tmp_path):
    """Unsigned 16-bit values above 32767 come out as they are, differences may be negative."""
    model = builder.raw_model()
    model.data[0, 3, 2, 2], model.data[0, 4, 2, 2] = 65000, 10
    with ImageReader(saved(model, tmp_path / "x_uncal.fits")) as reader:
        assert reader.image(0, 3)[2, 2] == 65000
        assert reader.difference(0, 4)[2, 2] == -64990
        assert not reader.dq(0, 3).any()
        assert reader.pixel(0, x=2, y=2).values[3] == 65000


@pytest.mark.parametrize("shape", [(3, 8, 9), (8, 9)])
def test_rates(tmp_path, shape):
    """Rateints have integrations, a rate is one image; DQ of 32 bits and NaN come through."""
    model = (datamodels.CubeModel if len(shape) == 3 else datamodels.ImageModel)(shape)
    model.data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    model.data[..., 4, 4] = np.nan
    model.dq = np.zeros(shape, np.uint32)
    model.dq[..., 2, 3] = 2**31 + 5
    with ImageReader(saved(model, tmp_path / "x_rate.fits")) as reader:
        last = reader.stack_shape[0] - 1
        np.testing.assert_array_equal(
            reader.difference(last, 0), model.data.reshape(-1, 8, 9)[last]
        )
        assert reader.dq(last, 0)[2, 3] == 2**31 + 5
        assert reader.pixel(last, x=4, y=4).values == (None,)


@pytest.mark.parametrize(("integration", "group"), [(1, 0), (0, 10), (-1, 0), (0, -1)])
def test_frames_that_are_not_there(builder, tmp_path, integration, group):
    """An index beyond the exposure does not wrap around."""
    with (
        ImageReader(saved(builder.model(), tmp_path / "x_jump.fits")) as reader,
        pytest.raises(IndexError, match="expected integrations 0 to 0 and groups 0 to 9"),
    ):
        reader.image(integration, group)


def test_files_that_were_cut_off(builder, tmp_path):
    """A file that lacks its end is refused, and one that loses it while it is open."""
    path = saved(builder.model(), tmp_path / "x_jump.fits")
    whole = path.read_bytes()
    with ImageReader(path) as reader:
        path.write_bytes(whole[:20000])
        with pytest.raises(ExposureError, match="is cut short"):
            reader.image(0, 9)
    with pytest.raises(ExposureError, match="is cut short: has 20000 bytes, expected at least"):
        ImageReader(path)


@given(
    arrays(
        np.float32,
        (7, 9),
        elements=st.floats(-1e6, 1e6, width=32) | st.just(np.float32("nan")),
    )
)
def test_encoding_keeps_what_can_be_seen(image_shape):
    """Near the median to a sixteenth of a MAD, far from it to a percent; NaN stays NaN."""
    packed = encode_image(image_shape)
    back = decoded(packed, image_shape.shape)
    assert np.array_equal(np.isnan(back), np.isnan(image_shape))
    distance = np.abs(image_shape - packed.median)
    error = np.abs(back - image_shape)[~np.isnan(image_shape)]
    allowed = (packed.mad / 16 + 0.01 * distance)[~np.isnan(image_shape)]
    assert np.all(error <= allowed + 1e-5 * np.nanmax(np.abs(image_shape), initial=1.0))


class TestWorkList:
    """Which exposures and region files a review is about."""

    @pytest.fixture
    def folder(self, tmp_path):
        """Return a folder with several products of two exposures."""
        for name in (
            "b_rate",
            "b_jump",
            "b_rateints",
            "a_uncal",
            "a_rate",
            "notes",
            "b_jump_showermask",
        ):
            (tmp_path / f"{name}.fits").touch()
        return tmp_path

    def test_one_product_for_each_exposure(self, folder):
        """The product that shows most is taken, in order of names."""
        assert [item.exposure_path.name for item in find_work(folder, RegionLookup())] == [
            "a_uncal.fits",
            "b_jump.fits",
        ]

    def test_region_files_beside_or_elsewhere(self, folder, tmp_path):
        """Beside the exposure, in a directory, or as named; one that exists keeps its type."""
        exposure = folder / "b_jump.fits"
        assert find_work(exposure, RegionLookup())[0].region_path == folder / "b_showers.yaml"
        (folder / "b_showers.asdf").touch()
        assert find_work(exposure, RegionLookup())[0].region_path == folder / "b_showers.asdf"
        (tmp_path / "elsewhere").mkdir()
        found = find_work(exposure, RegionLookup(tmp_path / "elsewhere"))
        assert found[0].region_path == tmp_path / "elsewhere" / "b_showers.yaml"
        assert (
            find_work(exposure, RegionLookup(folder / "mine.yaml", may_be_new=True))[0].region_path
            == folder / "mine.yaml"
        )

    def test_nothing_to_review(self, tmp_path):
        """An empty folder is an error that says what was looked for."""
        with pytest.raises(ExposureError, match="found no exposure, expected files that end in"):
            find_work(tmp_path, RegionLookup())

    def test_one_region_file_for_several_exposures(self, folder):
        """A region file is for one exposure."""
        with pytest.raises(ExposureError, match="is one region file for 2 exposures"):
            find_work(folder, RegionLookup(folder / "mine.yaml", may_be_new=True))

    def test_progress(self, folder, write, shower):
        """None, candidates left, done, or a file that is not valid."""
        from dataclasses import replace

        item = find_work(folder / "b_jump.fits", RegionLookup())[0]
        assert item.progress()["state"] == "none"
        write(shower, replace(shower, status="candidate"), name=item.region_path)
        assert item.progress() == {"state": "candidates", "candidates": 1, "accepted": 1}
        write(shower, name=item.region_path)
        assert item.progress() == {"state": "done", "candidates": 0, "accepted": 1}
        item.region_path.write_text("showers: [")
        assert item.progress()["state"] == "broken"


def test_flags_of_another_shape(tmp_path):
    """Are refused, before anything is read by wrong indices."""
    path = tmp_path / "x_jump.fits"
    RampBuilder(nints=2, ngroups=4, ny=8, nx=8).model().save(str(path))
    with fits.open(path) as hdus:
        hdus["GROUPDQ"].data = hdus["GROUPDQ"].data[:1]
        hdus.writeto(tmp_path / "y_jump.fits")
    with pytest.raises(ExposureError, match=r"shape \(1, 4, 8, 8\), expected \(2, 4, 8, 8\)"):
        ImageReader(tmp_path / "y_jump.fits")


def test_compressed_images(tmp_path):
    """Are refused as what they are."""
    path = tmp_path / "x_jump.fits"
    RampBuilder(ngroups=4, ny=8, nx=8).model().save(str(path))
    with fits.open(path) as hdus:
        flags = fits.CompImageHDU(hdus["GROUPDQ"].data, name="GROUPDQ")
        hdus["GROUPDQ"] = flags
        hdus.writeto(tmp_path / "y_jump.fits")
    with pytest.raises(ExposureError, match="DQ is compressed"):
        ImageReader(tmp_path / "y_jump.fits")
