"""Which products are taken, and what is known of them."""

import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst import datamodels

from showermask import ManualShowerMaskStep
from showermask.cli import main
from showermask.exceptions import ExposureError
from showermask.exposure.dq import dq_plane, known_flags
from showermask.exposure.names import product_root
from showermask.exposure.product import Product, describe_file, describe_model

TAKEN = [
    (datamodels.RampModel, (2, 5, 8, 9), Product.RAMP),
    (datamodels.CubeModel, (2, 8, 9), Product.INTEGRATIONS),
    (datamodels.ImageModel, (8, 9), Product.IMAGE),
    (datamodels.IFUImageModel, (8, 9), Product.IMAGE),
]

# jwst 2 has no superstripe ramps.
SUPERSTRIPE = [n for n in ("SuperstripeRampModel",) if hasattr(datamodels, n)]

REFUSED = [
    *[(getattr(datamodels, name), (2, 5, 8, 9)) for name in SUPERSTRIPE],
    (datamodels.GuiderRawModel, (2, 5, 8, 9)),
    (datamodels.GuiderCalModel, (2, 8, 9)),
    (datamodels.QuadModel, (2, 5, 8, 9)),
    (datamodels.IFUCubeModel, (2, 8, 9)),
    (datamodels.SlitModel, (8, 9)),
    (datamodels.MultiSlitModel, None),
    (datamodels.MultiSpecModel, None),
    (datamodels.SpecModel, None),
    (datamodels.RampFitOutputModel, None),
]


def make(model_class, shape):
    """Return a model of zeros."""
    return model_class() if shape is None else model_class(shape)


@pytest.mark.parametrize(("model_class", "shape", "product"), TAKEN)
def test_products_that_are_taken(tmp_path, model_class, shape, product):
    """A model and its file are described alike."""
    path = tmp_path / "jw00001001001_02101_00001_mirimage_x.fits"
    model = make(model_class, shape)
    model.meta.subarray.name = "FULL"
    model.meta.exposure.group_time = 2.5
    model.save(str(path))
    exposure = describe_model(model)
    assert exposure == describe_file(path)
    assert (exposure.product, exposure.shape, exposure.image_shape) == (product, shape, (8, 9))
    assert exposure.root == "jw00001001001_02101_00001_mirimage"
    assert (exposure.subarray, exposure.group_time) == ("FULL", 2.5)


@pytest.mark.parametrize(("model_class", "shape"), REFUSED)
def test_products_that_are_refused(tmp_path, model_class, shape):
    """Everything else is refused by name, with a word on what is taken."""
    expected = f"is a {model_class.__name__}, expected a ramp .* rateints or calints .* rate or cal"
    model = make(model_class, shape)
    with pytest.raises(ExposureError, match=expected):
        describe_model(model)
    model.save(str(tmp_path / "x.fits"))
    with pytest.raises(ExposureError, match=expected):
        describe_file(tmp_path / "x.fits")


def test_resampled_images_are_refused(tmp_path):
    """An i2d is an ImageModel too, but on the sky."""
    model = make(datamodels.ImageModel, (8, 9))
    model.meta.cal_step.resample = "COMPLETE"
    model.save(str(tmp_path / "x_i2d.fits"))
    for describe in (lambda: describe_model(model), lambda: describe_file(tmp_path / "x_i2d.fits")):
        with pytest.raises(ExposureError, match="x_i2d.fits: is resampled onto the sky"):
            describe()


def test_superstripe_ramps_are_refused():
    """A ramp with superstripes has its integrations interleaved."""
    model = make(datamodels.RampModel, (2, 5, 8, 9))
    if not SUPERSTRIPE:
        pytest.skip("this jwst knows no superstripes")
    model.meta.subarray.num_superstripe = 4
    with pytest.raises(ExposureError, match="is a superstripe ramp"):
        describe_model(model)


def test_raw_ramps_are_described_but_not_to_be_masked(tmp_path):
    """An uncal can be looked at; masking it is refused with what to do instead."""
    path = tmp_path / "x_uncal.fits"
    make(datamodels.Level1bModel, (2, 5, 8, 9)).save(str(path))
    exposure = describe_file(path)
    assert (exposure.product, exposure.is_raw) == (Product.RAMP, True)
    with pytest.raises(ExposureError, match="is a raw ramp .*; run calwebb_detector1 on it"):
        exposure.check_not_raw()


def test_raw_ramps_are_known_by_name_only_on_disk():
    """In a pipeline the header says uncal to the end; only the name of a file counts."""
    model = make(datamodels.RampModel, (2, 5, 8, 9))
    model.meta.filename = "x_uncal.fits"
    assert not describe_model(model).is_raw
    assert describe_model(model, path="x_uncal.fits").is_raw


def test_files_without_a_model_type(tmp_path):
    """A hand-made file is taken for what datamodels.open would make of it."""
    for ndim, product in ((4, Product.RAMP), (3, Product.INTEGRATIONS), (2, Product.IMAGE)):
        path = tmp_path / f"{ndim}.fits"
        science = fits.ImageHDU(np.zeros((3, 2, 8, 9)[4 - ndim :], np.float32), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), science]).writeto(path)
        assert describe_file(path).product is product


def test_files_without_science(tmp_path):
    """A FITS file without a SCI extension is refused."""
    fits.PrimaryHDU().writeto(tmp_path / "x.fits")
    with pytest.raises(ExposureError, match="is a file without a SCI extension"):
        describe_file(tmp_path / "x.fits")


def test_headers_with_nonsense(tmp_path):
    """Values of the wrong type are taken for missing; cards that can't be read are refused."""
    path = tmp_path / "x_rate.fits"
    make(datamodels.ImageModel, (8, 9)).save(str(path))
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update(TGROUP="abc", NINTS="many", NGROUPS=True, SUBARRAY=5)
    exposure = describe_file(path)
    assert (exposure.group_time, exposure.nints, exposure.ngroups) == (None, None, None)
    assert exposure.subarray is None
    path.write_bytes(path.read_bytes().replace(b"DATAMODL= 'ImageModel", b"DATAMODL= I'ageModel "))
    with pytest.raises(ExposureError, match="can't be read as FITS"):
        describe_file(path)


@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 1000])
def test_unreadable_files(tmp_path, content):
    """A missing, empty or foreign file is refused by name."""
    path = tmp_path / "x_jump.fits"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExposureError, match="x_jump.fits: can't be read as FITS"):
        describe_file(path)


def test_the_number_of_integrations_is_that_of_the_segment():
    """The rate of a segment has NINTS of the whole exposure; INTSTART and INTEND are its own."""
    model = make(datamodels.ImageModel, (8, 9))
    model.meta.exposure.nints = 10
    assert describe_model(model).nints == 10
    model.meta.exposure.integration_start = 1
    assert describe_model(model).nints == 10
    model.meta.exposure.integration_end = 4
    assert describe_model(model).nints == 4
    model.meta.exposure.integration_start = 3
    assert describe_model(model).nints == 2
    model.meta.exposure.integration_end = None
    assert describe_model(model).nints is None


def test_a_renamed_file_is_known_by_its_new_name():
    """What a person sees is what counts; stdatamodels forgets the header's name on opening."""
    model = make(datamodels.ImageModel, (8, 9))
    model.meta.filename = "jw00001001001_02101_00001_mirimage_rate.fits"
    assert describe_model(model, path="copy_rate.fits").root == "copy"
    assert describe_model(model).root == "jw00001001001_02101_00001_mirimage"


@pytest.mark.parametrize(
    ("name", "root"),
    [
        ("jw01517179001_02201_00001_mirimage_uncal.fits", "jw01517179001_02201_00001_mirimage"),
        ("jw01517179001_0220c_00001-seg002_mirifulong_rateints.fits",
         "jw01517179001_0220c_00001-seg002_mirifulong"),
        ("jw01517179001_02201_00001_mirimage_a3001_crf.fits", "jw01517179001_02201_00001_mirimage"),
        ("jw01517179001_02201_00001_mirimage_jump_showermask.fits",
         "jw01517179001_02201_00001_mirimage"),
        ("demo_jump.fits", "demo"),
        ("demo_rateints_showermask.fits", "demo"),
        ("my_first_ramp.fits", "my_first"),
        ("my_data.fits", "my_data"),
    ],
)  # fmt: skip
def test_roots(name, root):
    """The root is the name without its suffixes."""
    assert product_root(name) == root


def test_missing_planes_are_made():
    """An image without DQ gets one; stdatamodels leaves it out until it is asked for."""
    model = make(datamodels.ImageModel, (8, 9))
    model.dq = None
    plane = dq_plane(model, describe_model(model))
    assert (plane.shape, plane.dtype) == ((8, 9), np.uint32)
    plane |= 1
    assert np.all(model.dq == 1)


def test_flags_depend_on_the_plane():
    """Groups have fewer flags than pixels."""
    assert "HOT" in known_flags(Product.IMAGE)
    assert "HOT" not in known_flags(Product.RAMP)
    assert known_flags(Product.RAMP)["JUMP_DET"] == 4


@pytest.mark.filterwarnings("ignore:model_type not found")
@pytest.mark.parametrize("name", ["stdatamodels.jwst.datamodels.ramp.RampModel", "NoSuchModel"])
def test_model_types_that_datamodels_do_not_know(tmp_path, name, builder, write, shower):
    """Are guessed at, as datamodels.open does: the step, check and the others take the same."""
    path = tmp_path / "x_jump.fits"
    builder.model().save(str(path))
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["DATAMODL"] = name
    assert describe_file(path).product is Product.RAMP
    ManualShowerMaskStep.call(str(path), region_file=str(write(shower))).close()
    assert main(["check", str(write(shower)), str(path)]) == 0


def test_what_was_guessed_is_told(tmp_path):
    """With the name in the file that led nowhere."""
    path = tmp_path / "x_jump.fits"
    datamodels.QuadModel((2, 5, 8, 9)).save(str(path))
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["DATAMODL"] = "NoSuchModel"
        hdus.append(fits.ImageHDU(np.zeros((2, 5, 8, 9), np.uint8), name="DQ"))
    with pytest.raises(ExposureError, match=r"is a QuadModel \(DATAMODL is NoSuchModel\)"):
        describe_file(path)


@pytest.mark.parametrize("shape", [(1, 5, 0, 9), (0, 5, 8, 9)])
def test_frames_of_no_pixels(shape):
    """Are refused, not divided by."""
    with pytest.raises(ExposureError, match="has no pixels"):
        describe_model(datamodels.RampModel(shape))


@pytest.mark.parametrize("name", ["free.fits.gz", "free_jump.fits.gz", "free_uncal.fits.gz"])
def test_compressed_files_have_names_too(name):
    """Their extension is two."""
    assert product_root(name) == "free"
