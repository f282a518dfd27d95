"""Groups that a mask leaves without a usable neighbour: flagged too, or the fit invents rates.

Six groups of 2.775 s, true rate 10 DN/s on a pedestal of 12,000 DN, as the real MIRI ramp has. Each
group of a pixel is good, masked or after a jump, in all of the 729 possible patterns.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jwst.ramp_fitting import RampFitStep
from oracles import DO_NOT_USE, JUMP_DET, SATURATED, lone_groups

from showermask import BadPixels, ManualShowerMaskStep, RegionFile, Shower, write_regions
from showermask.masking.footprint import find_footprints, set_bits
from showermask.masking.lone_groups import flag_lone_groups
from showermask.synthetic.ramps import RampBuilder

TRUTH = 10.0
GOOD, MASKED, JUMP = range(3)
BOTH = DO_NOT_USE | JUMP_DET
PATTERNS = np.array(list(product((GOOD, MASKED, JUMP), repeat=6)))
FRAME = (32, 40)
FITS = [("OLS_C", True), ("OLS_C", False), ("LIKELY", True)]


def scattered(patterns):
    """Return patterns of pixels as ``(groups, ny, nx)``, good where there are no more."""
    stack = np.zeros((patterns.shape[1], FRAME[0] * FRAME[1]), int)
    stack[:, : len(patterns)] = patterns.T
    return stack.reshape(-1, *FRAME)


def step_of(stack, *, height):
    """Return the light that jumps leave behind, in DN."""
    return height * np.cumsum(stack == JUMP, axis=0, dtype=np.float32)


def pixel_masks(folder, masked):
    """Write a region file with one mask image for each group."""
    entries = []
    for group, image in enumerate(masked):
        if image.any():
            name = f"group{group}.fits"
            fits.PrimaryHDU(image.astype(np.uint8)).writeto(folder / name, overwrite=True)
            entries.append(BadPixels(mask=name, group=group, last_group=group, integration=0))
    path = folder / "regions.yaml"
    write_regions(path, RegionFile(showers=(), pixels=tuple(entries)))
    return str(path)


def assert_right_or_flagged(model, where):
    """Check that every pixel is NaN with DO_NOT_USE, or within 5 sigma of the truth."""
    data, err, dq = (getattr(model, name)[where] for name in ("data", "err", "dq"))
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(data - TRUTH) <= 5 * err) & ~(np.isnan(data) & (dq & DO_NOT_USE > 0))
    assert not wrong.any(), (np.argwhere(wrong)[:3], data[wrong][:3], err[wrong][:3])


def fit(model, algorithm, suppress_one_group):
    """Return rate and rateints of the stock ramp fit, NaN flagged as stages 2 and 3 do."""
    rate, rateints = RampFitStep.call(
        model, algorithm=algorithm, suppress_one_group=suppress_one_group
    )
    if algorithm == "LIKELY":  # leaves some NaN without the flag
        for fitted in (rate, rateints):
            fitted.dq[np.isnan(fitted.data)] |= DO_NOT_USE
    return rate, rateints


@pytest.mark.usefixtures("crds_cache")
@pytest.mark.parametrize(("algorithm", "suppress"), FITS)
class TestRates:
    """What the stock fit makes of masked ramps."""

    @pytest.fixture
    def builder(self):
        """Return noisy ramps of six groups on a pedestal."""
        return RampBuilder(ngroups=6, ny=32, nx=40, pedestal=12000.0, readnoise=5.0, seed=3)

    @pytest.mark.parametrize("ends", ["MIRI's first and last group unused", "all groups used"])
    @pytest.mark.parametrize("nints", [1, 2])
    def test_all_patterns(self, builder, tmp_path, algorithm, suppress, ends, nints):
        """Every pixel that the mask touches is right or NaN, whatever the pattern of its groups."""
        model = replace(builder, nints=nints).model()
        if ends == "all groups used":
            model.groupdq[:] = 0
        stack = scattered(PATTERNS)
        model.data[0] += step_of(stack, height=300.0)
        model.groupdq[0][stack == JUMP] |= JUMP_DET
        masked = ManualShowerMaskStep.call(
            model, region_file=pixel_masks(tmp_path, stack == MASKED), max_masked_fraction=1.0
        )
        touched = (stack == MASKED).any(axis=0)
        untouched = model.groupdq.copy()
        untouched[0, :, touched] = masked.groupdq[0, :, touched]
        np.testing.assert_array_equal(masked.groupdq, untouched)
        rate, rateints = fit(masked, algorithm, suppress)
        assert_right_or_flagged(rateints, (0, touched))
        assert_right_or_flagged(rate, touched)

    @pytest.mark.parametrize("height", [0.0, 5000.0])
    @pytest.mark.parametrize(
        "runs",
        [
            [(2, 2)],
            [(3, 6)],
            [(2, 7)],
            [(1, 7)],
            [(2, 3), (5, 6)],
            [(0, 0), (2, 2), (4, 4), (6, 6), (8, 8)],
            [(3, 4), (6, 9)],
        ],
    )
    def test_showers(self, builder, write, algorithm, suppress, runs, height):
        """Masks that end in the middle, two in a row, and a step that the shower leaves behind."""
        ramps = replace(builder, ngroups=10)
        spot = Shower(integration=0, group=0, x=20, y=15, a=9, b=5, theta=30)
        showers = [replace(spot, group=first, last_group=last) for first, last in runs]
        model = ramps.model()
        box = spot.ellipse.box(FRAME)
        inside = np.zeros(FRAME, bool)
        inside[box] = spot.ellipse.inside(*box)
        for first, last in runs:
            model.data[0, first : last + 1] += 40.0 * inside
            model.data[0, last + 1 :] += height * inside
        model.groupdq[0, 9, inside] |= SATURATED
        masked = ManualShowerMaskStep.call(model, region_file=str(write(*showers)))
        for fitted in fit(masked, algorithm, suppress):
            assert_right_or_flagged(fitted, (..., inside))

    def test_saturation_behind_a_mask(self, builder, write, algorithm, suppress):
        """A group between a mask and saturation is lone too."""
        model = replace(builder, ngroups=10).model()
        spot = Shower(integration=0, group=2, last_group=5, x=20, y=15, a=9, b=5, theta=30)
        box = spot.ellipse.box(FRAME)
        for row, column in zip(*np.nonzero(spot.ellipse.inside(*box)), strict=True):
            y, x = box[0].start + row, box[1].start + column
            saturated = 6 + (x + y) % 4
            model.groupdq[0, saturated:, y, x] |= SATURATED
            model.data[0, saturated:, y, x] = 60000.0
        masked = ManualShowerMaskStep.call(model, region_file=str(write(spot)))
        inside = (..., *box)
        for fitted in fit(masked, algorithm, suppress):
            assert_right_or_flagged(fitted, inside)


@given(dq=arrays(np.uint8, (2, 7, 4, 3), elements=st.integers(0, 15)), x=st.integers(0, 2))
def test_lone_groups_are_flagged_in_masked_pixels_only(dq, x):
    """DO_NOT_USE goes to every lone group of a masked pixel, and to no other sample; once."""
    entries = [BadPixels(x=x, y="all", integration=1, group=2, last_group=4)]
    footprints = find_footprints(entries, dq.shape)
    set_bits(dq, footprints, [BOTH])
    before = dq.copy()
    expected = dq.copy()
    for y in range(4):
        expected[1, :, y, x] |= np.array(lone_groups(dq[1, :, y, x]), np.uint8)
    assert flag_lone_groups(dq, footprints, [BOTH]) == np.count_nonzero(expected != before)
    np.testing.assert_array_equal(dq, expected)
    assert flag_lone_groups(dq, footprints, [BOTH]) == 0
