"""What a shower accepts and refuses."""

import math

import pytest

from showermask import Shower, ShowermaskError, Status
from showermask.exceptions import ShowerError

SMALLEST = {"integration": 0, "group": 12, "x": 512.5, "y": 400, "a": 35, "b": 22, "theta": 30}


def test_defaults():
    """A shower is accepted and lasts to the end unless it says otherwise."""
    shower = Shower(**SMALLEST)
    assert shower.status is Status.ACCEPTED
    assert shower.groups(40) == slice(12, 40)


def test_last_group_is_inclusive():
    """The last affected group is masked."""
    assert Shower(**SMALLEST, last_group=12).groups(40) == slice(12, 13)


def test_mapping_round_trip():
    """A shower comes back from its region-file entry; defaults are left out of it."""
    shower = Shower(**SMALLEST, status="rejected", flags=["JUMP_DET"], comment="a star")
    entry = shower.to_mapping()
    assert list(entry) == [*SMALLEST, "status", "flags", "comment"]
    assert Shower.from_mapping(entry) == shower


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"integration": -1}, "integration is -1, expected 0 or more"),
        ({"group": 1.5}, "group is 1.5, expected a whole number"),
        ({"group": True}, "group is true, expected a whole number"),
        ({"last_group": 3}, r"last_group is 3, expected 12 \(the first group\) or more"),
        ({"x": math.nan}, "x is nan, expected a finite number"),
        ({"y": "3"}, "y is the text '3', expected a finite number"),
        ({"theta": math.inf}, "theta is inf, expected a finite number"),
        ({"a": 0}, "a is 0, expected more than 0"),
        ({"b": -2.0}, "b is -2.0, expected more than 0"),
        ({"x": 10**400}, "x is 1000"),
        ({"comment": 5}, "comment is 5, expected a text"),
        ({"comment": "\ud800"}, "expected a text that can be written as UTF-8"),
        ({"score": math.nan}, "score is nan"),
        (
            {"status": "maybe"},
            "status is the text 'maybe', expected one of accepted, candidate, rejected",
        ),
        ({"flags": "JUMP_DET"}, "flags is the text 'JUMP_DET', expected a list"),
        ({"flags": []}, "flags has 0 items, expected 1 or more"),
    ],
)
def test_refusals(change, message):
    """Each value that makes no sense is refused by name."""
    with pytest.raises(ShowerError, match=message):
        Shower(**{**SMALLEST, **change})


def test_all_problems_at_once():
    """Several bad values give one error with a sentence for each."""
    with pytest.raises(ShowermaskError) as raised:
        Shower(**{**SMALLEST, "group": -1, "a": 0, "theta": math.nan})
    assert len(raised.value.problems) == 3
