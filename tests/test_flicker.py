"""clean_flicker_noise in the drop-in pipeline: showers do not bias its columns."""

from pathlib import Path

import numpy as np
import pytest
from jwst.clean_flicker_noise import CleanFlickerNoiseStep
from stdatamodels.jwst import datamodels

from showermask import (
    Detector1ShowersPipeline,
    ManualShowerMaskStep,
    RegionFile,
    Shower,
    write_regions,
)
from showermask.exposure.product import describe_model
from showermask.masking.mask import Mask
from showermask.pipeline.flicker import background_pixels
from showermask.synthetic.crds_cache import Detector, build_cache, use_cache
from showermask.synthetic.ramps import RampBuilder
from showermask.synthetic.sky_references import point

SHAPE = (96, 104)
NINTS, NGROUPS = 5, 8
SHOWER = Shower(integration=2, group=3, x=50, y=44, a=22, b=18, theta=20)
BUILDER = RampBuilder(
    nints=NINTS, ngroups=NGROUPS, ny=SHAPE[0], nx=SHAPE[1], readnoise=4.0, rate=5.0, seed=3
)
GLOWING = BUILDER.add_glow(SHOWER, amplitude=15.0, decay=6.0)


def flickering(builder):
    """Return a calibrated ramp whose columns flicker, each group on its own."""
    model = builder.model()
    meta = model.meta
    meta.exposure.type = "MIR_IMAGE"
    meta.subarray.name, meta.subarray.slowaxis = "FULL", 2
    meta.instrument.detector, meta.instrument.filter = "MIRIMAGE", "F770W"
    point(model, 53.1, -27.8)
    steps = np.random.default_rng(1).normal(0, 4, (NINTS, NGROUPS, 1, SHAPE[1]))
    model.data += np.cumsum(steps, axis=1)
    return model


@pytest.fixture(scope="module")
def crds(tmp_path_factory):
    """Return a CRDS cache with the sky, which median_image asks for."""
    detector = Detector(ny=SHAPE[0], nx=SHAPE[1], subarray="FULL")
    with use_cache(build_cache(tmp_path_factory.mktemp("crds"), detector, has_sky=True)):
        yield


@pytest.fixture
def regions(tmp_path, monkeypatch):
    """Return the region file of the shower."""
    monkeypatch.chdir(tmp_path)
    write_regions("r.yaml", RegionFile(showers=[SHOWER]))
    return "r.yaml"


def inside():
    """Return the pixels of the shower."""
    box, mask = SHOWER.pixels(SHAPE)
    pixels = np.zeros(SHAPE, bool)
    pixels[box] = mask
    return pixels


def bias(cleaned, truth):
    """Return the rms bias of the columns of the shower outside of it, in the groups that have it.

    All that differs is the light of the shower, whose share in the pixels themselves is known.
    """
    light = flickering(GLOWING).data - flickering(BUILDER).data
    added = (cleaned - truth - light)[SHOWER.integration, SHOWER.group :]
    columns = np.flatnonzero(inside().any(axis=0))
    medians = [np.median(added[:, ~inside()[:, c], c], axis=1) for c in columns]
    return float(np.sqrt(np.mean(np.square(medians))))


def in_pipeline(model, regions, **parameters):
    """Mask and clean a ramp by the steps of the drop-in pipeline."""
    pipeline = Detector1ShowersPipeline()
    pipeline.manual_shower_mask.region_file = regions
    masked = pipeline.manual_shower_mask.run(model)
    step = pipeline.clean_flicker_noise
    for name, value in {"skip": False, **parameters}.items():
        setattr(step, name, value)
    result = step.run(masked)
    assert result.meta.cal_step.clean_flicker_noise == "COMPLETE"
    return result.data


@pytest.mark.slow
def test_median_image(crds, regions):
    """The stock step with our flags only is worse than without a mask; with user_mask it is not."""
    options = {"background_method": "median_image", "single_mask": False}

    def stock(model):
        return CleanFlickerNoiseStep.call(model, skip=False, **options).data

    truth = stock(flickering(BUILDER))
    flags = stock(ManualShowerMaskStep.call(flickering(GLOWING), region_file=regions))
    plain = bias(stock(flickering(GLOWING)), truth)
    ours = bias(in_pipeline(flickering(GLOWING), regions, **options), truth)
    assert bias(flags, truth) > plain
    assert ours < 0.6 * plain
    given = Path("given.fits")
    mask = datamodels.ImageModel(SHAPE)
    mask.data[:] = 1.0
    mask.save(str(given))
    theirs = in_pipeline(flickering(GLOWING), regions, user_mask=str(given), **options)
    assert bias(theirs, truth) < 0.6 * plain, "a mask of the user is kept, less the shower"


@pytest.mark.slow
def test_other_backgrounds(crds, regions):
    """The stock step leaves masked groups out by itself: it is called as it is."""
    truth = CleanFlickerNoiseStep.call(flickering(BUILDER), skip=False).data
    plain = CleanFlickerNoiseStep.call(flickering(GLOWING), skip=False).data
    masked = ManualShowerMaskStep.call(flickering(GLOWING), region_file=regions)
    flags = CleanFlickerNoiseStep.call(masked, skip=False).data
    ours = in_pipeline(flickering(GLOWING), regions)
    np.testing.assert_array_equal(ours, flags)
    assert bias(ours, truth) < 0.8 * bias(plain, truth)


def test_background_pixels():
    """Each integration has its own showers; a mask of one image is for all."""
    exposure = describe_model(flickering(BUILDER))
    mask = Mask.plan(RegionFile(showers=[SHOWER]), exposure)
    scene = np.ones(SHAPE, bool)
    scene[0] = False
    images = background_pixels(scene, mask)
    assert images.shape == (NINTS, *SHAPE)
    for integration, image in enumerate(images):
        expected = scene & ~inside() if integration == SHOWER.integration else scene
        np.testing.assert_array_equal(image, expected)


def test_crds_parameters():
    """CRDS is asked for the parameters of the stock step."""
    step = Detector1ShowersPipeline.step_defs["clean_flicker_noise"]
    assert step.get_config_reftype() == "pars-cleanflickernoisestep"
