"""The reason why the package exists: rates inside masks are right, or flagged.

Ten groups of 2.775 s, true rate 10 DN/s, glows of 40 DN per group decaying in 20 s; the first and
the last group are DO_NOT_USE, as in MIRI ramps. One patch of the frame for each onset group.
"""

from dataclasses import replace

import numpy as np
import pytest
from jwst.ramp_fitting import RampFitStep

from showermask import ManualShowerMaskStep, Shower
from showermask.masking.footprint import find_footprints, set_bits

pytestmark = pytest.mark.usefixtures("crds_cache")

TRUTH = 10.0
ONSETS = (0, 1, 2, 3, 5, 8, 9)
PATCHES = {
    onset: Shower(integration=0, group=onset, x=5 + 10 * (i % 4), y=8 + 15 * (i // 4), a=4, b=4,
                  theta=0)
    for i, onset in enumerate(ONSETS)
}  # fmt: skip
#: Where JUMP_DET alone goes wrong: the first group or the one after it, both before any good pair.
EARLY = (0, 1)


@pytest.fixture(params=[1, 2], ids=["1 integration", "2 integrations"])
def nints(request):
    """Return the number of integrations."""
    return request.param


@pytest.fixture(params=[0.0, 1000.0], ids=["no pedestal", "pedestal"])
def ramp(request, builder, nints):
    """Return a ramp with a glow from each onset group in its first integration."""
    ramps = replace(builder, nints=nints, pedestal=request.param)
    for shower in PATCHES.values():
        ramps = ramps.add_glow(shower, amplitude=40.0, decay=20.0, is_flat=True)
    model = ramps.model()
    yield model
    model.close()


def fit(model, algorithm):
    """Return rate and rateints of the stock ramp fit."""
    return RampFitStep.call(model, algorithm=algorithm)


def values(image, shower):
    """Return the values of an image inside a shower."""
    box = shower.ellipse.box(image.shape[-2:])
    return image[(..., *box)][..., shower.ellipse.inside(*box)]


def is_right(model, shower, index=...):
    """Tell whether every pixel is NaN, DO_NOT_USE, or within 3 % of the truth."""
    data, dq = values(model.data[index], shower), values(model.dq[index], shower)
    with np.errstate(invalid="ignore"):
        good = np.abs(data - TRUTH) <= 0.03 * TRUTH
    return bool(np.all(np.isnan(data) | (dq & 1 > 0) | good))


@pytest.mark.parametrize("algorithm", ["OLS_C", "LIKELY"])
def test_masked_rates_are_right_or_flagged(ramp, write, algorithm):
    """With both bits no wrong rate is left, whatever the onset, in rateints and in the rate."""
    masked = ManualShowerMaskStep.call(ramp, region_file=str(write(*PATCHES.values())))
    rate, rateints = fit(masked, algorithm)
    for onset, shower in PATCHES.items():
        assert is_right(rateints, shower, 0), onset
        assert is_right(rate, shower), onset
        if onset < 9:  # OLS_C drops the last group with its flags
            assert np.all(values(rateints.dq[0], shower) & 4), "the mask stays visible"


@pytest.mark.parametrize("algorithm", ["OLS_C", "LIKELY"])
def test_masked_showers_do_not_cost_what_they_need_not(ramp, write, algorithm):
    """With two good groups before the shower the rate is kept."""
    masked = ManualShowerMaskStep.call(ramp, region_file=str(write(*PATCHES.values())))
    _, rateints = fit(masked, algorithm)
    for onset in (3, 5, 8, 9):
        kept = values(rateints.data[0], PATCHES[onset])
        assert np.allclose(kept, TRUTH, rtol=0.03), onset


@pytest.mark.parametrize(
    ("algorithm", "spoilt"), [("OLS_C", [0, 1, 2, 3, 5, 8]), ("LIKELY", [0, 1, 2, 3, 5])]
)
def test_unmasked_rates_are_wrong(ramp, algorithm, spoilt):
    """Without a mask glows spoil the rate, but those which begin in the last groups.

    LIKELY weighs the one difference that a glow from group 8 is in lightly enough to stay within
    3 %; the last group is not used by either.
    """
    _, rateints = fit(ramp, algorithm)
    wrong = [onset for onset, shower in PATCHES.items() if not is_right(rateints, shower, 0)]
    assert wrong == spoilt


def test_jump_det_alone_is_worse_than_nothing(ramp):
    """The classic recipe makes the rate of early showers worse than no mask does."""
    _, unmasked = fit(ramp, "OLS_C")
    footprints = find_footprints(PATCHES.values(), ramp.groupdq.shape)
    set_bits(ramp.groupdq, footprints, [4] * len(footprints))
    _, classic = fit(ramp, "OLS_C")
    for onset, shower in PATCHES.items():
        assert is_right(classic, shower, 0) == (onset not in EARLY), onset
    for onset in EARLY:
        classic_error = np.abs(values(classic.data[0], PATCHES[onset]) - TRUTH).min()
        unmasked_error = np.abs(values(unmasked.data[0], PATCHES[onset]) - TRUTH).max()
        assert classic_error > unmasked_error, onset


def test_a_mask_that_ends_before_the_ramp_does(builder, write):
    """Groups on both sides of a mask give an unbiased rate."""
    shower = Shower(integration=0, group=6, last_group=12, x=20, y=15, a=9, b=5, theta=0)
    ramps = replace(builder, ngroups=30, group_time=10.0)
    model = ramps.add_glow(shower, amplitude=40.0, decay=20.0, is_flat=True).model()
    masked = ManualShowerMaskStep.call(model, region_file=str(write(shower)))
    rate, _ = fit(masked, "OLS_C")
    assert values(rate.data, shower) == pytest.approx(TRUTH, rel=0.03)
    unmasked, _ = fit(model, "OLS_C")
    assert np.all(np.abs(values(unmasked.data, shower) - TRUTH) > 0.03 * TRUTH)


def test_every_pixel_masked(builder, write):
    """A mask of everything, if one insists, breaks neither the step nor the fit."""
    everywhere = Shower(integration=0, group=0, x=20, y=15, a=99, b=99, theta=0)
    masked = ManualShowerMaskStep.call(
        builder.model(), region_file=str(write(everywhere)), max_masked_fraction=1.0
    )
    assert fit(masked, "OLS_C") == (None, None)
