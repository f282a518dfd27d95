"""Bits in planes: the right ones, and no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from showermask import RegionFile, Shower
from showermask.exceptions import EntryError, FlagError, MaskTooLargeError
from showermask.exposure.dq import bits_of
from showermask.exposure.product import describe_model
from showermask.masking.cost import count_samples, measure
from showermask.masking.footprint import are_set, find_footprints, set_bits
from showermask.masking.mask import Mask
from showermask.synthetic.ramps import RampBuilder

NINTS, NGROUPS, NY, NX = RAMP = (2, 6, 12, 14)
FLAGS = {"GOOD": 0, "DO_NOT_USE": 1, "SATURATED": 2, "JUMP_DET": 4}


@st.composite
def shower_lists(draw):
    """Draw showers that fit the ramp's integrations and groups."""
    group = st.integers(0, NGROUPS - 1)

    def one():
        first = draw(group)
        return Shower(
            integration=draw(st.integers(0, NINTS - 1)),
            group=first,
            last_group=draw(st.none() | st.integers(first, NGROUPS - 1)),
            x=draw(st.floats(-5, 20)),
            y=draw(st.floats(-5, 18)),
            a=draw(st.floats(0.5, 9)),
            b=draw(st.floats(0.5, 9)),
            theta=draw(st.floats(-180, 180)),
        )

    return [one() for _ in range(draw(st.integers(0, 5)))]


def whole_masks(showers):
    """Return, by brute force, which samples of the ramp the showers cover."""
    mask = np.zeros(RAMP, bool)
    y, x = np.mgrid[:NY, :NX].astype(float)
    for s in showers:
        angle = np.radians(s.theta)
        dx, dy = x - s.x, y - s.y
        u = (dx * np.cos(angle) + dy * np.sin(angle)) / s.a
        v = (-(dx * np.sin(angle)) + dy * np.cos(angle)) / s.b
        last = NGROUPS - 1 if s.last_group is None else s.last_group
        mask[s.integration, s.group : last + 1] |= u**2 + v**2 <= 1
    return mask


PLANES = {
    "ramp": (RAMP, np.uint8, lambda mask: mask),
    "rateints": ((NINTS, NY, NX), np.uint32, lambda mask: mask.any(axis=1)),
    "rate": ((NY, NX), np.uint32, lambda mask: mask.any(axis=(0, 1))),
}


@pytest.mark.parametrize("kind", PLANES)
@given(data=st.data(), showers=shower_lists())
def test_bits_are_ored_where_the_showers_are(kind, data, showers):
    """In every plane: the bits are set in the showers, nothing else changes, no bit is cleared."""
    shape, dtype, collapse = PLANES[kind]
    before = data.draw(arrays(dtype, shape, elements=st.integers(0, 255)))
    after = before.copy()
    footprints = find_footprints(showers, shape)
    set_bits(after, footprints, [5] * len(footprints))
    expected = np.where(collapse(whole_masks(showers)), before | 5, before)
    np.testing.assert_array_equal(after, expected)
    assert are_set(after, footprints, [5] * len(footprints))


@given(showers=shower_lists())
def test_twice_is_once(showers):
    """Applying again changes nothing."""
    once = np.zeros(RAMP, np.uint8)
    footprints = find_footprints(showers, RAMP)
    set_bits(once, footprints, [5] * len(footprints))
    twice = once.copy()
    set_bits(twice, footprints, [5] * len(footprints))
    np.testing.assert_array_equal(once, twice)


@given(showers=shower_lists())
def test_counts_are_those_of_the_union(showers):
    """Pixels and samples count once where showers overlap."""
    mask = whole_masks(showers)
    footprints = find_footprints(showers, RAMP)
    coverage = measure(footprints, RAMP)
    in_integrations = np.count_nonzero(mask.any(axis=1), axis=(1, 2))
    assert coverage.counts["showers"] == len(showers)
    assert coverage.pixels == np.count_nonzero(mask.any(axis=(0, 1)))
    assert coverage.integration_pixels == in_integrations.sum()
    assert coverage.fraction == in_integrations.max() / (NY * NX)
    assert count_samples(footprints, RAMP) == np.count_nonzero(mask)


def test_each_shower_has_its_own_bits():
    """Showers may set different flags."""
    here = Shower(integration=0, group=0, x=2, y=2, a=1, b=1, theta=0)
    there = Shower(integration=1, group=0, x=8, y=8, a=1, b=1, theta=0)
    plane = np.zeros(RAMP, np.uint8)
    set_bits(plane, find_footprints([here, there], RAMP), [4, 5])
    assert set(np.unique(plane[0])) == {0, 4}
    assert set(np.unique(plane[1])) == {0, 5}


def test_missing_bits_are_noticed(shower):
    """A plane in which one pixel lacks one bit is not up to date."""
    plane = np.zeros((1, 10, 32, 40), np.uint8)
    footprints = find_footprints([shower], plane.shape)
    set_bits(plane, footprints, [5])
    plane[0, 5, 15, 20] = 4
    assert not are_set(plane, footprints, [5])


def test_planes_of_any_layout_are_written_in_place(shower):
    """Byte order and strides of the plane make no difference."""
    plane = np.zeros((40, 32), ">u4").T
    set_bits(plane, find_footprints([shower], plane.shape), [5])
    assert plane[15, 20] == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"integration": 2}, r"entries\[0\].integration is 2, .* integrations 0 to 1"),
        ({"group": 6}, r"entries\[0\].group is 6, but the exposure has groups 0 to 5"),
        ({"last_group": 6}, r"entries\[0\].last_group is 6, .* groups 0 to 5"),
    ],
)
def test_out_of_range_does_not_wrap(change, message):
    """An integration or group beyond the plane is an error."""
    entry = {"integration": 0, "group": 0, "x": 2, "y": 2, "a": 1, "b": 1, "theta": 0}
    with pytest.raises(EntryError, match=message):
        find_footprints([Shower(**{**entry, **change})], RAMP)


def test_flag_names_are_resolved_in_any_case():
    """Names become bits."""
    assert bits_of(["JUMP_DET", " do_not_use"], FLAGS, where="flags", plane="GROUPDQ") == 5


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["HOT"], "HOT is not a flag of GROUPDQ"),
        (["GOOD"], "GOOD is not a flag of GROUPDQ"),
        ([], "no flag is named"),
        (["4", "5"], "4, 5 are no flags of GROUPDQ"),
    ],
)
def test_unknown_flags_are_refused(names, found):
    """A name which the plane lacks, or which sets no bit, is an error that lists the known ones."""
    expected = f"flags: {found}, expected names among DO_NOT_USE, SATURATED, JUMP_DET"
    with pytest.raises(FlagError, match=expected):
        bits_of(names, FLAGS, where="flags", plane="GROUPDQ")


def test_too_large_a_mask_is_refused():
    """A slip such as a = 900 is an error, not an empty product."""
    slip = Shower(integration=0, group=0, x=6, y=6, a=900, b=900, theta=0)
    exposure = describe_model(RampBuilder(ngroups=6, ny=NY, nx=NX).model())
    regions = RegionFile(showers=[slip])
    with pytest.raises(MaskTooLargeError, match=r"covers 100.0% of the frame, expected at most"):
        Mask.plan(regions, exposure, max_masked_fraction=0.5)
    assert Mask.plan(regions, exposure, max_masked_fraction=1.0).coverage.fraction == 1.0
