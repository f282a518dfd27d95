"""Train the classifier of the proposer, and write its file.

Run: python benchmarks/propose/train.py COLLECTED.npz [COLLECTED.npz ...]

The files are made by ``collect.py``. Needs scikit-learn, which the package itself does not. Prints
how well trees that have not seen an exposure judge its glows (cross-validation by exposure).
"""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

import showermask.commands.propose

OUT = Path(showermask.commands.propose.__file__).parent / "classifier.json"
TREES = {
    "n_estimators": 400,
    "max_depth": 3,
    "learning_rate": 0.07,
    "subsample": 0.7,
    "max_features": 8,
    "min_samples_leaf": 20,
    "random_state": 1,
}


def main(*files: str) -> None:
    """Train, judge, and write."""
    data = [np.load(file) for file in files]
    names = [str(name) for name in data[0]["names"]]
    features, labels, what, snr, scene = (
        np.concatenate([d[key] for d in data])
        for key in ("features", "is_shower", "what", "snr", "scene")
    )
    features = np.nan_to_num(features.astype(np.float64), posinf=1e6, neginf=-1e6)
    model = GradientBoostingClassifier(**TREES)
    judged = cross_val_predict(
        model, features, labels, groups=scene, cv=GroupKFold(5), method="predict_proba"
    )[:, 1]
    report(judged, labels, what, snr, len(np.unique(scene)))
    # The odds are scaled to what was true of exposures that the trees had not seen.
    odds = np.log(judged / (1 - judged))
    scaling = LogisticRegression(C=1e6).fit(odds[:, np.newaxis], labels)
    scale, offset = float(scaling.coef_[0, 0]), float(scaling.intercept_[0])
    print(f"calibration: {scale:.3f} x odds + {offset:+.3f}")
    model.fit(features, labels)
    best = np.argsort(-model.feature_importances_)
    print(", ".join(f"{names[i]} {model.feature_importances_[i]:.3f}" for i in best))
    tree = exported(model, names, labels, scene, scale, offset)
    OUT.write_text(json.dumps(tree, separators=(",", ":")) + "\n")
    print(f"{OUT.name}: {OUT.stat().st_size / 1e3:.0f} kB")


def report(judged, labels, what, snr, exposures):  # noqa: ANN001, ANN201
    """Print precision and recall at some limits."""
    print(f"{len(labels)} glows, {labels.sum()} showers, {exposures} exposures")
    for limit in (0.2, 0.35, 0.5, 0.7):
        kept = judged >= limit
        wrong = Counter(str(w) for w in what[kept & ~labels]).most_common(6)
        print(
            f"P >= {limit}: precision {labels[kept].mean():.3f}, of the showers "
            f"{(kept & labels).sum() / labels.sum():.3f}, false an exposure "
            f"{(kept & ~labels).sum() / exposures:.2f}: "
            + ", ".join(f"{name} {count}" for name, count in wrong)
        )
    for low, high in ((4, 6), (6, 10), (10, 20), (20, 1000)):
        here = labels & (snr >= low) & (snr < high)
        print(f"S/N {low} to {high}: {np.mean(judged[here] >= 0.5):.2f} of {here.sum()} kept")
    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
        here = (judged >= low) & (judged < high)
        print(f"P {judged[here].mean():.2f}: {labels[here].mean():.2f} of {here.sum()} are showers")


def exported(model, names, labels, scene, scale, offset):  # noqa: ANN001, ANN201
    """Return the tree of the file."""
    size = max(tree.tree_.node_count for tree in model.estimators_[:, 0])
    nodes = {key: [] for key in ("feature", "threshold", "left", "right", "value")}
    for (estimator,) in model.estimators_:
        tree = estimator.tree_
        is_leaf = tree.children_left < 0
        columns = {
            "feature": np.where(is_leaf, -1, tree.feature),
            "threshold": np.where(is_leaf, 0.0, tree.threshold),
            "left": np.where(is_leaf, 0, tree.children_left),
            "right": np.where(is_leaf, 0, tree.children_right),
            "value": np.where(is_leaf, scale * model.learning_rate * tree.value[:, 0, 0], 0.0),
        }
        for key, values in columns.items():
            padded = np.zeros(size) if key != "feature" else np.full(size, -1)
            padded[: len(values)] = values
            is_whole = key in ("feature", "left", "right")
            nodes[key].append([int(v) if is_whole else float(f"{v:.5g}") for v in padded])
    odds = labels.mean()
    return {
        "version": 1,
        "trained_on": {
            "exposures": len(np.unique(scene)),
            "kinds": dict(Counter(s.split()[0] for s in np.unique(scene))),
            "glows": len(labels),
            "showers": int(labels.sum()),
        },
        "names": names,
        "start": scale * float(np.log(odds / (1 - odds))) + offset,
        **nodes,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
