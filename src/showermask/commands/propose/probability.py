"""The probability that a glow is a shower: boosted decision trees, made by ``benchmarks/propose``.

The trees were trained on simulated exposures, with what looks like a shower and is none; the file
says on how many. Their sum is the logarithm of the odds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from showermask.commands.propose.features import Features

__all__ = ["Classifier", "load_classifier", "shower_probability"]

_FILE = "classifier.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """Boosted decision trees of one depth at most.

    Parameters
    ----------
    start : float
        Logarithm of the odds before the first tree.
    feature, left, right : `numpy.ndarray`
        ``(ntrees, nnodes)``: number of the feature of each node, -1 for a leaf; and the nodes that
        follow it, left for values up to the threshold.
    threshold, value : `numpy.ndarray`
        Likewise: of each node; and what a leaf adds.
    """

    start: float
    feature: NDArray[np.int16]
    threshold: NDArray[np.float64]
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    value: NDArray[np.float64]

    def odds(self, features: NDArray[np.float64]) -> float:
        """Return the logarithm of the odds of ``(nfeatures,)`` numbers."""
        trees = np.arange(len(self.feature))
        node = np.zeros(len(trees), np.intp)
        while True:
            which = self.feature[trees, node]
            inner = which >= 0
            if not inner.any():
                return float(self.start + self.value[trees, node].sum())
            is_left = features[which] <= self.threshold[trees, node]
            following = np.where(is_left, self.left[trees, node], self.right[trees, node])
            node = np.where(inner, following, node)

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Classifier:
        """Return the classifier that a file describes."""
        nodes = {
            name: np.array(tree[name], kind)
            for name, kind in (
                ("feature", np.int16),
                ("threshold", np.float64),
                ("left", np.int16),
                ("right", np.int16),
                ("value", np.float64),
            )
        }
        return cls(start=float(tree["start"]), **nodes)  # type: ignore[arg-type]


@cache
def load_classifier() -> Classifier:
    """Return the classifier of the package."""
    text = resources.files("showermask.commands.propose").joinpath(_FILE).read_text()
    tree = json.loads(text)
    names = tuple(tree["names"])
    if names != Features.names():
        raise RuntimeError(
            f"{_FILE} is for the numbers {', '.join(names)}; train it again for those of "
            "Features: python benchmarks/propose/train.py"
        )
    return Classifier.from_tree(tree)


def shower_probability(features: Features) -> float:
    """Return the probability that a glow is a shower.

    Parameters
    ----------
    features : Features
        Its numbers.

    Returns
    -------
    float
        0 to 1.
    """
    numbers = np.nan_to_num(features.as_array(), posinf=1e6, neginf=-1e6)
    return float(1 / (1 + np.exp(-np.clip(load_classifier().odds(numbers), -30, 30))))
