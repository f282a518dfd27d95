"""What a mask costs."""

import pytest

from showermask.masking.cost import has_rate_left


@pytest.mark.parametrize(
    ("first", "last", "left"),
    [(0, 9, False), (1, 9, False), (2, 9, False), (3, 9, True), (0, 5, True), (0, 6, True),
     (0, 7, False), (2, 6, True), (2, 7, False), (9, 9, True)],
)  # fmt: skip
def test_rate_left(first, last, left):
    """In ten groups, of which the first and last are not used, two in a row have to be left."""
    assert has_rate_left(slice(first, last + 1), 10) is left
