"""The showermask command, as typed."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stdatamodels.jwst import datamodels

import showermask
from showermask import RegionFile, Shower, read_regions, write_regions
from showermask.cli import main
from showermask.synthetic.ramps import RampBuilder

COMMAND = Path(sys.executable).with_name("showermask")


@pytest.fixture
def jump(builder, tmp_path):
    """Return the path of a jump file."""
    path = tmp_path / "x_jump.fits"
    builder.model().save(str(path))
    return path


def test_check_validates(write, shower, capsys):
    """A good file is called valid, and its showers are counted by status."""
    rejected = Shower(**{**shower.to_mapping(), "status": "rejected"})
    candidate = Shower(**{**shower.to_mapping(), "status": "candidate"})
    assert main(["check", str(write(shower, shower, rejected, candidate))]) == 0
    out = capsys.readouterr().out
    assert "valid; showers: 4, of which 2 accepted, 1 candidate, 1 rejected" in out
    assert "1 candidate is not applied; accept or reject it" in out


def test_check_with_a_ramp(write, shower, jump, capsys):
    """Pixels, groups and time are those of the mask; overlaps count once."""
    early = Shower(**{**shower.to_mapping(), "group": 1, "last_group": 8})
    assert main(["check", str(write(shower, early)), str(jump)]) == 0
    lines = capsys.readouterr().out.splitlines()
    pixels = 147
    (first,) = (line for line in lines if line.startswith("  0    0"))
    assert first.split()[8:] == [str(pixels), "7", "of", "10", "19.4", "s"]
    (second,) = (line for line in lines if line.startswith("  1    0"))
    assert second.split()[8:14] == [str(pixels), "8", "of", "10", "22.2", "s"]
    assert "no rate left in this integration" in second
    fraction = pixels / (32 * 40)
    samples = pixels * 9 / (10 * 32 * 40)
    assert (
        f"total of 2: {pixels} pixels, at most {fraction:.2%} of a frame, {samples:.3%}"
        in lines[-1]
    )


@pytest.mark.parametrize(("kind", "seconds"), [("rateints", "27.8 s"), ("rate", "55.5 s")])
def test_check_with_rates(write, shower, tmp_path, capsys, kind, seconds):
    """A masked pixel of rateints loses its integration, one of a rate the exposure."""
    model = datamodels.CubeModel((2, 32, 40)) if kind == "rateints" else None
    model = model or datamodels.ImageModel((32, 40))
    model.meta.exposure.integration_time = 27.75
    model.meta.exposure.exposure_time = 55.5
    path = tmp_path / f"x_{kind}.fits"
    model.save(str(path))
    assert main(["check", str(write(shower)), str(path)]) == 0
    assert f"all      {seconds}" in capsys.readouterr().out


def test_check_with_a_file_that_was_cut_short(write, shower, tmp_path, capsys):
    """What is missing would be taken for planes that are not there: an error, with numbers."""
    path = tmp_path / "x_jump.fits"
    RampBuilder(ngroups=10, ny=32, nx=40).model().save(str(path))
    content = path.read_bytes()
    path.write_bytes(content[:28800])
    assert main(["check", str(write(shower)), str(path)]) == 1
    assert "is cut short: has 28800 bytes, expected at least" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("showers: [", "is not valid YAML"),
        ("showers: 5", "showers is 5, expected a list"),
        ("a: &a [1]\nb: *a", "anchor or alias"),
        ("format: showermask-9.0", "expected showermask-1.0"),
    ],
)
def test_bad_region_files_give_no_traceback(tmp_path, content, message):
    """In a process of its own: exit code 1, sentences on stderr, nothing else."""
    path = tmp_path / "r.yaml"
    path.write_text(content)
    done = subprocess.run([COMMAND, "check", path], capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr
    assert all(line.startswith("showermask: ") for line in done.stderr.splitlines())
    assert done.stdout == ""


def test_check_refuses_what_the_step_refuses(write, shower, jump, capsys):
    """Unknown flags, and a mask that is too large, are problems for check as well."""
    unknown = write(replace(shower, flags=("FOO",)))
    assert main(["check", str(unknown), str(jump)]) == 1
    assert (
        "showers[0].flags: FOO is not a flag of GROUPDQ, expected names among DO_NOT_USE"
        in capsys.readouterr().err
    )
    assert main(["check", str(write(replace(shower, a=900, b=900))), str(jump)]) == 1
    assert "covers 100.0% of the frame" in capsys.readouterr().err


def test_a_full_disk_is_one_sentence(write, shower):
    """When what is printed can't be written, it is said without a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, "check", write(shower)], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_wrong_exposure(write, shower, jump, capsys):
    """All mismatches are told, each with what was expected."""
    path = write(shower, exposure="y", shape=(1, 10, 32, 41))
    assert main(["check", str(path), str(jump)]) == 1
    err = capsys.readouterr().err
    assert "exposure is y, but the data are x" in err
    assert "shape is [1, 10, 32, 41], but the data have [1, 10, 32, 40]" in err


@pytest.mark.parametrize("arguments", [[], ["check"], ["nope"], ["convert", "a"]])
def test_wrong_usage(arguments, capsys):
    """Wrong usage is exit code 2, as everywhere."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert "usage: showermask" in capsys.readouterr().err


def test_version(capsys):
    """The version is that of the package."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("showermask 0.")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the demonstration twice into one folder; return the second run and the folder."""
    folder = tmp_path_factory.mktemp("demo")
    for _ in range(2):
        done = subprocess.run(
            [COMMAND, "demo"],
            cwd=folder,
            env={"HOME": str(folder), "PATH": ""},
            capture_output=True,
            text=True,
        )
    return done, folder / "showermask-demo"


@pytest.mark.slow
class TestDemo:
    """The demonstration, on a machine without network, CRDS or environment."""

    def test_prints_the_rates(self, demo):
        """Truth and the rates, masked or not or subtracted, for each shower; nothing on stderr."""
        run, _ = demo
        assert (run.returncode, run.stderr) == (0, "")
        lines = [line for line in run.stdout.splitlines() if line.startswith("  in the")]
        rows = {line.split("shower")[0].strip(): line.split()[-5:] for line in lines}
        truth, unmasked, jump_only, ours, subtracted = rows["in the idle"]
        assert (truth, ours) == ("10.0", "flagged")
        assert float(jump_only) > float(unmasked) > 10.3
        assert float(subtracted) == pytest.approx(10.0, rel=0.05)
        truth, unmasked, jump_only, ours, subtracted = rows["in the mid-ramp"]
        assert float(unmasked) > 10.3
        assert float(ours) == pytest.approx(10.0, rel=0.01)
        assert float(subtracted) == pytest.approx(10.0, rel=0.01)

    def test_writes_what_it_says(self, demo):
        """Exposure, region file, four rates and a picture are there, and fit together."""
        run, folder = demo
        listed = run.stdout.split("Written:\n")[1].split()
        assert all((folder.parent / name).stat().st_size > 0 for name in listed)
        (regions,) = folder.glob("*_showers.yaml")
        assert len(read_regions(regions).accepted) == 2
        assert (folder / "showermask-demo.png").read_bytes().startswith(b"\x89PNG")
        ours = datamodels.open(next((folder / "showermask").glob("*_rate.fits")))
        assert np.isnan(ours.data).any()
        ours.close()

    def test_its_files_go_with_the_commands_of_the_readme(self, demo):
        """Check and the step take the demonstration's files."""
        _, folder = demo
        (regions,), (jump,) = folder.glob("*_showers.yaml"), folder.glob("*_jump.fits")
        assert main(["check", str(regions), str(jump)]) == 0

    def test_a_file_in_the_way(self, tmp_path, capsys):
        """A folder that can't be made is one sentence."""
        (tmp_path / "file").touch()
        assert main(["demo", str(tmp_path / "file")]) == 1
        assert "can't be made a folder" in capsys.readouterr().err


class TestCheck:
    """What check refuses."""

    @pytest.mark.parametrize("status", ["accepted", "candidate"])
    def test_flags_without_an_exposure(self, write, shower, capsys, status):
        """A flag that no plane has is no valid one; those of any plane are."""
        assert main(["check", str(write(replace(shower, flags=("HOT",))))]) == 0
        wrong = replace(shower, flags=("JUMP",), status=status)
        assert main(["check", str(write(shower, wrong))]) == 1
        err = capsys.readouterr().err
        assert "regions.yaml: showers[1].flags: JUMP is not a flag of any plane" in err

    @pytest.mark.parametrize(
        ("x", "y", "a", "hint"),
        [
            (15.0, 36.0, 2.0, "are x and y swapped?"),
            (400.0, 300.0, 9.0, "are x and y relative to the subarray SUB128?"),
            (15.5, 20.5, 0.1, "no pixel's centre is inside"),
        ],
    )
    def test_outside_the_frame(self, write, shower, jump, capsys, x, y, a, hint):
        """An accepted shower without a pixel is a mistake, which is guessed at."""
        path = write(shower, replace(shower, x=x, y=y, a=a, b=a))
        assert main(["check", str(path), str(jump)]) == 1
        err = capsys.readouterr().err
        assert "regions.yaml: showers[1] covers no pixel of the frame" in err
        assert hint in err

    def test_the_same_twice(self, write, shower, jump, capsys):
        """Is told, whatever was remarked."""
        path = write(shower, replace(shower, group=1), replace(shower, comment="again"))
        assert main(["check", str(path), str(jump)]) == 0
        assert "showers[2] says the same as showers[0]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--grow", "2"], "--grow: only for --persistence"),
        (["--time-limit", "9", "--as-candidates"], "--time-limit, --as-candidates: only for"),
        (["--unsaturated-groups", "3"], "--unsaturated-groups: only for"),
        (["--persistence", "--threshold", "5"], "--threshold: not for --persistence"),
    ],
)
def test_options_of_the_other_way_to_propose(arguments, said, capsys):
    """Are wrong usage, not ignored."""
    with pytest.raises(SystemExit, match="2"):
        main(["propose", "x_jump.fits", *arguments])
    assert said in capsys.readouterr().err


class TestEveryCommand:
    """Options that all commands have."""

    @pytest.mark.parametrize("command", ["check", "propose", "batch", "review", "merge"])
    def test_version(self, command, capsys):
        """Of the package."""
        with pytest.raises(SystemExit, match="0"):
            main([command, "--version"])
        assert capsys.readouterr().out == f"showermask {showermask.__version__}\n"

    def test_quiet(self, write, shower, jump, capsys):
        """Only what is wrong is said."""
        path = write(shower)
        assert main(["check", "--quiet", str(path), str(jump)]) == 0
        assert capsys.readouterr() == ("", "")
        path.write_text("showers: 5\n")
        assert main(["check", "-q", str(path)]) == 1
        assert "showers is 5" in capsys.readouterr().err

    def test_verbose(self, write, shower, tmp_path):
        """The log is shown."""
        path = write(shower)
        command = [sys.executable, "-m", "showermask", "check", "-vv", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, "valid; showers: 1" in done.stdout) == (0, True)

    @pytest.mark.parametrize("shell", ["bash", "zsh"])
    def test_completion(self, shell, capsys):
        """A script with the options of all commands."""
        with pytest.raises(SystemExit, match="0"):
            main(["--print-completion", shell])
        script = capsys.readouterr().out
        for word in ("propose", "--persistence", "--package"):
            assert word in script

    def test_no_such_shell(self, capsys):
        """Is told."""
        with pytest.raises(SystemExit, match="2"):
            main(["--print-completion", "cmd"])
        assert "expected a shell, one of bash" in capsys.readouterr().err


def test_propose_as_data(tmp_path, monkeypatch, capsys):
    """Standard output is JSON alone; what people read goes to stderr."""
    monkeypatch.chdir(tmp_path)
    root = "jw00001001001_02101_00001_mirimage"
    builder = RampBuilder(ngroups=16, ny=64, nx=72, readnoise=4.0, seed=5)
    glow = Shower(integration=0, group=4, x=30, y=28, a=9, b=6, theta=20)
    builder.add_glow(glow, amplitude=40.0, decay=12.0).model().save(f"{root}_jump.fits")
    assert main(["propose", "--json", f"{root}_jump.fits"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    (one,) = found["exposures"]
    assert (one["exposure"], one["new"], one["written"]) == (root, 1, True)
    assert one["found"][0]["score"] > 10
    assert "1 candidate" in err
    assert main(["propose", "--json", "none_jump.fits"]) == 1
    assert "can't be read" in json.loads(capsys.readouterr().out)["problems"][0]


def test_batch_as_data(tmp_path, monkeypatch, capsys):
    """Of a dry run: what is to do, and what would fail."""
    monkeypatch.chdir(tmp_path)
    root = "jw00001001001_02101_00001_mirimage"
    RampBuilder(ngroups=6, ny=24, nx=28).model().save(f"{root}_jump.fits")
    glow = Shower(integration=0, group=4, x=10, y=8, a=3, b=3, theta=20)
    write_regions(f"{root}_showers.yaml", RegionFile(showers=[glow]))
    arguments = ["batch", ".", ".", "-o", "out", "--json", "--dry-run"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["to_do"] == [root]
    assert (found["up_to_date"], found["failed"], found["to"]) == (0, {}, "masked")
    write_regions(f"{root}_showers.yaml", RegionFile(showers=[replace(glow, group=9)]))
    assert main(arguments) == 1
    assert root in json.loads(capsys.readouterr().out)["failed"]
