"""The rule by which a region file goes with an exposure, the same for all commands."""

from pathlib import Path

import pytest

from showermask import ManualShowerMaskStep, read_regions
from showermask.cli import main
from showermask.exceptions import ExposureError, RegionFileError
from showermask.regionfile.lookup import REGIONS_VARIABLE, RegionLookup, find_work, walk

ROOT = "jw00001001001_02101_00001_mirimage"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder of its own, without the variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(REGIONS_VARIABLE, raising=False)
    for name in ("data", "regions/a/b", "given"):
        Path(name).mkdir(parents=True)


def touched(*paths):
    """Make empty files, and return their paths."""
    for path in map(Path, paths):
        path.touch()
    return [Path(path) for path in paths]


def test_given_comes_before_the_variable_and_the_exposure(monkeypatch):
    """The first of them that has a file; what is given excludes the rest."""
    (beside,) = touched(f"data/{ROOT}_showers.yaml")
    exposure = Path(f"data/{ROOT}_jump.fits")
    assert RegionLookup().path_for(exposure) == beside
    monkeypatch.setenv(REGIONS_VARIABLE, "regions")
    assert RegionLookup().path_for(exposure) == beside
    (named,) = touched(f"regions/a/b/{ROOT}_showers.asdf")
    assert RegionLookup().path_for(exposure) == named
    assert RegionLookup("given").find(ROOT, Path("data")) == []
    assert RegionLookup("given").path_for(exposure) == Path(f"given/{ROOT}_showers.yaml")


def test_a_file_is_for_any_exposure(monkeypatch):
    """A file that is named by the variable, or given, is used whatever its name."""
    touched("regions/mine.yaml")
    monkeypatch.setenv(REGIONS_VARIABLE, "regions/mine.yaml")
    assert RegionLookup().find(None, Path()) == [Path("regions/mine.yaml")]
    touched("data/a_jump.fits", "data/b_jump.fits")
    with pytest.raises(ExposureError, match="is one region file for 2 exposures"):
        find_work(Path("data"), RegionLookup())


def test_folders_below_are_searched_and_links_followed_once():
    """The nearest file first; links in circles and hidden folders end nothing."""
    Path("regions/a/again").symlink_to(Path("regions").resolve())
    Path("elsewhere").mkdir()
    Path("regions/z").symlink_to(Path("elsewhere").resolve())
    Path("regions/.hidden").mkdir()
    deep, linked, _ = touched(
        f"regions/a/b/{ROOT}_showers.yaml",
        f"elsewhere/{ROOT}_showers.yaml",
        f"regions/.hidden/{ROOT}_showers.yaml",
    )
    found = RegionLookup("regions").find(ROOT, Path())
    assert found == [Path("regions/z") / linked.name, deep]
    assert len(list(walk(Path("regions"), lambda path: path.suffix == ".yaml"))) == 2


def test_what_does_not_exist(monkeypatch):
    """Is an error where it is to be read, and may be made where it is to be written."""
    with pytest.raises(RegionFileError, match="gone: does not exist, expected a region file or"):
        RegionLookup("gone")
    with pytest.raises(RegionFileError, match="gone: expected a region file with one of"):
        RegionLookup("gone", may_be_new=True)
    assert not RegionLookup("data/new.yaml", may_be_new=True).is_folder


def test_review_and_propose_write_where_the_step_reads(builder, monkeypatch):
    """With the variable set, one folder serves all of them."""
    exposure = Path(f"data/{ROOT}_jump.fits")
    model = builder.model()
    model.meta.exposure.group_time = 2.775
    model.save(str(exposure))
    monkeypatch.setenv(REGIONS_VARIABLE, str(Path("regions").resolve()))
    (item,) = find_work(Path("data"))
    assert item.region_path == Path("regions").resolve() / f"{ROOT}_showers.yaml"
    item.region_path.write_text(
        "showers:\n- {integration: 0, group: 3, x: 20, y: 15, a: 9, b: 5, theta: 30}\n"
    )
    result = ManualShowerMaskStep().run(str(exposure))
    assert result.meta.cal_step.instance["manual_shower_mask"] == "COMPLETE"
    assert main(["propose", str(exposure)]) == 0
    assert len(read_regions(item.region_path).showers) == 1
    assert list(Path("data").iterdir()) == [exposure]


def test_a_real_folder_comes_before_a_link_to_it():
    """A link does not make a file nearer, or farther, than it is."""
    Path("regions/c").mkdir()
    Path("regions/a/toc").symlink_to(Path("regions/c").resolve())
    near, deep = touched(f"regions/c/{ROOT}_showers.yml", f"regions/a/b/{ROOT}_showers.yaml")
    assert RegionLookup("regions").find(ROOT, Path()) == [near, deep]
