"""Messages: one line each, nothing in them that steers a terminal, counts with their nouns."""

import logging
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst import datamodels

from showermask import ManualShowerMaskStep, RegionFile, Shower, write_regions
from showermask.cli import main
from showermask.exceptions import RegionFileError, ShowermaskError
from showermask.messages import counted, joined, printable
from showermask.synthetic.ramps import RampBuilder

HOSTILE = "a\x1b[31m\nb\x00c\u202ed\x85"


def test_what_does_not_print_is_escaped():
    """Controls, line breaks and what turns the direction of text; everything else stays."""
    assert printable(HOSTILE) == r"a\x1b[31m\nb\x00c\u202ed\x85"
    assert printable("Ärger, 100 µm, 星") == "Ärger, 100 µm, 星"
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_errors_are_of_one_line_each():
    """Whatever is quoted in them, and after a way between processes too."""
    error = ShowermaskError(f"x.yaml: found {HOSTILE}", "second")
    assert str(error).splitlines() == [error.problems[0], "second"]
    assert all(problem.isprintable() for problem in error.problems)


def test_counts():
    """One of a thing is not many."""
    assert [counted(n, "entry", "entries") for n in (0, 1, 2)] == [
        "0 entries", "1 entry", "2 entries",
    ]  # fmt: skip
    assert joined("1 shower", "", "2 pixel regions") == "1 shower and 2 pixel regions"
    assert joined("a", "b", "c") == "a, b and c"


class TestHostileNames:
    """A region file with escapes in its name and texts."""

    @pytest.fixture
    def region_file(self, tmp_path, monkeypatch):
        """Write such a file, and an exposure."""
        monkeypatch.chdir(tmp_path)
        RampBuilder(ngroups=10, ny=32, nx=40).model().save("x_jump.fits")
        path = tmp_path / "r\x1b[2J\n.yaml"
        shower = Shower(
            integration=0, group=3, x=20, y=15, a=9, b=5, theta=30, comment=HOSTILE, source="s\x1b"
        )
        write_regions(path, RegionFile(showers=(shower,)))
        return path

    def test_check(self, region_file, capsys):
        """Neither output nor errors have a raw escape."""
        assert main(["check", str(region_file), "x_jump.fits"]) == 0
        region_file.write_text("showers: 5\n")
        assert main(["check", str(region_file)]) == 1
        said = capsys.readouterr()
        assert r"r\x1b[2J\n.yaml" in said.out
        assert (said.out + said.err).replace("\n", "").isprintable()

    def test_header_and_log(self, region_file, caplog, tmp_path):
        """The product's header and the log of the step have it escaped."""
        caplog.set_level(logging.INFO, logger="stpipe.showermask")
        model = ManualShowerMaskStep.call("x_jump.fits", region_file=str(region_file))
        model.save("out.fits")
        assert fits.getval("out.fits", "SHWMFILE") == r"r\x1b[2J\n.yaml"
        ours = [r.getMessage() for r in caplog.records if r.name == "stpipe.showermask"]
        assert ours
        assert all(line.isprintable() for line in ours)

    def test_report(self, region_file):
        """Nor has the page."""
        assert main(["report", "--one", "x_jump.fits", str(region_file)]) == 0
        page = Path("x_showers.html").read_text(encoding="utf-8")
        assert page.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('"a\\tb": 1\nshowers: []\n', r"a\tb is not a known key"),
        ("? |\n  a\n  b\n: 1\n", r"a\nb\n"),
    ],
)
def test_odd_keys(tmp_path, text, part):
    """Keys with tabs and line breaks make no message of several lines."""
    (tmp_path / "r.yaml").write_text(text)
    from showermask import read_regions

    with pytest.raises(RegionFileError) as raised:
        read_regions(tmp_path / "r.yaml")
    assert part in str(raised.value)
    assert all(problem.isprintable() for problem in raised.value.problems)


@pytest.mark.parametrize("option", ["--threshold=x", "--threshold=nan", "--threshold=-1"])
def test_numbers_on_the_command_line(option, capsys):
    """What is no number is told as such, not by the name of a function."""
    with pytest.raises(SystemExit, match="2"):
        main(["propose", "x_jump.fits", option])
    assert "expected a number above 0" in capsys.readouterr().err


def test_one_score(tmp_path, monkeypatch, capsys):
    """A single candidate has one S/N."""
    from showermask.commands.propose.showers import Proposal

    shower = Shower(integration=0, group=3, x=20, y=15, a=9, b=5, theta=30, score=19.9)
    proposal = Proposal(
        exposure="x", found=(shower,), new=1, gone=0, region_path=tmp_path, is_written=True
    )
    assert "1 candidate, S/N 19.9, 1 new" in proposal.describe()


def test_a_mask_of_several_integrations_tells_both_counts(tmp_path, monkeypatch, capsys):
    """Rows count the pixels of the frame; the total says that, and what all integrations lose."""
    monkeypatch.chdir(tmp_path)
    RampBuilder(nints=3, ngroups=10, ny=32, nx=40).model().save("x_jump.fits")
    (tmp_path / "x_showers.yaml").write_text("showers: []\npixels: [{x: [3, 5], y: 7}]\n")
    assert main(["check", "x_showers.yaml", "x_jump.fits"]) == 0
    assert "total of 1: 3 pixels (9 in all integrations)" in capsys.readouterr().out
    with datamodels.open("x_jump.fits") as model:
        masked = ManualShowerMaskStep.call(model, region_file="x_showers.yaml")
    cards = {card[0]: card[1] for card in masked.instance["extra_fits"]["PRIMARY"]["header"]}
    assert (cards["SHWMNFPX"], cards["SHWMNPIX"]) == (3, 9)
    assert np.count_nonzero(masked.groupdq[:, 4] & 4) == 9
