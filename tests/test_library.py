"""The functions that a script uses: propose, check, convert, plot."""

import json
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from stdatamodels.jwst import datamodels

import showermask
from showermask import BadPixels, Polygon, RegionFile, Shower, ShowermaskError
from showermask.cli import main
from showermask.synthetic.ramps import RampBuilder

mpl.use("Agg")

ROOT = "jw00001001001_02101_00001_mirimage"
SHAPE = (64, 72)
GLOW = Shower(integration=0, group=4, x=30, y=28, a=9, b=6, theta=20)


@pytest.fixture
def ramp(tmp_path, monkeypatch):
    """Return the path of a ramp with a bright shower."""
    monkeypatch.chdir(tmp_path)
    builder = RampBuilder(ngroups=16, ny=SHAPE[0], nx=SHAPE[1], readnoise=4.0, seed=5)
    model = builder.add_glow(GLOW, amplitude=40.0, decay=12.0).model()
    model.save(f"{ROOT}_jump.fits")
    return f"{ROOT}_jump.fits"


class TestPropose:
    """showermask.propose."""

    def test_candidates(self, ramp):
        """The shower is found, and nothing is written."""
        before = set(Path().iterdir())
        found = showermask.propose(ramp)
        assert found.exposure == ROOT
        assert len(found.candidates) == 1
        box, inside = found.candidates[0].pixels(SHAPE)
        pixels = np.zeros(SHAPE, bool)
        pixels[box] = inside
        assert pixels[28, 30]
        assert set(Path().iterdir()) == before

    def test_what_is_known(self, ramp):
        """What somebody has decided on is not proposed again."""
        known = RegionFile(exposure=ROOT, showers=[GLOW])
        assert showermask.propose(ramp, region_file=known) == known

    def test_no_ramp(self, ramp):
        """An error says what was expected."""
        with pytest.raises(ShowermaskError, match="can't be read"):
            showermask.propose("none_jump.fits")
        with pytest.raises(ValueError, match="threshold is -1"):
            showermask.propose(ramp, threshold=-1)


class TestCheck:
    """showermask.check, and the command with several files."""

    def test_result(self, ramp):
        """As data: what is masked, and what it costs."""
        showermask.write_regions("r.yaml", RegionFile(exposure=ROOT, showers=[GLOW]))
        result = showermask.check("r.yaml", ramp)
        assert result.is_good
        found = json.loads(json.dumps(result.to_dict()))
        assert found["counts"] == {"showers": {"accepted": 1, "candidate": 0, "rejected": 0}}
        (entry,) = found["mask"]["entries"]
        assert entry["key"] == "showers[0]"
        assert entry["pixels"] == found["mask"]["pixels"] == GLOW.pixels(SHAPE)[1].sum()
        assert entry["groups_lost"] == 12
        assert entry["seconds_lost"] == pytest.approx(12 * 2.775)

    def test_problems(self, ramp):
        """All that is wrong is in the result, not raised."""
        showermask.write_regions("r.yaml", RegionFile(exposure="other", showers=[GLOW]))
        result = showermask.check("r.yaml", ramp)
        assert not result.is_good
        assert "exposure is other" in result.problems[0]
        with pytest.raises(ShowermaskError):
            showermask.check("r.yaml", "none.fits")

    def test_many(self, ramp, capsys):
        """A line each, with the exposure of each; exit code 1 if one fails."""
        Path("regions").mkdir()
        showermask.write_regions(f"regions/{ROOT}_showers.yaml", RegionFile(showers=[GLOW]))
        showermask.write_regions("regions/b_showers.yaml", RegionFile(showers=[]))
        assert main(["check", "regions", "."]) == 0
        lines = capsys.readouterr().out.splitlines()
        pixels = GLOW.pixels(SHAPE)[1].sum()
        assert f"_showers.yaml: valid; 1 shower; masks {pixels} pixels of {ramp}" in lines[1]
        assert lines[0] == "regions/b_showers.yaml: valid; 0 showers"
        Path("regions/b_showers.yaml").write_text("showers: 5\n")
        assert main(["check", "regions"]) == 1
        found = capsys.readouterr()
        assert len(found.out.splitlines()) == 1
        assert "b_showers.yaml: FAILED: showers is 5, expected a list" in found.err

    def test_json(self, ramp, capsys):
        """Of one or many: a list."""
        showermask.write_regions("r.yaml", RegionFile(showers=[GLOW]))
        Path("bad.yaml").write_text("showers: 5\n")
        assert main(["check", "--json", "r.yaml", ramp]) == 0
        (one,) = json.loads(capsys.readouterr().out)
        assert one["exposure"] == ramp
        assert main(["check", "--json", "r.yaml", "bad.yaml"]) == 1
        good, bad = json.loads(capsys.readouterr().out)
        assert (good["valid"], bad["valid"]) == (True, False)
        assert bad["problems"] == [
            "bad.yaml: showers is 5, expected a list (The showers, in any order)"
        ]

    def test_nothing(self, ramp, capsys):
        """Exposures alone are not checked."""
        assert main(["check", ramp]) == 1
        assert "found no region file" in capsys.readouterr().err


def test_convert(ramp):
    """There and back, the files are named."""
    showermask.write_regions("r.yaml", RegionFile(exposure=ROOT, showers=[GLOW]))
    assert showermask.convert("r.yaml", "r.reg") == (Path("r.reg"),)
    assert showermask.convert("r.reg", "b.yaml", exposure=ramp) == (Path("b.yaml"),)
    assert showermask.read_regions("b.yaml").showers == (GLOW,)
    with pytest.raises(ShowermaskError, match="exists"):
        showermask.convert("r.yaml", "r.reg")
    described = showermask.describe_file(ramp)
    assert isinstance(described, showermask.Exposure)
    assert showermask.convert("r.reg", "b.yaml", exposure=described, overwrite=True)


class TestPlot:
    """showermask.plot."""

    def test_difference(self, ramp):
        """On given axes: the difference of a group and the one before, and what affects it."""
        regions = RegionFile(
            entries=(
                GLOW,
                Shower(integration=0, group=9, x=50, y=50, a=3, b=3, theta=0),
                Polygon(integration=0, group=0, vertices=((2, 2), (9, 2), (5, 9))),
                BadPixels(x=[60, 63], y=5),
            )
        )
        figure, ax = plt.subplots()
        assert showermask.plot(ramp, regions, ax=ax, group=5) is ax
        with datamodels.open(ramp) as model:
            expected = model.data[0, 5] - model.data[0, 4]
        np.testing.assert_allclose(ax.images[0].get_array(), expected, rtol=1e-6)
        assert len(ax.lines) == 2, "the later shower is not there yet"
        assert len(ax.images) == 2
        assert ax.get_title().endswith("integration 0, group 5 less group 4")
        assert ax.get_xlim() == (-0.5, SHAPE[1] - 0.5)
        plt.close(figure)

    @pytest.mark.parametrize("statuses", [("accepted",), ("candidate", "rejected")])
    def test_statuses(self, ramp, statuses):
        """Those asked for."""
        entries = [
            Shower(integration=0, group=1, x=9 + 9 * n, y=9, a=3, b=3, theta=0, status=status)
            for n, status in enumerate(("accepted", "candidate", "rejected"))
        ]
        ax = showermask.plot(ramp, RegionFile(showers=entries), statuses=statuses)
        assert len(ax.lines) == len(statuses)
        plt.close(ax.figure)

    def test_other_products(self, ramp):
        """Rates as they are, flagged pixels left out; open models too."""
        model = datamodels.ImageModel(SHAPE)
        model.meta.filename = f"{ROOT}_rate.fits"
        model.data += np.arange(SHAPE[1], dtype=np.float32)
        model.dq = np.zeros(SHAPE, np.uint32)
        model.dq[3, 4] = 1
        ax = showermask.plot(model, RegionFile(showers=[GLOW]))
        shown = np.ma.filled(ax.images[0].get_array(), np.nan)
        assert np.isnan(shown[3, 4])
        assert shown[0, 7] == 7
        assert len(ax.lines) == 1
        plt.close(ax.figure)


def test_names_are_functions():
    """Also after the commands of the same name have been imported."""
    code = (
        "import showermask; import showermask.commands.propose.command;"
        "import showermask.commands.check.command, showermask.commands.convert.command;"
        "assert all(callable(getattr(showermask, n)) for n in ('propose', 'check', 'convert'))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
