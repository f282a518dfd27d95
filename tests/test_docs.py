"""The pages of the documentation: commands that exist, links that lead somewhere, true code."""

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote

import matplotlib as mpl
import pytest
import yaml
from pages import PAGES, ROOT, blocks, commands

from showermask import ManualShowerMaskStep, Shower, SubtractShowersStep
from showermask.cli import _parse
from showermask.pipeline.provenance import KEYWORDS
from showermask.pipeline.subtraction_record import KEYWORDS as SUBTRACTION_KEYWORDS
from showermask.synthetic.ramps import RampBuilder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands(page):
    """Every command that is shown has these arguments."""
    for arguments in commands(page):
        _, options = _parse(arguments)
        assert options is not None


def test_there_are_commands():
    """The pages are looked into."""
    assert sum(len(commands(page)) for page in PAGES) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links(page):
    """Files that a page names are there."""
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python(page):
    """Python that is shown is Python."""
    for block in blocks(page, "python"):
        compile(block, page.name, "exec")


@pytest.mark.parametrize("step", [ManualShowerMaskStep, SubtractShowersStep])
def test_step_pages(step):
    """A step's page has each of its arguments, and its keywords."""
    page = (ROOT / f"docs/steps/{step.class_alias}.md").read_text()
    arguments = re.findall(r"^ +(\w+) = ", step.spec, re.MULTILINE)
    shown = re.findall(r"`--(\w+)`", page.split("## Step Arguments")[1].split("## Reference")[0])
    assert shown == arguments
    keywords = KEYWORDS if step is ManualShowerMaskStep else SUBTRACTION_KEYWORDS
    assert not [name for name in keywords if f"`{name}`" not in page]


@pytest.mark.slow
def test_the_script_of_the_library(tmp_path, monkeypatch):
    """Runs as it stands, on a ramp with a shower."""
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    (script,) = blocks(ROOT / "docs" / "library.md", "python")
    root = re.search(r'"(\S+)_jump.fits"', script)[1]
    builder = RampBuilder(ngroups=16, ny=64, nx=72, readnoise=4.0, seed=5)
    glow = Shower(integration=0, group=4, x=30, y=28, a=9, b=6, theta=20)
    builder.add_glow(glow, amplitude=40.0, decay=12.0).model().save(f"{root}_jump.fits")
    names = {}
    exec(compile(script, "library.md", "exec"), names)
    assert Path("x_showers.png").exists()
    assert names["masked"].meta.cal_step.manual_shower_mask == "COMPLETE"


def test_badges():
    """They say what the package says of itself."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pythons = re.findall(r":: (3\.\d+)", " ".join(about["classifiers"]))
    (jwst,) = (need[6:] for need in about["dependencies"] if need.startswith("jwst>="))
    text = (ROOT / "README.md").read_text()
    shown = re.findall(r"img\.shields\.io/badge/([^)]+)\)", text)
    license_name = about["license"].replace("-", "--")
    assert [unquote(badge) for badge in shown] == [
        f"python-{pythons[0]}_to_{pythons[-1]}-blue",
        f"jwst-≥_{jwst}-blue",
        f"license-{license_name}-green",
    ]
    assert (ROOT / ".github/workflows/tests.yml").exists()


def test_what_is_cited_agrees():
    """CITATION.cff, .zenodo.json and the package say the same."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    zenodo = json.loads((ROOT / ".zenodo.json").read_text())
    assert citation["title"] == zenodo["title"]
    assert citation["version"] == zenodo["version"] == version("showermask")
    assert citation["license"] == zenodo["license"] == "BSD-3-Clause"
    names = [author["name"] for author in citation["authors"]]
    assert names == [creator["name"] for creator in zenodo["creators"]]
