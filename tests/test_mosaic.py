"""From rates to the mosaic with the stock pipelines, offline."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from stdatamodels.jwst import datamodels

from showermask import ManualShowerMaskStep, RegionFile, Shower, write_regions
from showermask.cli import main
from showermask.synthetic.crds_cache import Detector, build_cache, use_cache
from showermask.synthetic.ramps import RampBuilder
from showermask.synthetic.sky_references import PHOTMJSR, PIXEL_SCALE, point

SHAPE = (96, 104)
STARS = ((30.0, 40.0, 400.0), (70.0, 60.0, 900.0), (50.0, 75.0, 600.0))
DITHERS = ((0, 0), (5, 3), (-4, 6), (3, -5))
SHOWER = Shower(integration=0, group=0, x=62.0, y=30.0, a=14.0, b=14.0, theta=0.0)


def rate(number, *, has_shower):
    """Return a rate of a field with stars at fixed places of the sky, of some pointing."""
    dx, dy = DITHERS[number]
    rng = np.random.default_rng(number)
    image = np.zeros(SHAPE)
    for x, y, flux in STARS:
        image[int(y + dy), int(x + dx)] = flux
    image = 20 + gaussian_filter(image, 1.5) + rng.normal(0, 0.3, SHAPE)
    if has_shower:
        box, inside = SHOWER.pixels(SHAPE)
        image[box] += 4 * inside
    model = datamodels.ImageModel(data=image.astype(np.float32), dq=np.zeros(SHAPE, np.uint32))
    for name, value in (("err", 0.3), ("var_poisson", 0.04), ("var_rnoise", 0.05)):
        setattr(model, name, np.full(SHAPE, value, np.float32))
    model.var_flat = np.zeros(SHAPE, np.float32)
    builder = RampBuilder(ngroups=10, ny=SHAPE[0], nx=SHAPE[1])
    builder.describe(model, subarray="FULL", readpatt="FASTR1")
    # A star that lies further right is seen by a telescope that points further left, and so on.
    point(
        model, 10 + dx * PIXEL_SCALE / 3600 / np.cos(np.radians(20)), 20 - dy * PIXEL_SCALE / 3600
    )
    model.meta.cal_step.dq_init = "COMPLETE"
    return model


def mosaic(names):
    """Return the mosaic of some rates, made by the stock pipelines."""
    from jwst.associations.asn_from_list import asn_from_list
    from jwst.associations.lib.rules_level3_base import DMS_Level3_Base
    from jwst.pipeline import Image2Pipeline, Image3Pipeline

    for name in names:
        Image2Pipeline.call(name, save_results=True, steps={"resample": {"skip": True}})
    cals = [name.replace("_rate", "_cal") for name in names]
    association = asn_from_list(cals, rule=DMS_Level3_Base, product_name="field")
    Path("field_asn.json").write_text(association.dump()[1])
    # Outliers would take the shower out of four dithers by chance; here the mask has to.
    steps = ("tweakreg", "outlier_detection", "source_catalog")
    skipped = {name: {"skip": True} for name in steps}
    Image3Pipeline.call("field_asn.json", save_results=True, steps=skipped)
    return datamodels.open("field_i2d.fits")


@pytest.fixture
def field(tmp_path, monkeypatch):
    """Return the name of a rate with a shower and a region file, with a cache for stage 2."""
    monkeypatch.chdir(tmp_path)
    cache = build_cache(
        tmp_path / "crds", Detector(ny=SHAPE[0], nx=SHAPE[1], subarray="FULL"), has_sky=True
    )
    root = "jw01234001001_02101_00001_mirimage"
    rate(0, has_shower=True).save(f"{root}_rate.fits")
    Path("regions").mkdir()
    write_regions(f"regions/{root}_showers.yaml", RegionFile(showers=[SHOWER]))
    with use_cache(cache):
        yield root


@pytest.mark.slow
class TestBatch:
    """``batch --to cal``."""

    def test_as_by_hand(self, field):
        """The masked rate is calibrated as by hand; a second run does nothing."""
        from jwst.pipeline import Image2Pipeline

        arguments = ["batch", "regions", f"{field}_rate.fits", "-o", "out", "--to", "cal", "-j1"]
        assert main([*arguments, "--steps.resample.skip=true"]) == 0
        assert sorted(path.name for path in Path("out").glob("*.fits")) == [
            f"{field}_cal.fits",
            f"{field}_rate.fits",
        ]
        (by_hand,) = Image2Pipeline.call(
            f"out/{field}_rate.fits", steps={"resample": {"skip": True}}
        )
        with datamodels.open(f"out/{field}_cal.fits") as made:
            assert np.array_equal(made.data, by_hand.data, equal_nan=True)
            assert np.array_equal(made.dq, by_hand.dq)
            assert made.meta.bunit_data == "MJy/sr"
            assert made.dq[30, 62] & 5 == 5
        before = Path(f"out/{field}_cal.fits").stat().st_mtime_ns
        assert main([*arguments, "--steps.resample.skip=true"]) == 0
        assert Path(f"out/{field}_cal.fits").stat().st_mtime_ns == before

    @pytest.mark.parametrize(
        ("more", "word"),
        [
            (["--steps.flat_field.nothing=1"], "nothing"),
            (["--steps.photom.output_dir=x"], "not in a batch"),
        ],
    )
    def test_parameters(self, field, capsys, more, word):
        """Parameters that no step has, or that the batch decides on, are refused before."""
        arguments = ["batch", "regions", f"{field}_rate.fits", "-o", "out", "--to", "cal", "-j1"]
        assert main([*arguments, *more]) == 1
        assert word in capsys.readouterr().err
        assert not list(Path().glob("out/*.fits"))

    def test_spectra(self, field, capsys):
        """What is no image is told to need another pipeline, and leaves nothing."""
        with datamodels.open(f"{field}_rate.fits") as model:
            model.meta.exposure.type = "MIR_LRS-FIXEDSLIT"
            model.save(f"{field}_rate.fits")
        arguments = ["batch", "regions", f"{field}_rate.fits", "-o", "out", "--to", "cal", "-j1"]
        assert main(arguments) == 1
        assert "calwebb_image2, for MIR_IMAGE" in "".join(capsys.readouterr())
        assert not list(Path("out").glob("*.fits"))


@pytest.mark.slow
def test_masked_shower(tmp_path, monkeypatch):
    """A shower in one of four dithers is in the mosaic; masked it is not, and the stars stay."""
    monkeypatch.chdir(tmp_path)
    cache = build_cache(
        tmp_path / "crds", Detector(ny=SHAPE[0], nx=SHAPE[1], subarray="FULL"), has_sky=True
    )
    names = [f"jw01234001001_02101_0000{k + 1}_mirimage_rate.fits" for k in range(4)]
    with use_cache(cache):
        found = {}
        for state in ("shower", "masked", "clean"):
            for number, name in enumerate(names):
                model = rate(number, has_shower=number == 1 and state != "clean")
                if number == 1 and state == "masked":
                    write_regions("r.yaml", RegionFile(showers=[SHOWER]))
                    model = ManualShowerMaskStep.call(model, region_file="r.yaml")
                model.save(name)
            with mosaic(names) as image:
                found[state] = np.array(image.data) / PHOTMJSR
    # The shower of the second dither, where the first one has it.
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    dx, dy = DITHERS[1]
    peak = np.unravel_index(np.nanargmax(found["clean"]), found["clean"].shape)
    offset = peak[0] - STARS[1][1], peak[1] - STARS[1][0]
    ny, nx = found["clean"].shape
    y, x = np.mgrid[:ny, :nx]
    inside = np.hypot(x - offset[1] - SHOWER.x + dx, y - offset[0] - SHOWER.y + dy) < 9
    excess = {state: np.nanmean((found[state] - found["clean"])[inside]) for state in found}
    assert excess["shower"] > 0.8  # a quarter of 4 DN/s
    assert abs(excess["masked"]) < 0.05
    for star_x, star_y, flux in STARS:
        aperture = np.hypot(x - offset[1] - star_x, y - offset[0] - star_y) < 6
        light = np.nansum((found["masked"] - np.nanmedian(found["masked"]))[aperture])
        assert light == pytest.approx(flux, rel=0.01)
