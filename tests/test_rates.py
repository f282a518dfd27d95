"""The rate rebuilt from rateints, against the one that ramp_fit makes."""

from dataclasses import replace

import numpy as np
import pytest
from jwst.pipeline import Detector1Pipeline
from jwst.ramp_fitting import RampFitStep
from stdatamodels.jwst import datamodels

from showermask import Detector1ShowersPipeline, ManualShowerMaskStep, Shower, rate_from_rateints
from showermask.exceptions import ExposureError
from showermask.pipeline.rateints import combine_integrations

ARRAYS = ("data", "err", "var_poisson", "var_rnoise")


def assert_same_rate(ours, theirs, names=ARRAYS):
    """Check that arrays agree to 1e-4 of the uncertainty, and flags to the bit."""
    np.testing.assert_array_equal(ours.dq, theirs.dq)
    for name in names:
        one, other = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other), err_msg=name)
        difference = np.abs(one.astype(float) - other)[np.isfinite(one)]
        scale = theirs.err[np.isfinite(one)]
        if name.startswith("var"):
            scale = scale**2
        assert np.all(difference <= 1e-4 * scale), name


@pytest.mark.usefixtures("crds_cache")
class TestSynthetic:
    """Several integrations with noise, jumps of which some are flagged."""

    @pytest.fixture
    def ramp(self, builder):
        """Return a ramp of four integrations, with flags that differ between them."""
        model = replace(builder, nints=4, readnoise=5.0, seed=7).model()
        rng = np.random.default_rng(8)
        model.groupdq |= (4 * (rng.random(model.groupdq.shape) < 0.05)).astype(np.uint8)
        model.groupdq[1, :, 10:14] |= 5
        model.groupdq[:, :, 20, 20] |= 3
        return model

    @pytest.mark.parametrize("algorithm", ["OLS_C", "LIKELY"])
    def test_nothing_masked(self, ramp, algorithm):
        """All arrays are those of ramp_fit's own rate, by the algorithm that the log tells."""
        rate, rateints = RampFitStep.call(ramp, algorithm=algorithm)
        assert_same_rate(rate_from_rateints(rateints, algorithm=algorithm), rate)

    @pytest.mark.parametrize("algorithm", ["OLS_C", "LIKELY"])
    @pytest.mark.parametrize("told_by", ["log", "rate beside the file", "rate"])
    def test_algorithm(self, ramp, algorithm, told_by, tmp_path, caplog):
        """The product's own log tells the algorithm of ramp_fit, else the rate that it made."""
        rate, rateints = RampFitStep.call(ramp, algorithm=algorithm)
        rateints.cal_logs = {}
        if told_by == "log":
            line = f"… - INFO - Using algorithm = {algorithm}"
            rateints.cal_logs = {"calwebb_detector1": ["algorithm: joint", line, "more"]}
            rebuilt = rate_from_rateints(rateints)
        elif told_by == "rate":
            rebuilt = rate_from_rateints(rateints, rate=rate)
        else:
            rate.save(str(tmp_path / "x_rate.fits"))
            rateints.save(str(tmp_path / "x_rateints.fits"))
            rebuilt = rate_from_rateints(tmp_path / "x_rateints.fits")
        assert_same_rate(rebuilt, rate)
        assert not caplog.messages or "combined as OLS_C" not in caplog.messages[-1]

    def test_nothing_tells_the_algorithm(self, ramp, caplog):
        """OLS_C is assumed, with a warning that says so."""
        rate, rateints = RampFitStep.call(ramp)
        rateints.meta.filename, rateints.cal_logs = "x_rateints.fits", {}
        assert_same_rate(rate_from_rateints(rateints), rate)
        assert any("x: neither its cal_logs" in text for text in caplog.messages), caplog.messages

    @pytest.mark.parametrize("algorithm", ["OLS_C", "LIKELY"])
    def test_whole_integrations_masked(self, ramp, write, algorithm):
        """Rate, read noise and flags are those of fitting the masked ramp again."""
        early = Shower(integration=2, group=0, x=20, y=15, a=9, b=5, theta=30)
        path = str(write(early, replace(early, integration=0, x=25.0)))
        masked = ManualShowerMaskStep.call(ramp, region_file=path)
        refitted, _ = RampFitStep.call(masked, algorithm=algorithm)
        _, rateints = RampFitStep.call(ramp, algorithm=algorithm)
        rebuilt = rate_from_rateints(
            ManualShowerMaskStep.call(rateints, region_file=path), algorithm=algorithm
        )
        assert_same_rate(rebuilt, refitted, ("data", "var_rnoise"))
        assert rebuilt.meta.cal_step.manual_shower_mask == "COMPLETE"


class TestRealRamp:
    """Five integrations of a real detector."""

    def test_nothing_masked(self, real_ramp):
        """Rebuilt from the pipeline's rateints, the rate is the pipeline's."""
        root = real_ramp.name.removesuffix("_uncal.fits")
        folder = real_ramp.parent
        Detector1Pipeline.call(str(real_ramp), save_results=True, output_dir=str(folder))
        with (
            datamodels.open(folder / f"{root}_rateints.fits") as rateints,
            datamodels.open(folder / f"{root}_rate.fits") as rate,
        ):
            assert_same_rate(rate_from_rateints(rateints), rate)

    @pytest.mark.slow
    def test_whole_integrations_masked(self, real_ramp, write):
        """Masked rateints give the rate of the masked ramp, also where nothing is left."""
        root = real_ramp.name.removesuffix("_uncal.fits")
        folder = real_ramp.parent
        spot = Shower(integration=0, group=0, x=20, y=20, a=6, b=6, theta=0)
        early = Shower(integration=2, group=0, x=50, y=40, a=9, b=6, theta=30)
        path = str(write(early, *(replace(spot, integration=i) for i in range(5))))
        Detector1Pipeline.call(str(real_ramp), save_results=True, output_dir=str(folder))
        masked = Detector1ShowersPipeline.call(
            str(real_ramp), steps={"manual_shower_mask": {"region_file": path}}
        )
        rateints = ManualShowerMaskStep.call(
            str(folder / f"{root}_rateints.fits"), region_file=path
        )
        rebuilt = rate_from_rateints(rateints)
        assert_same_rate(rebuilt, masked, ("data", "var_rnoise"))
        assert np.isnan(rebuilt.data[20, 20])


def test_weights_are_those_of_the_read_noise():
    """A plain mean would be wrong where integrations differ in usable groups."""
    data = np.array([[[10.0]], [[20.0]]], np.float32)
    variance = np.array([[[1.0]], [[4.0]]], np.float32)
    rate = combine_integrations(data, np.zeros((2, 1, 1), np.uint32), variance, variance)
    assert rate.data[0, 0] == pytest.approx((10 / 1 + 20 / 4) / (1 + 1 / 4))
    assert rate.var_rnoise[0, 0] == pytest.approx(0.8)
    assert rate.err[0, 0] == pytest.approx(np.sqrt(1.6))


def test_the_mrs_has_models_of_its_own():
    """As from ramp_fit, the rate of an MRS exposure is an IFUImageModel."""
    rateints = datamodels.CubeModel((2, 4, 4))
    rateints.var_rnoise = rateints.var_poisson = np.ones((2, 4, 4), np.float32)
    rateints.meta.exposure.type = "MIR_MRS"
    assert type(rate_from_rateints(rateints)) is datamodels.IFUImageModel


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: datamodels.ImageModel((4, 4)), "is a rate, expected rateints"),
        (lambda: datamodels.RampModel((1, 2, 4, 4)), "is a ramp, expected rateints"),
        (lambda: datamodels.CubeModel((2, 4, 4)), "has no variances"),
    ],
)
def test_other_products(model, message):
    """Only rateints with variances can be combined."""
    with pytest.raises(ExposureError, match=message):
        rate_from_rateints(model())
