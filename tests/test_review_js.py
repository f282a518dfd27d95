"""The page's geometry and state, in JavaScript, under node; the geometry against the core."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from showermask import Ellipse

NY, NX = 90, 120


def run_tests(name, **environment):
    """Run the tests of a file under node."""
    node = shutil.which("node")
    if node is None and "CI" not in os.environ:
        pytest.skip("node is not installed")
    done = subprocess.run(
        [node, "--test", Path(__file__).parent / "js" / name],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "# skipped 0" in done.stdout


def test_state_of_the_page():
    """The store passes its own tests, without a browser."""
    run_tests("store.test.mjs")


def test_requests_of_the_page():
    """A request whose connection is lost is sent again, unless it changes something."""
    run_tests("server.test.mjs")


def test_table_plots_and_views():
    """Order and filter of the list, ticks, stretches, names of images."""
    run_tests("table.test.mjs")


def test_geometry_of_the_page(tmp_path):
    """Its own tests pass under node, and 1000 random ellipses have the pixels of the core."""
    rng = np.random.default_rng(20261120)
    ellipses = []
    for _ in range(1000):
        values = {
            "x": rng.uniform(-20, NX + 20),
            "y": rng.uniform(-20, NY + 20),
            "a": rng.uniform(0.5, 50),
            "b": rng.uniform(0.5, 50),
            "theta": rng.uniform(-360, 720),
        }
        ellipse = Ellipse(**values)
        mask = np.zeros((NY, NX), bool)
        box = ellipse.box(mask.shape)
        mask[box] = ellipse.inside(*box)
        ellipses.append({"ellipse": values, "pixels": np.flatnonzero(mask).tolist()})
    path = tmp_path / "ellipses.json"
    path.write_text(json.dumps({"nx": NX, "ny": NY, "ellipses": ellipses}))
    run_tests("geometry.test.mjs", SHOWERMASK_ELLIPSES=str(path))
