"""Region files in ASDF: validated by asdf itself, read by asdf as region files."""

import subprocess
import sys
import warnings
from importlib import resources

import asdf
import pytest
import yaml
from asdf.exceptions import ValidationError

from showermask import BadPixels, Polygon, RegionFile, Shower, read_regions, write_regions
from showermask._asdf import _SCHEMA, _TAG
from showermask.exceptions import RegionFileError
from showermask.regionfile.asdfschema import SCHEMA_URI, TAG, asdf_schema

SHOWER = Shower(integration=0, group=12, x=512.5, y=400.0, a=35.0, b=22.0, theta=30.0)
REGIONS = RegionFile(
    entries=(
        SHOWER,
        BadPixels(x=(3, 9), y="all", comment="bad: columns"),
        Polygon(integration=0, group=3, vertices=((10, 20), (30, 22.5), (25, 40))),
    ),
    exposure="jw00001001001_02101_00001_mirimage",
    shape=(1, 40, 1024, 1032),
    reviewer="Ä. Näme",
)


def test_by_asdf(tmp_path):
    """A region file opens as one; also in a tree with other things."""
    path = tmp_path / "r.asdf"
    write_regions(path, REGIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with asdf.open(path) as file:
            assert file["region_file"] == REGIONS
    assert read_regions(path) == REGIONS
    asdf.AsdfFile({"mine": {"regions": [REGIONS]}, "more": 5}).write_to(tmp_path / "m.asdf")
    with asdf.open(tmp_path / "m.asdf") as file:
        assert file["mine"]["regions"][0] == REGIONS


def test_masks_are_not_read(tmp_path):
    """Asdf does not know where the file lies; the names stay."""
    regions = RegionFile(pixels=[BadPixels(mask="m.fits")])
    asdf.AsdfFile({"r": regions}).write_to(tmp_path / "r.asdf")
    with asdf.open(tmp_path / "r.asdf") as file:
        assert file["r"].pixels[0].mask == "m.fits"
        assert file["r"].pixels[0].image is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("a: 35.0", "a: -35.0"), "-35.0 is less than or equal to the minimum"),
        (("a: 35.0", "a: 0.0"), "less than or equal to the minimum"),
        (("integration: 0", "integration: one"), "mismatched type|is not of type"),
        (("y: all", "y: some"), "is not valid under any"),
        (("b: 22.0", "c: 22.0"), "'b' is a required property|Additional properties"),
    ],
)
def test_validated(tmp_path, change, sentence):
    """Asdf refuses what the schema does not allow, when the file is opened."""
    path = tmp_path / "r.asdf"
    write_regions(path, REGIONS)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    with asdf.config_context() as config:
        config.validate_on_read = True
        with pytest.raises(ValidationError, match=sentence):
            asdf.open(path)
        config.validate_on_read = False  # asdf's default one day: then it is our classes that tell
        config.warn_on_failed_conversion = False
        with pytest.raises(RegionFileError), asdf.open(path) as file:
            _ = file["region_file"]
    with pytest.raises(RegionFileError):
        read_regions(path)


def test_files_without_the_tag(tmp_path):
    """Files of before, with the keys at the top, are read as ever."""
    path = tmp_path / "r.asdf"
    asdf.AsdfFile(REGIONS.to_tree()).write_to(path)
    assert "region_file" not in path.read_text()
    assert read_regions(path) == REGIONS


def test_the_schema_is_the_schema():
    """The file of the package is the translation of the schema of region files."""
    path = resources.files("showermask.regionfile") / "schemas/asdf/region_file-1.2.0.yaml"
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == asdf_schema()
    assert (_TAG, _SCHEMA) == (TAG, SCHEMA_URI)


def test_other_tags_are_refused(tmp_path):
    """As in any region file."""
    path = tmp_path / "r.asdf"
    write_regions(path, REGIONS)
    path.write_text(path.read_text().replace(TAG, "asdf://elsewhere/tags/region_file-1.2.0"))
    with pytest.raises(RegionFileError, match="found the tag"):
        read_regions(path)


def test_asdf_stays_light():
    """To open any file of asdf does not import the package's rooms."""
    code = (
        "import asdf, sys; asdf.get_config().extensions; asdf.get_config().resource_manager; "
        "light = {'showermask._asdf', 'showermask.regionfile'}; "
        "found = {name for name in sys.modules if name.startswith('showermask.')}; "
        "assert 'showermask._asdf' in found and found <= light, found"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
