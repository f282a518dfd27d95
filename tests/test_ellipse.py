"""The ellipse on the pixel grid, against a brute-force oracle and astropy's Ellipse2D."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.modeling.functional_models import Ellipse2D
from hypothesis import given
from hypothesis import strategies as st

from showermask import Ellipse

SHAPE = (24, 31)

ellipses = st.builds(
    Ellipse,
    x=st.floats(-20, 50),
    y=st.floats(-20, 45),
    a=st.floats(0.01, 40),
    b=st.floats(0.01, 40),
    theta=st.floats(-720, 720),
)


def masked(ellipse, shape=SHAPE):
    """Return the mask of a whole frame."""
    mask = np.zeros(shape, bool)
    box = ellipse.box(shape)
    mask[box] = ellipse.inside(*box)
    return mask


def brute_force(ellipse, shape=SHAPE):
    """Return the mask of a whole frame from astropy's model, evaluated at every pixel."""
    model = Ellipse2D(
        amplitude=1,
        x_0=ellipse.x,
        y_0=ellipse.y,
        a=ellipse.a,
        b=ellipse.b,
        theta=np.radians(ellipse.theta),
    )
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    return model(x, y) == 1


@given(ellipses)
def test_same_pixels_as_astropy(ellipse):
    """Box and rasteriser together mask what Ellipse2D masks on the whole frame, every pixel."""
    np.testing.assert_array_equal(masked(ellipse), brute_force(ellipse))


@given(
    st.builds(
        Ellipse,
        x=st.integers(0, 30),
        y=st.integers(0, 23),
        a=st.integers(1, 15),
        b=st.integers(1, 15),
        theta=st.sampled_from([0, 30, 45, 60, 90, 180, -45, 270]),
    )
)
def test_same_pixels_as_astropy_on_the_edge(ellipse):
    """Round numbers, which put pixel centres on the ellipse itself, make no difference."""
    np.testing.assert_array_equal(masked(ellipse), brute_force(ellipse))


@given(ellipses.map(lambda e: replace(e, x=round(e.x * 64) / 64, y=round(e.y * 64) / 64)))
def test_clipping_is_the_same_before_and_after(ellipse):
    """Rasterising on a larger frame and cutting gives what rasterising on the frame gives."""
    margin = 25  # centres are multiples of 1/64, so that the shift is exact
    shifted = replace(ellipse, x=ellipse.x + margin, y=ellipse.y + margin)
    large = masked(shifted, (SHAPE[0] + 2 * margin, SHAPE[1] + 2 * margin))
    np.testing.assert_array_equal(large[margin:-margin, margin:-margin], masked(ellipse))


@given(ellipses, st.integers(-3, 3))
def test_half_turns_change_nothing(ellipse, turns):
    """An ellipse turned by 180 degrees differs at most in pixels on its very edge."""
    turned = masked(replace(ellipse, theta=ellipse.theta + 180 * turns))
    shrunk = replace(ellipse, a=ellipse.a * (1 - 1e-9), b=ellipse.b * (1 - 1e-9))
    grown = replace(ellipse, a=ellipse.a * (1 + 1e-9), b=ellipse.b * (1 + 1e-9))
    assert not np.any(masked(shrunk) & ~turned)
    assert not np.any(turned & ~masked(grown))


def test_area():
    """The number of pixels is pi a b."""
    pixels = np.count_nonzero(
        masked(Ellipse(x=100.3, y=90.7, a=60, b=25, theta=33), shape=(200, 200))
    )
    assert pixels == pytest.approx(np.pi * 60 * 25, rel=0.005)


def test_theta_turns_from_x_towards_y():
    """At 45 degrees the a axis points to larger x and larger y."""
    mask = masked(Ellipse(x=12, y=12, a=10, b=1, theta=45))
    assert mask[18, 18]
    assert not mask[18, 6]


def test_pixel_centres_are_at_integers():
    """The smallest ellipse on a pixel's centre masks that pixel alone."""
    mask = masked(Ellipse(x=7, y=3, a=0.4, b=0.4, theta=0))
    assert np.argwhere(mask).tolist() == [[3, 7]]


@pytest.mark.parametrize(("x", "y"), [(-50, 5), (90, 5), (5, -50), (5, 90), (1e300, 5)])
def test_outside_the_frame_is_empty(x, y):
    """An ellipse beyond any edge has an empty box and no pixels."""
    ellipse = Ellipse(x=x, y=y, a=10, b=5, theta=10)
    rows, columns = ellipse.box(SHAPE)
    assert ellipse.inside(rows, columns).size == 0


def test_huge_axes_cover_the_frame():
    """Axes of any size are clipped without overflow."""
    assert masked(Ellipse(x=3, y=3, a=1e300, b=1e300, theta=10)).all()
