"""The state of a review, without a server: undo, draft, file."""

from dataclasses import replace

import pytest

from showermask import BadPixels, Polygon, RegionFile, Shower, Status, read_regions, write_regions
from showermask.commands.review.session import ChangedOnDiskError, ReviewSession, StaleError
from showermask.exceptions import FlagError, RegionFileError, ShowerError, ShowermaskError
from showermask.exposure.product import Exposure, Product
from showermask.regionfile.lookup import RegionLookup

EXPOSURE = Exposure(
    root="x",
    product=Product.RAMP,
    is_raw=False,
    shape=(2, 10, 32, 40),
    nints=2,
    ngroups=10,
    subarray="SUB128",
    group_time=2.775,
    integration_time=27.75,
    exposure_time=55.5,
)
ELLIPSE = {"x": 20.0, "y": 15.0, "a": 9.0, "b": 5.0, "theta": 30.0}


@pytest.fixture
def path(tmp_path):
    """Return where the region file goes."""
    return tmp_path / "x_showers.yaml"


@pytest.fixture
def session(path):
    """Return a review without a region file."""
    return ReviewSession(EXPOSURE, path, reviewer="A. Name")


def a_shower(**changes):
    """Return a shower that fits the exposure."""
    return Shower(**{"integration": 0, "group": 3, **ELLIPSE, **changes})


def showers(session):
    """Return the showers of a session."""
    return [one.entry for one in session.entries]


def test_add_edit_remove(session):
    """Showers are added, changed and deleted; each keeps its number."""
    first, second = session.add(a_shower()), session.add(a_shower(group=5))
    session.edit(first, {"a": 12.0, "comment": "larger"})
    session.remove(second)
    assert showers(session) == [a_shower(a=12.0, comment="larger")]
    assert session.entries[0].id == first


def test_attributes_can_be_taken_away(session):
    """None removes an optional attribute."""
    footprint = session.add(a_shower(last_group=5, comment="x"))
    session.edit(footprint, {"last_group": None, "comment": None})
    assert showers(session) == [a_shower()]


def test_decisions_are_one_change(session):
    """Several showers are accepted or rejected at once, and undone at once."""
    added = [session.add(a_shower(status="candidate")) for _ in range(3)]
    session.set_status(added[:2], "rejected")
    assert [s.status for s in showers(session)] == ["rejected", "rejected", "candidate"]
    session.undo()
    assert {s.status for s in showers(session)} == {Status.CANDIDATE}


def test_undo_and_redo_of_everything(session):
    """Every change can be taken back one by one, and made again."""
    states = [showers(session)]
    footprint = session.add(a_shower())
    states.append(showers(session))
    session.edit(footprint, {"theta": 200.0})
    states.append(showers(session))
    session.set_status([footprint], "rejected")
    states.append(showers(session))
    session.remove(footprint)
    states.append(showers(session))
    for expected in reversed(states[:-1]):
        session.undo()
        assert showers(session) == expected
    assert not session.can_undo
    session.undo()
    for expected in states[1:]:
        session.redo()
        assert showers(session) == expected
    assert not session.can_redo


def test_a_change_forgets_what_was_undone(session):
    """After undo and a new change there is nothing to redo."""
    session.add(a_shower())
    session.undo()
    session.add(a_shower(group=5))
    assert not session.can_redo


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"group": 10}, RegionFileError, "group is 10, but the exposure has groups 0 to 9"),
        ({"integration": 2}, RegionFileError, "integration is 2"),
        ({"a": -1.0}, ShowerError, "a is -1.0, expected more than 0"),
    ],
)
def test_changes_that_make_no_sense(session, changes, error, message):
    """A bad value is refused and changes nothing."""
    footprint = session.add(a_shower())
    with pytest.raises(error, match=message):
        session.edit(footprint, changes)
    assert showers(session) == [a_shower()]


def test_changes_to_an_older_state(session):
    """A change that was made to what another tab has changed meanwhile is refused."""
    seen = session.revision
    footprint = session.add(a_shower(), revision=seen)
    with pytest.raises(StaleError, match="changed in another tab"):
        session.remove(footprint, revision=seen)
    session.remove(footprint)
    with pytest.raises(StaleError, match="is not there any more"):
        session.edit(footprint, {"a": 1.0})


def test_save_writes_who_when_and_what(session, path):
    """The region file has reviewer, time, exposure, shape and subarray."""
    session.add(a_shower(status="rejected", comment="a galaxy"))
    assert session.is_dirty
    session.save()
    assert not session.is_dirty
    regions = read_regions(path)
    assert regions.showers == (a_shower(status="rejected", comment="a galaxy"),)
    assert (regions.exposure, regions.shape, regions.subarray) == ("x", EXPOSURE.shape, "SUB128")
    assert regions.reviewer == "A. Name"
    assert regions.reviewed.endswith("Z")


def test_reopening_gives_what_was_saved(session, path):
    """All statuses and comments are there again."""
    for status in Status:
        session.add(a_shower(status=status, comment=str(status)))
    session.save()
    again = ReviewSession(EXPOSURE, path)
    assert showers(again) == showers(session)
    assert (again.is_dirty, again.can_undo, again.recovered) == (False, False, False)


def test_save_notices_a_file_that_changed(session, path):
    """What somebody else wrote is not overwritten unasked."""
    session.add(a_shower())
    write_regions(path, RegionFile(showers=(a_shower(group=7),)))
    with pytest.raises(ChangedOnDiskError, match=r"x_showers.yaml: was changed by somebody else"):
        session.save()
    assert read_regions(path).showers == (a_shower(group=7),)
    session.save(force=True)
    assert read_regions(path).showers == (a_shower(),)


def test_save_notices_a_file_that_is_gone(session, path):
    """A region file that was deleted meanwhile is a change too."""
    session.add(a_shower())
    session.save()
    path.unlink()
    session.add(a_shower(group=4))
    with pytest.raises(ChangedOnDiskError):
        session.save()


def test_reload_can_be_undone(session, path):
    """Taking the file on disk is a change like any other."""
    session.add(a_shower())
    write_regions(path, RegionFile(showers=(a_shower(group=7),)))
    session.reload()
    assert showers(session) == [a_shower(group=7)]
    assert not session.is_dirty
    session.undo()
    assert showers(session) == [a_shower()]
    session.save()
    assert read_regions(path).showers == (a_shower(),)


class TestDraft:
    """What keeps unsaved marks through a crash."""

    def test_follows_every_change(self, session):
        """The draft is there as long as there is something to save."""
        assert not session.draft_path.exists()
        session.add(a_shower())
        assert read_regions(session.draft_path).showers == (a_shower(),)
        session.undo()
        assert not session.draft_path.exists()
        session.redo()
        session.save()
        assert not session.draft_path.exists()

    def test_is_recovered(self, session, path):
        """A new session starts with the marks of the one that was killed; undo drops them."""
        session.add(a_shower())
        session.save()
        session.add(a_shower(group=5))
        again = ReviewSession(EXPOSURE, path)
        assert again.recovered
        assert showers(again) == [a_shower(), a_shower(group=5)]
        again.undo()
        assert showers(again) == [a_shower()]
        assert not again.draft_path.exists()

    @pytest.mark.parametrize(
        "entry",
        [
            a_shower(probability=0.9, kind="latent", score=7.0),
            a_shower(action="auto"),
            Polygon(integration=0, group=3, vertices=((1, 1), (9, 1), (5, 8)), probability=0.4),
            BadPixels(x=3, y=4, integration=0, kind="hot"),
        ],
        ids=["proposed", "subtracted", "polygon", "pixels"],
    )
    def test_entries_of_all_formats_are_recovered(self, path, entry):
        """Also those whose keys came with a later format."""
        write_regions(path, RegionFile(entries=(entry,)))
        session = ReviewSession(EXPOSURE, path)
        session.edit(session.entries[0].id, {"comment": "seen"})
        again = ReviewSession(EXPOSURE, path)
        assert again.recovered
        assert showers(again) == [replace(entry, comment="seen")]

    def test_to_a_file_that_has_changed_is_not_saved_unasked(self, session, path):
        """After a crash, what a colleague has written meanwhile is not lost."""
        session.add(a_shower())
        write_regions(path, RegionFile(showers=(a_shower(group=7),)))
        again = ReviewSession(EXPOSURE, path)
        assert again.recovered
        with pytest.raises(ChangedOnDiskError):
            again.save()
        assert read_regions(path).showers == (a_shower(group=7),)

    def test_comes_before_the_change(self, session):
        """When the draft can't be written, the change is not made."""
        session.draft_path.mkdir()
        with pytest.raises(ShowermaskError, match="is a directory"):
            session.add(a_shower())
        assert (showers(session), session.revision) == ([], 0)

    def test_is_not_found_as_a_region_file(self, session, tmp_path):
        """The step does not look at drafts."""
        session.add(a_shower())
        assert RegionLookup().find("x", tmp_path) == []

    def test_a_broken_draft_is_set_aside(self, session, path):
        """A draft that can't be read stops nothing and is kept."""
        session.draft_path.write_text("showers: [")
        again = ReviewSession(EXPOSURE, path)
        assert not again.recovered
        assert again.set_aside == session.draft_path.with_suffix(".broken.yaml").name
        assert session.draft_path.with_suffix(".broken.yaml").read_text() == "showers: ["


def test_a_file_for_another_exposure_is_refused(path):
    """Opening checks the file as the step does."""
    write_regions(path, RegionFile(showers=(), exposure="y"))
    with pytest.raises(RegionFileError, match="exposure is y, but the data are x"):
        ReviewSession(EXPOSURE, path)


def test_a_rate_keeps_the_shape_of_the_file(path):
    """Shape is that of the ramp, which a rate does not know."""
    write_regions(path, RegionFile(showers=(), shape=(2, 10, 32, 40)))
    rate = replace(EXPOSURE, product=Product.IMAGE, shape=(32, 40))
    session = ReviewSession(rate, path)
    session.add(a_shower())
    session.save()
    assert read_regions(path).shape == (2, 10, 32, 40)


class TestDraftFile:
    """What the draft of unsaved marks is like on disk."""

    def test_says_once_what_it_was_made_to(self, session, path):
        """However many changes there were; and it is a region file."""
        session.add(a_shower(comment="# no comment\n- x", score=1e-7))
        session.save()
        for group in range(3, 8):
            session.add(a_shower(group=group))
        text = session.draft_path.read_text()
        assert text.count("# base") == 1
        assert read_regions(session.draft_path).showers == tuple(showers(session))

    @pytest.mark.parametrize("mode", [0o600, 0o664])
    def test_has_the_mode_of_the_file(self, session, path, mode):
        """What others may not read in the file, they may not read in the draft."""
        session.add(a_shower())
        session.save()
        path.chmod(mode)
        session.add(a_shower(group=5))
        assert session.draft_path.stat().st_mode & 0o777 == mode
        session.save()
        assert path.stat().st_mode & 0o777 == mode

    def test_a_read_only_file_is_refused(self, session, path):
        """Saving does not replace what is protected; the marks are kept."""
        session.add(a_shower())
        session.save()
        path.chmod(0o444)
        session.add(a_shower(group=5))
        with pytest.raises(ShowermaskError, match="is read-only"):
            session.save()
        assert session.is_dirty
        assert session.draft_path.exists()


@pytest.mark.parametrize("reviewer", [5, None, "a\nb", "x" * 201])
def test_reviewers_that_are_no_names(path, reviewer):
    """Are refused from the first."""
    with pytest.raises(RegionFileError, match="reviewer is "):
        ReviewSession(EXPOSURE, path, reviewer=reviewer)


def test_accepting_checks_the_flags(path):
    """A rejected entry may name flags of other planes, an accepted one not."""
    write_regions(path, RegionFile(showers=(a_shower(flags=("HOT",), status="rejected"),)))
    session = ReviewSession(EXPOSURE, path)
    session.edit(session.entries[0].id, {"comment": "what was it?"})
    with pytest.raises(FlagError, match="flags: HOT is not a flag of GROUPDQ"):
        session.set_status([session.entries[0].id], "accepted")
