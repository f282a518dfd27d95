"""What the README, the pages and the example files say is true."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from pages import ROOT, blocks

from showermask import read_regions
from showermask.cli import main
from showermask.masking.mask import DEFAULT_FLAGS, MAX_MASKED_FRACTION
from showermask.pipeline.step import ManualShowerMaskStep
from showermask.pipeline.subtract import SubtractShowersStep
from showermask.regionfile.maskfile import write_mask


@pytest.mark.parametrize(
    ("page", "position", "entries"),
    [
        ("README.md", 0, 1),
        *(("docs/region-file.md", *one) for one in ((0, 1), (1, 1), (2, 4), (3, 1))),
    ],
)
def test_region_files(tmp_path, page, position, entries):
    """The region files shown are valid."""
    write_mask(tmp_path / "hot.fits", np.ones((1024, 1032), bool))
    path = tmp_path / "r.yaml"
    path.write_text(blocks(ROOT / page, "yaml")[position])
    assert len(read_regions(path).accepted) == entries


def test_errors(tmp_path, monkeypatch, capsys):
    """The errors shown are those that the broken file gives, to the letter."""
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text(blocks(ROOT / "docs/other-files.md", "yaml")[0])
    assert main(["check", "bad.yaml"]) == 1
    (session,) = blocks(ROOT / "docs/other-files.md", "console")
    assert session == "$ showermask check bad.yaml\n" + capsys.readouterr().err


def test_readme_is_short():
    """The rest is in the documentation."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_example_region_file():
    """The example in config/ is valid and shows accepted and rejected showers."""
    regions = read_regions(ROOT / "config" / "example_showers.yaml")
    assert (len(regions.accepted), len(regions.showers)) == (2, 3)


def test_parameter_files_have_the_defaults():
    """The values in the parameter files are the defaults of the steps, which are the core's."""
    masking = ManualShowerMaskStep()
    assert tuple(masking.flags) == DEFAULT_FLAGS
    assert masking.max_masked_fraction == MAX_MASKED_FRACTION
    steps = {"manual_shower_mask": masking, "subtract_showers": SubtractShowersStep()}
    seen = []
    for name in (*steps, "calwebb_detector1_showers"):
        text = (ROOT / "config" / f"{name}.asdf").read_text()
        tree = yaml.safe_load(text.split("--- !core/asdf-1.1.0")[1].removesuffix("...\n"))
        for config in tree.get("steps", [tree]):
            seen.append(config["name"])
            for parameter, value in config["parameters"].items():
                assert getattr(steps[config["name"]], parameter) == value
    assert sorted(seen) == sorted([*steps, *steps])
