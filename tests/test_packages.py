"""Packages of a batch: whole, checked, and made again."""

import contextlib
import json
import shutil
import subprocess
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from showermask import BadPixels, RegionFile, Shower, write_regions
from showermask.cli import main
from showermask.commands.batch.packages.differences import find_differences
from showermask.regionfile.maskfile import write_mask
from showermask.synthetic.ramps import RampBuilder

ROOTS = [f"jw00001001001_02101_0000{n}_mirimage" for n in range(2)]
SHAPE = (24, 28)


ARGUMENTS = ["batch", "regions", "data", "-o", "out", "-j1", "--parameters", "limits.asdf"]


def write_site():
    """Write two ramps, with all that may belong to a batch."""
    Path("data").mkdir()
    Path("regions/visit").mkdir(parents=True)
    for number, root in enumerate(ROOTS):
        builder = RampBuilder(ngroups=6, ny=SHAPE[0], nx=SHAPE[1], readnoise=2.0, seed=number)
        builder.model().save(f"data/{root}_jump.fits")
    shower = Shower(integration=0, group=2, x=9, y=9, a=5, b=4, theta=0)
    write_regions(f"regions/{ROOTS[0]}_showers.yaml", RegionFile(showers=[shower]))
    write_mask(Path("regions/visit/cosmics.fits"), np.eye(*SHAPE, dtype=bool), fits.Header())
    pixels = RegionFile(pixels=[BadPixels(mask="cosmics.fits")])
    write_regions(f"regions/visit/{ROOTS[1]}_showers.yaml", pixels)
    of_detector = RegionFile(detector="MIRIMAGE", pixels=[BadPixels(x=3, y=4)])
    write_regions("regions/mirimage_badpixels.yaml", of_detector)
    tree = {"class": "showermask.ManualShowerMaskStep", "name": "manual_shower_mask"}
    tree["parameters"] = {"max_masked_fraction": 0.8}
    asdf.AsdfFile(tree).write_to("limits.asdf")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    """Return a folder with a batch and its package."""
    folder = tmp_path_factory.mktemp("packaged")
    with contextlib.chdir(folder):
        write_site()
        assert main([*ARGUMENTS, "--package", "paper"]) == 0
    return folder


@pytest.fixture
def package(packaged, tmp_path, monkeypatch):
    """Return a copy of the package, in a copy of the folder."""
    shutil.copytree(packaged, tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site")
    return Path("paper")


def test_content(package):
    """Products, region files with their masks, parameters, manifest, report, checksums."""
    names = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert {
        "README.md", "SHA256SUMS", "DATA_SHA256SUMS", "request.json", "report.html",
        "products/manifest.ecsv", "regions/mirimage_badpixels.yaml", "regions/visit/cosmics.fits",
        f"regions/{ROOTS[0]}_showers.yaml", f"regions/visit/{ROOTS[1]}_showers.yaml",
        "parameters/limits.asdf", *(f"products/{root}_jump.fits" for root in ROOTS),
    } <= names  # fmt: skip
    for sums, folder in (("SHA256SUMS", "paper"), ("DATA_SHA256SUMS", "data")):
        command = ["sha256sum", "-c", "--strict", str((package / sums).absolute())]
        assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0
    listed = (package / "SHA256SUMS").read_text().splitlines()
    assert {line[66:] for line in listed} == names - {"SHA256SUMS"}
    text = (package / "README.md").read_text()
    assert "JWST data of 2 exposures" in text
    assert "parameter files of the pipeline" in text
    assert "associations" not in text
    table = Table.read(package / "products/manifest.ecsv", format="ascii.ecsv")
    assert set(table["input"]) == {f"{root}_jump.fits" for root in ROOTS}, "no paths of a machine"


@pytest.mark.slow
def test_verified(package, capsys):
    """Moved elsewhere, its products are made again, and are the same."""
    Path("elsewhere").mkdir()
    for name in ("paper", "data"):
        Path(name).rename(Path("elsewhere") / name)
    for name in ("regions", "out"):
        shutil.rmtree(name)
    Path("limits.asdf").unlink()
    assert main(["batch", "--verify", "elsewhere/paper"]) == 0
    assert capsys.readouterr().out.endswith(" files as packaged, 0 problems\n")
    assert main(["batch", "--verify", "elsewhere/paper", "elsewhere/data"]) == 0
    assert "2 products made again and the same, 0 problems" in capsys.readouterr().out
    assert not Path("out").exists()
    assert main(["batch", "--verify", "elsewhere/paper", "elsewhere/data", "-o", "again"]) == 0
    assert Path(f"again/{ROOTS[0]}_jump.fits").exists()


def test_changed_files(package, capsys):
    """Each is named: changed, gone, and not of it."""
    (package / "README.md").write_text("mine")
    (package / "report.html").unlink()
    (package / "new.txt").touch()
    assert main(["batch", "--verify", "paper"]) == 1
    out = capsys.readouterr().out
    assert "paper/README.md: has been changed\n" in out
    assert "paper/report.html: is gone\n" in out
    assert "paper/new.txt: is not of it\n" in out
    assert out.endswith("3 problems\n")


@pytest.mark.slow
def test_changed_masks(package, capsys):
    """Say what differs in the products."""
    path = package / "regions" / f"{ROOTS[0]}_showers.yaml"
    path.write_text(path.read_text().replace("x: 9", "x: 12"))
    assert main(["batch", "--verify", "paper", "data", "-o", "again"]) == 1
    out = capsys.readouterr().out
    assert f"again/{ROOTS[0]}_jump.fits: " in out
    assert "SHWMHASH is " in out
    assert "GROUPDQ: " in out
    assert "1 product made again and the same" in out


@pytest.mark.slow
def test_other_data(package, capsys):
    """Data that are missing, or others of the same name, are named."""
    Path(f"data/{ROOTS[1]}_jump.fits").unlink()
    RampBuilder(ngroups=6, ny=SHAPE[0], nx=SHAPE[1], readnoise=2.0, seed=9).model().save(
        f"data/{ROOTS[0]}_jump.fits"
    )
    assert main(["batch", "--verify", "paper", "data"]) == 1
    out = capsys.readouterr().out
    assert f"{ROOTS[1]}_jump.fits: is not among the data\n" in out
    assert f"data/{ROOTS[0]}_jump.fits: is not the file that the package was made from\n" in out
    assert f"{ROOTS[1]}_jump.fits: was not made again\n" in out
    assert "SCI: " in out


def test_what_is_no_package(package, capsys):
    """Is not verified, and not replaced; a package is."""
    Path("mine").mkdir()
    Path("mine/thesis.tex").touch()
    assert main(["batch", "--verify", "mine"]) == 1
    assert "expected a folder that showermask batch --package has made" in capsys.readouterr().err
    assert main([*ARGUMENTS, "--package", "mine"]) == 1
    assert "mine: is there, and is no package" in capsys.readouterr().err
    assert Path("mine/thesis.tex").exists()
    assert main(["batch", "--verify", "paper", "nowhere"]) == 1
    assert main(["batch", "--verify", "paper", "regions"]) == 1
    assert "regions: has none of the data of the package" in capsys.readouterr().err
    (package / "request.json").write_text(json.dumps({"format": "other"}))
    assert main(["batch", "--verify", "paper"]) == 1


def test_packaged_again(packaged, monkeypatch, capsys):
    """With all up to date the package is replaced."""
    monkeypatch.chdir(packaged)
    (packaged / "paper/README.md").unlink()
    assert main([*ARGUMENTS, "--package", "paper"]) == 0
    assert "0 done, 2 up to date, 0 failed\npaper: package of " in capsys.readouterr().out
    assert main(["batch", "--verify", "paper"]) == 0


@pytest.mark.slow
def test_changed_products(packaged, monkeypatch, capsys):
    """A product that is not what the manifest says is made again before it is packaged."""
    monkeypatch.chdir(packaged)
    with fits.open(f"out/{ROOTS[0]}_jump.fits", mode="update") as hdus:
        hdus["SCI"].data[0] = 5
    assert main([*ARGUMENTS, "--package", "paper"]) == 0
    assert "1 done, 1 up to date" in capsys.readouterr().out
    assert main(["batch", "--verify", "paper"]) == 0


@pytest.mark.slow
def test_what_is_not_done(package, capsys):
    """Is not packaged."""
    shutil.rmtree(package)
    Path(f"regions/{ROOTS[0]}_showers.yaml").write_text("showers: 5\n")
    assert main([*ARGUMENTS, "--package", "paper"]) == 1
    assert "paper: not written, for not all is done" in capsys.readouterr().err
    assert not Path("paper").exists()


def test_usage():
    """Without --verify the usual arguments are required; with it they are refused."""
    for arguments in (["batch"], ["batch", "regions", "data"], ["batch", "--verify"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
    with pytest.raises(SystemExit, match="2"):
        main(["batch", "regions", "data", "-o", "out", "--verify", "paper"])


class TestDifferences:
    """Every value and keyword counts, but for times of writing."""

    def written(self, name, data, **keywords):
        """Write a file with an image."""
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI")])
        hdus[0].header.update(keywords)
        hdus.writeto(name)
        return Path(name)

    @pytest.mark.parametrize(
        ("data", "keywords", "found"),
        [
            ([[1.0, np.nan]], {"DATE": "2026"}, []),
            ([[1.0, 0.0]], {}, ["SCI: 1 values (50.0%) differ"]),
            ([[1.0, np.nan]], {"CAL_VER": "2"}, ["PRIMARY has other keywords (CAL_VER)"]),
            ([[1.0]], {}, ["NAXIS1 is 1, not 2", "SCI has the shape (1, 1), not (1, 2)"]),
        ],
    )
    def test_images(self, tmp_path, monkeypatch, data, keywords, found):
        """NaN is NaN, and nothing else."""
        monkeypatch.chdir(tmp_path)
        one = self.written("a.fits", np.array([[1.0, np.nan]]), DATE="2025")
        other = self.written("b.fits", np.array(data), **{"DATE": "2024", **keywords})
        assert find_differences(one, other) == found

    def test_keywords_and_extensions(self, tmp_path, monkeypatch):
        """Are named with their values."""
        monkeypatch.chdir(tmp_path)
        one = self.written("a.fits", np.zeros((2, 2)), CRDS_CTX="jwst_1.pmap")
        other = self.written("b.fits", np.zeros((2, 2)), CRDS_CTX="jwst_2.pmap")
        assert find_differences(one, other) == ["CRDS_CTX is 'jwst_2.pmap', not 'jwst_1.pmap'"]
        fits.PrimaryHDU().writeto("c.fits")
        (phrase,) = find_differences(one, Path("c.fits"))
        assert phrase == "has the extensions PRIMARY, not PRIMARY, SCI"
