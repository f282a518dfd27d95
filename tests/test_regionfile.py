"""Region files: what is read, what is written, and every way in which one can be wrong."""

import hashlib
import os
import stat
from dataclasses import replace
from importlib import resources

import asdf
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from showermask import BadPixels, RegionFile, Shower, Status, read_regions, write_regions
from showermask.cli import main
from showermask.exceptions import OutputError, RegionFileError
from showermask.regionfile.content import SECTIONS
from showermask.regionfile.lookup import RegionLookup
from showermask.regionfile.maskfile import write_mask
from showermask.regionfile.reader import MAX_SIZE
from showermask.regionfile.schema import FORMATS, load_schema
from showermask.synthetic.ramps import RampBuilder

SMALLEST = "{integration: 0, group: 12, x: 512.5, y: 400.0, a: 35.0, b: 22.0, theta: 30.0}"
FULL = """\
format: showermask-1.0
exposure: jw01517179001_02201_00001_mirimage
shape: [1, 40, 1024, 1032]
subarray: FULL
reviewer: A. Name
reviewed: 2026-11-20T15:00:00Z
showers:
- integration: 0
  group: 12
  last_group: 30
  x: 512.5
  y: 400.0
  a: 35.0
  b: 22.0
  theta: 30.0
  status: candidate
  flags: [JUMP_DET, DO_NOT_USE]
  comment: glow without primary hit
  source: manual
  score: 8.4
"""

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
axes = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
showers = st.builds(
    Shower,
    integration=st.integers(0, 3),
    group=st.integers(0, 9),
    last_group=st.none() | st.just(9),
    x=numbers,
    y=numbers,
    a=axes,
    b=axes,
    theta=st.floats(-1e6, 1e6),
    status=st.sampled_from(list(Status)),
    flags=st.none() | st.lists(st.sampled_from(["JUMP_DET", "HOT"]), min_size=1).map(tuple),
    comment=st.none() | texts,
    source=st.none() | texts,
    score=st.none() | numbers,
)
spans = st.integers(0, 23) | st.tuples(st.integers(0, 11), st.integers(11, 23)) | st.just("all")
pixel_regions = st.builds(
    BadPixels,
    x=spans,
    y=spans,
    integration=st.none() | st.integers(0, 3),
    group=st.none() | st.integers(0, 9),
    last_group=st.none() | st.just(9),
    status=st.sampled_from(list(Status)),
    flags=st.none() | st.lists(st.sampled_from(["JUMP_DET", "HOT"]), min_size=1).map(tuple),
    comment=st.none() | texts,
    source=st.none() | texts,
)
region_files = st.builds(
    RegionFile,
    showers=st.lists(showers, max_size=4).map(tuple),
    pixels=st.lists(pixel_regions, max_size=3).map(tuple),
    exposure=st.none() | texts,
    shape=st.none() | st.just((4, 10, 24, 31)),
    subarray=st.none() | texts,
    reviewer=st.none() | texts,
    reviewed=st.none() | st.just("2026-11-20T15:00:00Z"),
)


@pytest.fixture
def read_text(tmp_path):
    """Return a function that reads a text as a region file."""

    def read(text, name="r.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_regions(path)

    return read


@pytest.fixture
def problems_of(read_text):
    """Return a function that returns the sentences which a text is refused with."""

    def refuse(text, name="r.yaml"):
        with pytest.raises(RegionFileError) as raised:
            read_text(text, name)
        return [problem.split(f"{name}: ", 1)[1] for problem in raised.value.problems]

    return refuse


@pytest.mark.parametrize("suffix", ["yaml", "yml", "asdf"])
@given(regions=region_files)
def test_round_trip(tmp_path_factory, suffix, regions):
    """What is written is what is read, in each format."""
    path = tmp_path_factory.mktemp("round") / f"r.{suffix}"
    write_regions(path, regions)
    assert read_regions(path) == regions


def test_smallest_file(read_text):
    """One shower in one line is a region file."""
    (shower,) = read_text(f"showers:\n  - {SMALLEST}").showers
    assert shower == Shower(integration=0, group=12, x=512.5, y=400, a=35, b=22, theta=30)


def test_writing_what_was_read_changes_nothing(read_text, tmp_path):
    """A file that showermask wrote comes back to the byte, with one key per line."""
    regions = read_text(FULL)
    write_regions(tmp_path / "1.yaml", regions)
    first = (tmp_path / "1.yaml").read_text()
    write_regions(tmp_path / "2.yaml", read_regions(tmp_path / "1.yaml"))
    assert (tmp_path / "2.yaml").read_text() == first
    written = [line for line in first.splitlines() if not line.startswith("#")]
    assert written == FULL.replace("2026-11-20T15:00:00Z", "'2026-11-20T15:00:00Z'").splitlines()


def test_statuses_are_told_apart(read_text):
    """Only accepted showers are for applying; the others are kept."""
    regions = read_text(FULL)
    assert (len(regions.accepted), len(regions.candidates)) == (0, 1)


@pytest.mark.parametrize("name", FORMATS)
def test_schema_examples_are_valid(tmp_path, name):
    """The examples in the schema are region files, and cover every key."""
    schema = load_schema(name)
    seen = set()
    for position, example in enumerate(schema["examples"]):
        for entry in example.get("pixels", []):
            if "mask" in entry:
                write_mask(tmp_path / entry["mask"], np.ones((1024, 1032), bool))
        path = tmp_path / f"{position}.yaml"
        path.write_text(yaml.safe_dump(example))
        read_regions(path)
        entries = [entry for section in SECTIONS for entry in example.get(section, [])]
        seen |= set(example) | {key for entry in entries for key in entry}
    known = set(schema["properties"])
    for kind in ("shower", "pixels", "polygon"):
        known |= set(schema["$defs"].get(kind, {}).get("properties", {}))
    assert seen == known


def test_the_first_schema_is_as_it_was_released():
    """It is never edited: files of 1.0 mean for ever what they meant."""
    folder = resources.files("showermask.regionfile")
    data = folder.joinpath("schemas/showermask-1.0.yaml").read_bytes()
    assert (
        hashlib.sha256(data).hexdigest()
        == "d8755b959e5855fb58bdd1af531cd5fad9be9c8077d5a0147eaff7670ac7d7a2"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("group: 1e2", "showers[0].group is the text '1e2', expected a whole number"),
        ("x: 1e2", "showers[0].x is the text '1e2', expected a finite number"),
        ("group: 010", "showers[0].group is the text '010', expected a whole number"),
        ("group: 1:30", "showers[0].group is the text '1:30', expected a whole number"),
        ("group: 1_0", "showers[0].group is the text '1_0', expected a whole number"),
        ("group: 12.0", "showers[0].group is 12.0, expected a whole number"),
        ('x: "5"', "showers[0].x is the text '5', expected a finite number"),
        ("x: .nan", "showers[0].x is nan, expected a finite number"),
        ("a: .inf", "showers[0].a is inf, expected a finite number"),
        ("y: true", "showers[0].y is true, expected a finite number"),
        ("group: true", "showers[0].group is true, expected a whole number"),
        ("y: null", "showers[0].y is null, expected a finite number"),
        ("x: [1, 2]", "showers[0].x is a list of 2, expected a finite number"),
        ("x: {value: 1}", "showers[0].x is a mapping with value, expected a finite number"),
        ("a: 0", "showers[0].a is 0, expected more than 0"),
        ("b: -3.5", "showers[0].b is -3.5, expected more than 0"),
        ("integration: -1", "showers[0].integration is -1, expected 0 or more"),
        ("last_group: 3", "showers[0].last_group is 3, expected 12 (the first group) or more"),
        ("status: ok", "showers[0].status is the text 'ok', expected one of accepted, candidate"),
        ("flags: []", "showers[0].flags has 0 items, expected 1"),
        ("flags: JUMP_DET", "showers[0].flags is the text 'JUMP_DET', expected a list"),
        ("comment: 5", "showers[0].comment is 5, expected a text"),
        ("X: 5", "showers[0].X is not a known key, expected one of integration, group"),
        pytest.param("x: 1" + "0" * 400, "showers[0].x is the text '1000", id="400 digits"),
        pytest.param(
            "group: 9" + "9" * 12, "showers[0].group is 9999999999999, expected 2147", id="13"
        ),
        ("x: 030.0", "showers[0].x is the text '030.0'"),
        ("x: 1e999", "showers[0].x is the text '1e999'"),
        ("5: 5", "showers[0].5 is not a known key, expected one of integration, group"),
    ],
)
def test_bad_values(problems_of, change, sentence):
    """Each bad value gives one sentence: where, what was found, what was expected."""
    key = change.split(":")[0]
    entry = SMALLEST.strip("{}").split(", ")
    kept = [part for part in entry if part.split(":")[0] != key]
    problems = problems_of(f"showers:\n  - {{{', '.join([*kept, change])}}}")
    assert len(problems) == 1
    assert problems[0].startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty, expected a mapping with the key showers"),
        ("5", "holds 5, expected a mapping"),
        (f"- {SMALLEST}", "holds a list of 1, expected a mapping"),
        ("showers: 5", "showers is 5, expected a list"),
        ("format: showermask-1.0", "showers is missing"),
        ("showers: [{integration: 0, group: 0, x: 1, y: 1, a: 1, b: 1}]", "showers[0].theta is"),
        ("showers: []\nshape: [1, 2, 3]", "shape has 3 items, expected 4"),
        ("showers: []\nshape: [1, 0, 3, 4]", "shape[1] is 0, expected 1 or more"),
        ("showers: []\nreviewed: yesterday", "reviewed is the text 'yesterday', expected a date"),
        ("showers: []\nversion: 1", "version is not a known key, expected one of format"),
        ("showers: [\n", "line 2, column 1: is not valid YAML"),
        ("showers: []\n---\nshowers: []", "line 2, column 1: is not valid YAML"),
        ("\tshowers: []", "line 1, column 1: is not valid YAML"),
        (b"\x00\x01\x02", "is not valid YAML"),
        (b"showers: \xff\xfe", "line 1: has the byte 0xff"),
        ("showers: []\nshowers: []", "line 2: the key 'showers' appears twice"),
        (f"showers:\n  - &a {SMALLEST}\n  - *a", "line 2: found an anchor or alias"),
        ("showers: !!set {}", "line 1: found the tag tag:yaml.org,2002:set"),
        ("showers: !!python/name:os.system x", "line 1: found the tag tag:yaml.org,2002:python"),
        ("showers: " + "[" * 100_000, "line 1: nested more than 20 levels deep"),
        ("{" * 100_000, "line 1: nested more than 20 levels deep"),
        ("? [1, 2]\n: 3", "is not valid YAML"),
    ],
)
def test_bad_files(problems_of, text, sentence):
    """Each broken file is refused with a sentence that says where and why."""
    assert sentence in problems_of(text)[0]


def test_billion_laughs_are_refused(problems_of):
    """Aliases that would explode are never expanded: there is no memory for 10**29 of them."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "anchor or alias" in problems_of("\n".join(lines))[0]


@pytest.mark.parametrize(
    "version", ["showermask-1.3", "showermask-2.0", "1.0", "5", "[a]", "{a: 1}", "null"]
)
def test_unknown_format(problems_of, version):
    """A version that is not known is the only thing said of a file."""
    problems = problems_of(f"format: {version}\nshowers: 5\nnew: 1")
    assert len(problems) == 1
    expected = "expected showermask-1.0, showermask-1.1 or showermask-1.2; a later version of"
    assert expected in problems[0]


def test_all_problems_at_once(problems_of):
    """Duplicates, bad values and missing keys are reported together, in the order of the file."""
    problems = problems_of(
        "exposure: 5\nshowers:\n"
        "  - {integration: 0, group: 0, group: 1, x: .nan, y: 1, a: 1, b: 1, theta: 0}\n"
        "  - {integration: -1, group: 0, x: 1, y: 1, a: 1, b: 0}\n"
    )
    assert [problem.split(" ")[0] for problem in problems] == [
        "line",
        "exposure",
        "showers[0].x",
        "showers[1].theta",
        "showers[1].b",
        "showers[1].integration",
    ]


def test_problems_are_cut_off(problems_of):
    """A file with thousands of problems does not fill the screen."""
    problems = problems_of("showers: [" + "5, " * 5000 + "]")
    assert len(problems) == 51
    assert problems[-1] == "… and more problems"


def test_groups_must_fit_the_files_own_shape(problems_of):
    """With shape in the file, groups are checked without an exposure."""
    problems = problems_of(f"shape: [1, 10, 24, 31]\nshowers: [{SMALLEST}]")
    assert problems == [
        "showers[0].group is 12, but the exposure has groups 0 to 9 (from shape)",
    ]


def test_large_files_are_not_read(tmp_path):
    """A hundred megabytes of nonsense cost nothing."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(RegionFileError, match="has 100 MB, expected a region file of at most"):
        read_regions(path)
    assert MAX_SIZE < 100_000_000


@pytest.mark.parametrize("name", ["regions.yaml", "regions.asdf", "regions"])
def test_directories_are_refused(tmp_path, name):
    """A directory is not a region file, whatever its name."""
    (tmp_path / name).mkdir()
    with pytest.raises(RegionFileError, match="is a directory, expected a region file"):
        read_regions(tmp_path / name)


def test_special_files_are_refused(tmp_path):
    """Reading a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(RegionFileError, match="is not a regular file"):
        read_regions(tmp_path / "pipe.yaml")


def test_missing_file(tmp_path):
    """A file that is not there is an error with its name."""
    with pytest.raises(RegionFileError, match=r"gone.yaml: can't be read \(No such file"):
        read_regions(tmp_path / "gone.yaml")


def test_unknown_suffix(tmp_path):
    """The suffix says which format; an unknown one is refused, for reading and for writing."""
    expected = "expected a region file with one of .yaml, .yml, .asdf"
    with pytest.raises(RegionFileError, match=expected):
        read_regions(tmp_path / "r.txt")
    with pytest.raises(RegionFileError, match=expected):
        write_regions(tmp_path / "r", RegionFile(showers=()))


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (
            {"x": np.arange(3.0)},
            "found the tag tag:stsci.edu:asdf/core/ndarray-1.1.0",
        ),
        (
            {"x": 1 + 2j},
            "found the tag tag:stsci.edu:asdf/core/complex-1.0.0",
        ),
        ({"x": "5"}, "showers[0].x is the text '5', expected a finite number"),
        ({"x": float("nan")}, "showers[0].x is nan, expected a finite number"),
    ],
)
def test_bad_values_in_asdf(tmp_path, entry, sentence):
    """Lazy arrays, tagged values and texts in place of numbers are refused by place."""
    good = {"integration": 0, "group": 0, "x": 1.0, "y": 1.0, "a": 1.0, "b": 1.0, "theta": 0.0}
    path = tmp_path / "r.asdf"
    asdf.AsdfFile({"showers": [{**good, **entry}]}).write_to(path)
    with pytest.raises(RegionFileError) as raised:
        read_regions(path)
    assert raised.value.problems == (f"{path}: {raised.value.problems[0].split(': ', 1)[1]}",)
    assert sentence in raised.value.problems[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not a valid ASDF file"),
        (b"showers: []", "is not a valid ASDF file"),
        (b"#ASDF 1.0.0\n%YAML 1.1\n--- !core/asdf-1.1.0\nshowers: [", "line 5, column 1: is not"),
        (b"#ASDF 1.0.0\n", "is empty, expected a mapping"),
    ],
)
def test_broken_asdf(problems_of, content, sentence):
    """A file which asdf can't read is refused with one sentence."""
    (problem,) = problems_of(content, "r.asdf")
    assert problem.startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("showers: []\nshowers: []", "the key 'showers' appears twice"),
        ("showers: [{group: 012}]", "showers[0].group is the text '012'"),
        ("showers: [{x: 1:30}]", "showers[0].x is the text '1:30'"),
        ("showers: [{x: !!float '5'}]", "found the tag tag:yaml.org,2002:float"),
        ("showers: [{<<: {x: 1}}]", "showers[0].<< is not a known key"),
        ("asdf_library: !core/software-1.0.0 {name: x}\nshowers: [!core/x {}]", "found the tag"),
    ],
)
def test_asdf_is_read_as_strictly_as_yaml(problems_of, text, sentence):
    """What is refused in YAML is refused in the tree of an ASDF file, but for asdf's own keys."""
    head = "#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n"
    problems = problems_of(f"{head}--- !core/asdf-1.1.0\n{text}\n...\n", "r.asdf")
    assert any(sentence in problem for problem in problems)


def test_asdf_of_others(tmp_path):
    """A file that somebody made with asdf, history and all, is read."""
    entry = {"integration": 0, "group": 0, "x": 1.5, "y": 1.0, "a": 1.0, "b": 1.0, "theta": 0.0}
    file = asdf.AsdfFile({"showers": [entry], "reviewed": "2026-11-20T15:00:00Z"})
    file.add_history_entry(
        "made by hand", {"name": "x", "author": "y", "homepage": "", "version": "1"}
    )
    file.write_to(tmp_path / "r.asdf")
    assert read_regions(tmp_path / "r.asdf").showers == (Shower(**entry),)


def test_asdf_with_exploding_references(problems_of):
    """References that would explode are never followed."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 19)]
    head = "#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n--- !core/asdf-1.1.0\n"
    problems = problems_of(head + "\n".join(lines) + "\n...\n", "r.asdf")
    assert "line 5: found an anchor or alias" in problems[0]


COMMENTED = """\
# Reviewed in the team meeting.
reviewer: A. Name  # on holiday until May
showers:
  # the bright one
  - {integration: 0, group: 1, x: 10.0, y: 10.0, a: 3.0, b: 2.0, theta: 0.0}
  - integration: 0
    group: 2
    x: 20.0  # by eye
    y: 20.0
    a: 3.0
    b: 2.0
    theta: 0.0
    status: candidate
"""


def test_comments_of_people_are_kept(tmp_path):
    """Changing, adding and removing showers leaves the comments on all that stay."""
    path = tmp_path / "r.yaml"
    path.write_text(COMMENTED)
    first, second = read_regions(path).showers
    accepted = replace(second, status=Status.ACCEPTED, comment="yes")
    third = replace(first, x=40.0)
    write_regions(path, RegionFile(showers=(first, accepted, third), reviewer="B. Name"))
    assert read_regions(path) == RegionFile(showers=(first, accepted, third), reviewer="B. Name")
    text = path.read_text()
    for comment in ("team meeting", "on holiday until May", "the bright one", "by eye"):
        assert comment in text
    write_regions(path, RegionFile(showers=(accepted,)))
    assert "by eye" in path.read_text()
    assert read_regions(path).showers == (accepted,)


def test_a_broken_file_is_replaced(tmp_path):
    """What can't be read can't be kept."""
    path = tmp_path / "r.yaml"
    path.write_text("showers: [ # half")
    write_regions(path, RegionFile(showers=()))
    assert read_regions(path) == RegionFile(showers=())


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    """When writing fails the old file stays, and nothing is left beside it."""
    path = tmp_path / "r.yaml"
    path.write_text("old")
    monkeypatch.setattr("showermask.regionfile.writer._dump", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_regions(path, RegionFile(showers=()))
    assert [p.name for p in tmp_path.iterdir()] == ["r.yaml"]
    assert path.read_text() == "old"


def test_written_files_have_the_usual_permissions(tmp_path):
    """A region file is as readable to others as any file."""
    path = tmp_path / "r.yaml"
    write_regions(path, RegionFile(showers=()))
    (tmp_path / "other").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_writing_into_a_missing_folder(tmp_path):
    """A folder that is not there is an error that says so."""
    with pytest.raises(OutputError, match="its folder can't be written to"):
        write_regions(tmp_path / "gone" / "r.yaml", RegionFile(showers=()))


def test_writing_onto_a_directory(tmp_path):
    """A directory is not replaced by a file."""
    (tmp_path / "r.yaml").mkdir()
    with pytest.raises(OutputError, match="is a directory"):
        write_regions(tmp_path / "r.yaml", RegionFile(showers=()))


def test_look_up_by_name(tmp_path):
    """YAML comes before ASDF; other exposures and other files are not looked at."""
    for name in ("b_showers.yaml", "a_showers.asdf", "a_showers.yml", "a_showers.txt"):
        (tmp_path / name).touch()
    found = [path.name for path in RegionLookup().find("a", tmp_path)]
    assert found == ["a_showers.yml", "a_showers.asdf"]


NOTED = """\
# of the team
format: showermask-1.0
showers:  # all of them
# above the first
- {integration: 0, group: 3, x: 10.0, y: 10.0, a: 6.0, b: 6.0, theta: 0.0}  # the first
# above the second: do not accept
- integration: 0
  group: 4  # or 5
  x: 20.0
  y: 10.0
  a: 6.0
  b: 6.0
  theta: 0.0
  status: rejected
# the end
"""


def test_comments_go_with_their_entries(tmp_path):
    """Where one is taken out, those of the next stay with it; those of the file stay too."""
    path = tmp_path / "x.yaml"
    path.write_text(NOTED)
    regions = read_regions(path)
    write_regions(path, replace(regions, showers=regions.showers[1:]))
    lines = NOTED.splitlines()
    assert path.read_text().splitlines() == [*lines[:3], *lines[5:]]


def test_comments_stay_where_entries_are_added(tmp_path):
    """Also of entries on one line, and of those that change."""
    path = tmp_path / "x.yaml"
    path.write_text(NOTED)
    regions = read_regions(path)
    first, second = regions.showers
    new = replace(first, x=90.0, y=80.0, group=9, a=3.0, b=2.0, theta=40.0)
    changed = replace(first, comment="seen")
    write_regions(path, replace(regions, showers=(new, changed, second), reviewer="A"))
    assert read_regions(path).showers == (new, changed, second)
    text = path.read_text()
    for comment in [line.partition("#")[2] for line in NOTED.splitlines() if "#" in line]:
        assert f"#{comment}" in text
    assert "theta: 0.0, comment: seen} # the first" in text


def test_comments_beside_blocks_and_lists(tmp_path):
    """Texts over several lines keep their end to themselves; a list that goes leaves the rest."""
    path = tmp_path / "x.yaml"
    text = NOTED.replace("showermask-1.0", "showermask-1.1")
    text = text.replace("rejected\n", "rejected\n  comment: |\n    two\n    lines\n")
    third_entry = "- {integration: 0, group: 3, x: 1.0, y: 1.0, a: 6.0, b: 6.0, theta: 0.0}"
    end = f"# above the third\n{third_entry}\npixels:\n- {{x: 1, y: 2}}\n# the end"
    path.write_text(text.replace("# the end", end))
    regions = read_regions(path)
    first, second, third = regions.showers
    assert second.comment == "two\nlines\n"
    write_regions(path, replace(regions, showers=(first, third), pixels=()))
    assert read_regions(path).showers == (first, third)
    lines = path.read_text().splitlines()
    assert lines[-3:] == ["# above the third", third_entry, "# the end"]


@pytest.mark.parametrize(
    ("before", "between"),
    [("\ufeff# a note\n", "\n"), ("# a note\n", "\t# beside it\n")],
    ids=["byte order mark", "tab"],
)
def test_comments_that_are_hard_to_find(tmp_path, before, between):
    """Comments after a byte order mark, and after tabs, which ruamel takes for an error."""
    path = tmp_path / "x.yaml"
    entry = "- {integration: 0, group: 3, x: 1.0, y: 1.0, a: 6.0, b: 6.0, theta: 0.0}"
    path.write_text(f"{before}format: showermask-1.0\nshowers:\n{entry}{between}", "utf-8")
    regions = read_regions(path)
    write_regions(path, replace(regions, reviewer="A. Name"))
    text = path.read_text()
    assert "# a note" in text
    assert ("# beside it" in text) == ("beside it" in between)
    assert read_regions(path).reviewer == "A. Name"


def test_many_commented_entries(tmp_path):
    """Each of which has moved: more than can be compared one by one."""
    path = tmp_path / "x.yaml"
    entry = "- {{integration: 0, group: 3, x: {}.0, y: 1.0, a: 6.0, b: 6.0, theta: 0.0}}  # {}\n"
    path.write_text("showers:\n" + "".join(entry.format(i, i) for i in range(400)))
    regions = read_regions(path)
    moved = tuple(replace(shower, x=shower.x + 0.5) for shower in regions.showers)
    write_regions(path, replace(regions, showers=moved))
    assert read_regions(path).showers == moved


class TestCost:
    """A region file may come from anybody: what it costs is bounded."""

    def test_too_many_entries(self, tmp_path):
        """Reading ends where there are too many."""
        path = tmp_path / "r.yaml"
        path.write_text(
            "format: showermask-1.1\nshowers: []\npixels:\n" + "- {x: 1, y: 2}\n" * 180_000
        )
        with pytest.raises(RegionFileError, match="line 10004: has more than 10000 entries"):
            read_regions(path)

    @pytest.mark.parametrize("text", ["a: 1\n" * 700_000, "{" + "a: 1," * 600_000 + "}"])
    def test_too_many_problems(self, tmp_path, text):
        """Reading ends with the problems that are told."""
        path = tmp_path / "r.yaml"
        path.write_text(text)
        with pytest.raises(RegionFileError) as raised:
            read_regions(path)
        assert len(raised.value.problems) == 50
        assert "line 1" in raised.value.problems[0] or "line 2" in raised.value.problems[0]

    def test_many_lists(self, tmp_path):
        """Values are counted in all."""
        path = tmp_path / "r.yaml"
        path.write_text("showers:\n" + ("- [" + "0," * 99 + "0]\n") * 5000)
        with pytest.raises(RegionFileError, match="or 300000 values"):
            read_regions(path)

    @pytest.mark.slow
    def test_too_many_to_write(self, tmp_path):
        """What could not be read again is not written."""
        path = tmp_path / "r.yaml"
        write_regions(path, RegionFile(showers=()))
        before = path.read_bytes()
        many = tuple(BadPixels(x=i, y=0) for i in range(10_001))
        with pytest.raises(RegionFileError, match="can't be written so that it is read again"):
            write_regions(path, RegionFile(showers=(), pixels=many))
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text", ["a\x85b", "a\u2028b\u2029", "\x85", "a\x1b[31m", "a\x00b", "a\rb"]
)
@pytest.mark.parametrize("name", ["r.yaml", "r.asdf"])
def test_characters_that_yaml_breaks_lines_at(tmp_path, text, name):
    """Come back as they were, and people's comments beside them too."""
    path = tmp_path / name
    shower = Shower(integration=0, group=1, x=1, y=1, a=1, b=1, theta=0, comment=text)
    write_regions(path, RegionFile(showers=(shower,)))
    if name.endswith("yaml"):
        path.write_text(path.read_text().replace("showers:", "# mine\nshowers:"))
    write_regions(path, RegionFile(showers=(shower,), reviewer="me"))
    assert read_regions(path).showers == (shower,)
    assert name.endswith("asdf") or "# mine" in path.read_text()


def test_names_that_can_not_be_written(tmp_path):
    """Half a surrogate pair is refused before the file is replaced."""
    path = tmp_path / "r.yaml"
    write_regions(path, RegionFile(showers=()))
    before = path.read_bytes()
    with pytest.raises(RegionFileError, match="can't be written so that it is read again"):
        write_regions(path, RegionFile(showers=(), reviewer="\ud800"))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("showers:\n  - integration: 0\n    group:2\n    x: 5\n",
         "line 3: has no space after the colon of group; write group: 2"),
        ("showers:\n  - integration:0\n    group: 2\n",
         "line 2: has no space after the colon of integration; write integration: 0"),
        ("showers:\n  - {integration:0, group: 2}\n",
         ("showers[0].integration:0 is not a known key, expected a space after its colon; "
         "write integration: 0")),
        ("showers:\n  - integration: 0\n    comment: seen: twice\n",
         ("line 3: has a colon in the text of comment, expected quotes around it; "
         "write comment: 'seen: twice'")),
        ("showers:\n  - integration: 0\n\tgroup: 2\n",
         "line 3: is indented with a tab, expected spaces"),
        ("showers:\n  - {integration: 0, comentt: hi}\n",
         "showers[0].comentt is not a known key, did you mean comment? expected one of"),
        ("shower: []\n", "shower is not a known key, did you mean showers?"),
        ("showers: []\nqqq: 1\n", "qqq is not a known key, expected one of format"),
        ("showers: []\nreviewer: M\xfcller\n",
         "line 2: has the byte 0xfc ('ü' in Latin-1), expected text in UTF-8"),
    ],
)  # fmt: skip
def test_slips(tmp_path, text, sentence):
    """What people often write by mistake has a sentence of its own."""
    path = tmp_path / "r.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RegionFileError) as caught:
        read_regions(path)
    assert sentence in str(caught.value)


def test_exposure_with_suffix(tmp_path, capsys):
    """The name of a file in place of the product root is told, with and without data."""
    root = "jw01517179001_02201_00001_mirimage"
    path = tmp_path / "r.yaml"
    path.write_text(f"exposure: {root}_jump.fits\nshowers: []\n")
    assert main(["check", str(path)]) == 0
    assert f"expected the product root, without suffix; write {root}" in capsys.readouterr().out
    data = tmp_path / f"{root}_jump.fits"
    RampBuilder(ngroups=4, ny=8, nx=8).model().save(str(data))
    assert main(["check", str(path), str(data)]) == 1
    assert f"but the data are {root}; write it without suffix" in capsys.readouterr().err
