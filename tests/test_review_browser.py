"""The review page in a real browser, driven by mouse and keyboard.

Every test fails on any JavaScript error, warning of the security policy, or failed request.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from review_page import Page, needs_browser
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from showermask import BadPixels, RegionFile, Shower, read_regions, write_regions
from showermask.masking.footprint import find_footprints
from showermask.regionfile.maskfile import write_mask
from showermask.synthetic.ramps import RampBuilder

STRUN = Path(sys.executable).with_name("strun")
SHAPE = (2, 10, 64, 80)

pytestmark = needs_browser

CANDIDATES = tuple(
    Shower(
        integration=0,
        group=2,
        x=x,
        y=50.0,
        a=6.0,
        b=4.0,
        theta=0.0,
        status="candidate",
        score=score,
    )
    for x, score in ((20.0, 5.0), (40.0, 9.0), (60.0, 7.0))
)


@pytest.fixture
def jump(tmp_path):
    """Return the path of a ramp of two integrations with noise."""
    nints, ngroups, ny, nx = SHAPE
    builder = RampBuilder(nints=nints, ngroups=ngroups, ny=ny, nx=nx, readnoise=5.0, seed=1)
    path = tmp_path / "x_jump.fits"
    builder.model().save(str(path))
    return path


@pytest.fixture
def page(chrome, jump):
    """Return the page for the ramp; check that the browser had nothing to complain of."""
    opened = Page(chrome, jump)
    yield opened
    complaints = opened.complaints()
    chrome.get("about:blank")  # the page first, then its server: nothing is under way
    opened.kill()
    assert complaints == []


@pytest.fixture
def candidates(jump):
    """Write a region file with three candidates before the page opens."""
    write_regions(jump.with_name("x_showers.yaml"), RegionFile(showers=CANDIDATES))


@pytest.fixture
def regions_of_pixels(jump):
    """Write a region file with pixels, one of them in a mask, before the page opens."""
    mask = np.zeros(SHAPE[-2:], bool)
    mask[20:24, 50:56] = True
    write_mask(jump.with_name("hot.fits"), mask)
    jump.with_name("x_showers.yaml").write_text(
        "pixels:\n"
        "- {x: [10, 12], y: all, comment: bad columns}\n"
        "- {mask: hot.fits, integration: 0, group: 2, status: candidate, source: persistence}\n"
    )


def test_pixels(page):
    """The pixel under the cursor is masked by a key, shown, commented on, and saved."""
    page.hover(31, 17)
    page.wait_until(lambda: "x 31, y 17" in page.text("pixel-where"), "the pixel")
    page.press("p")
    page.expect_rows("accepted")
    assert "x 31, y 17" in page.rows()[0][1]
    assert page.count("#overlay .region.accepted") == 1
    page.press("p")
    page.expect_rows("accepted")
    page.press("w")
    page.press("hot", Keys.ENTER)
    (region,) = page.save().pixels
    assert region == BadPixels(x=31, y=17, source="manual", comment="hot")
    page.press("u", "u")
    page.expect_rows()


def test_action(page):
    """A key says that the light is to be taken out; list, status and file have it."""
    page.click(30, 30)
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    page.press("t")
    page.wait_until(lambda: "subtract" in page.text("editor-status"), "the action")
    assert page.count("#rows .dot.subtract")
    assert [str(shower.action) for shower in page.save().showers] == ["subtract"]
    page.press("t")
    page.wait_until(lambda: "subtract" not in page.text("editor-status"), "the mask")
    assert [str(shower.action) for shower in page.save().showers] == ["mask"]


def test_polygons(page):
    """A polygon is drawn with the mouse, its corners dragged, commented on, decided on, saved."""
    page.press("l")
    corners = [(20, 30), (40, 30), (40, 50), (30, 40), (20, 50), (20, 31)]
    page.drag(*(page.at(x, y) for x, y in corners))
    page.wait_until(lambda: "not marked" in page.text("editor-status"), "the polygon")
    assert page.shown("draft") == 1
    page.type("last_group", "7")
    page.click_on("#mark")
    page.expect_rows("accepted")
    assert "5 corners" in page.text("editor-status")
    page.drag(page.grip("vertex1"), page.at(44, 28))
    page.press("w")
    page.press("a glow", Keys.ENTER)
    page.drag(page.at(24, 38), page.at(25, 38))
    page.press("r", "u")
    (polygon,) = page.save().polygons
    expected = [(21, 30), (45, 28), (41, 50), (31, 40), (21, 50)]
    np.testing.assert_allclose(polygon.vertices, expected, atol=0.4)
    said = (polygon.integration, polygon.group, polygon.last_group, polygon.comment)
    assert said == (0, 1, 7, "a glow")
    assert (polygon.status, polygon.source) == ("accepted", "manual")
    page.click_on("#show-mask")
    count = str(np.count_nonzero(polygon.pixels(SHAPE[-2:])[1]))
    page.wait_until(lambda: page.data("masked") == count, "its pixels")
    page.press("u", "u", "u", "u")
    page.expect_rows()


@pytest.mark.usefixtures("regions_of_pixels")
def test_pixels_are_reviewed(page):
    """A mask file shows where it is once it is selected, and is decided on as showers are."""
    page.expect_rows("accepted", "candidate")
    assert page.rows()[0][1].split() == " all all x 10 to 12, y all bad columns".split()  # noqa: SIM905
    page.press("n")
    page.wait_until(lambda: page.text("editor-status") == "candidate, hot.fits", "the mask")
    page.wait_until(lambda: page.data("masked") == "24", "its pixels")
    page.press("r")
    page.expect_rows("accepted", "rejected")
    page.press("u", "a")
    page.expect_rows("accepted", "accepted")
    assert [region.status for region in page.save().pixels] == ["accepted", "accepted"]
    page.press(Keys.DELETE)
    page.expect_rows("accepted")


def test_place_resize_rotate_mark_save(page):
    """An ellipse is placed by a click, shaped by its handles, marked and saved as it was drawn."""
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    page.click(40, 30)
    assert page.shown("draft") == 1
    assert (page.field("x"), page.field("y")) == pytest.approx((40, 30), abs=0.2)
    assert page.field("group") == 3
    page.drag(page.grip("a"), page.at(52, 30))
    assert page.field("a") == pytest.approx(12, abs=0.3)
    page.drag(page.grip("b"), page.at(40, 36))
    assert page.field("b") == pytest.approx(6, abs=0.3)
    # All the way round to 250 degrees, by way of the left.
    page.drag(page.grip("rotate"), page.at(40, 50), page.at(20, 30), page.at(40 - 6.84, 30 - 18.79))
    assert page.field("theta") == pytest.approx(250, abs=1.5)
    drawn = {name: page.field(name) for name in ("x", "y", "a", "b", "theta")}
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    assert (page.shown("draft"), page.shown("accepted")) == (0, 1)
    (shower,) = page.save().showers
    assert {name: getattr(shower, name) for name in drawn} == drawn
    assert (shower.integration, shower.group, shower.last_group) == (0, 3, None)
    assert shower.source == "manual"


def test_showers_are_on_the_groups_that_they_mask(page):
    """A shower appears in its first group, stays to its last, and in no other integration."""
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    page.click(40, 30)
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    page.press(Keys.ARROW_LEFT)
    assert page.shown("accepted") == 0
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.shown("accepted") == 1
    page.type("last_group", "5")
    page.wait_until(lambda: "3–5" in page.rows()[0][1], "the last group in the list")
    page.click_on("#viewport")
    page.press(Keys.ESCAPE, Keys.ESCAPE, Keys.ARROW_RIGHT)
    assert page.shown("accepted") == 1
    page.press(Keys.ARROW_RIGHT)
    assert page.shown("accepted") == 0
    page.press(Keys.ARROW_LEFT, Keys.ARROW_UP)
    assert page.shown("accepted") == 0
    page.press(Keys.ARROW_DOWN)
    assert page.shown("accepted") == 1


def test_groups_are_clamped(page):
    """The counters stop at both ends."""
    page.press(*[Keys.ARROW_RIGHT] * 12, Keys.ARROW_UP, Keys.ARROW_UP)
    assert page.text("group-value") == "9 of 9"
    assert page.text("integration-value") == "1 of 1"
    page.press(*[Keys.ARROW_LEFT] * 12, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.text("group-value") == "0 of 9"
    assert page.text("what") == "2: group 0 as it is, integration 0"


def test_undo_and_redo(page):
    """Marks, moves and deletions are taken back one by one, and made again."""
    page.click(40, 30)
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    page.drag(page.at(40, 30), page.at(50, 40))
    page.wait_until(lambda: "50, 40" in page.rows()[0][1], "the move in the list")
    page.press(Keys.DELETE)
    page.expect_rows()
    page.press("u")
    page.expect_rows("accepted")
    assert "50, 40" in page.rows()[0][1]
    page.press("u")
    page.wait_until(lambda: "40, 30" in page.rows()[0][1], "the move taken back")
    page.press("u")
    page.expect_rows()
    page.press("U")
    page.expect_rows("accepted")
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("y").key_up(Keys.CONTROL).perform()
    page.wait_until(lambda: "50, 40" in page.rows()[0][1], "the move made again")


def test_keys_may_come_faster_than_answers(candidates, page):
    """Nothing is lost when decisions are typed without a pause."""
    ActionChains(page.driver).send_keys("nanrna").perform()
    page.expect_rows("accepted", "accepted", "rejected")
    ActionChains(page.driver).send_keys("uuuUU").perform()
    page.expect_rows("candidate", "accepted", "rejected")
    assert not page.notice()


def test_a_placed_ellipse_is_not_lost(page):
    """Esc drops it, undo brings it back; a click elsewhere moves it with all that it says."""
    page.click(40, 30)
    page.type("last_group", "6")
    page.driver.find_element(By.ID, "viewport").send_keys(Keys.ESCAPE)
    page.settle()
    assert page.shown("draft") == 0
    page.press("u")
    assert page.shown("draft") == 1
    page.press(Keys.ARROW_RIGHT)
    page.click(20, 15)
    assert (page.field("x"), page.field("group"), page.field("last_group")) == (
        pytest.approx(20, abs=0.2),
        1,
        6,
    )
    page.driver.refresh()
    page.settle()
    assert page.shown("draft") == 1


def test_buttons_over_the_image_are_buttons(page):
    """A click on zoom or on a message is no click on the image."""
    before = page.at(1, 0)[0] - page.at(0, 0)[0]
    page.click_on("#zoom-in")
    assert page.at(1, 0)[0] - page.at(0, 0)[0] == pytest.approx(1.4 * before, rel=1e-3)
    assert page.shown("draft") == 0


def test_keys_belong_to_the_image_after_a_click(page):
    """Enter marks also after a button, and arrows change the group also after a list."""
    page.click(40, 30)
    page.click_on("#group-up")
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    page.click_on("#shape option[value=asinh]")
    page.press(Keys.ARROW_RIGHT)
    assert page.text("group-value") == "3 of 9"
    assert page.value("shape") == "asinh"


def test_two_drags_without_a_pause(page):
    """The second drag begins where the first one ended, whether the server has answered or not."""
    page.click(40, 30)
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    page.drag(page.at(40, 30), page.at(50, 35))
    page.drag(page.at(50, 35), page.at(60, 40))
    page.wait_until(lambda: "60, 40" in page.rows()[0][1], "both moves")
    (shower,) = page.save().showers
    assert (shower.x, shower.y) == pytest.approx((60, 40), abs=0.5)


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("a", "-5", 0.5),
        ("theta", "-30", 330),
        ("group", "99", 9),
        ("last_group", "-", 5),
        ("x", "", 40),
    ],
)
def test_numbers_are_kept_within_reason(page, name, typed, expected):
    """What can't be is brought to what can, and nonsense changes nothing."""
    page.click(40, 30)
    page.type("last_group", "5")
    before = page.field("x")
    page.type(name, typed or Keys.DELETE)
    assert page.field(name) == pytest.approx(before if name == "x" else expected)


def test_what_is_being_typed_is_saved(page):
    """Ctrl+S in a field takes what it says."""
    page.click(40, 30)
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    comment = page.driver.find_element(By.ID, "comment")
    comment.send_keys("a glow")
    comment.send_keys(Keys.CONTROL, "s")
    page.wait_until(lambda: "Saved" in page.notice(), "the word that it is saved")
    assert read_regions(page.regions).showers[0].comment == "a glow"


def test_zoom_and_pan_move_no_ellipse(page):
    """The wheel zooms to the cursor, a drag beside the ellipse pans; numbers stay as they are."""
    page.click(40, 30)
    before = {name: page.field(name) for name in ("x", "y", "a", "b", "theta")}
    place = page.at(60, 10)
    height = page.ask("nodes[0].getBoundingClientRect().height", "#viewport")
    origin = ScrollOrigin.from_viewport(round(place[0]), round(place[1]))
    ActionChains(page.driver).scroll_from_origin(origin, 0, -400).perform()
    page.settle()
    assert page.at(60, 10) == pytest.approx(place, abs=1.5)
    assert page.at(61, 10)[0] - page.at(60, 10)[0] > 1.5 * height / 80
    page.drag(place, (place[0] - 60, place[1] + 50))
    assert page.at(60, 10) == pytest.approx((place[0] - 60, place[1] + 50), abs=1.5)
    assert {name: page.field(name) for name in before} == before
    assert page.shown("draft") == 1


def test_candidates_are_decided_by_key(candidates, page):
    """N goes to the next candidate by score, A and R decide, all of it is saved and read again."""
    page.expect_rows("candidate", "candidate", "candidate")
    page.press("n", "a")
    page.expect_rows("candidate", "candidate", "accepted")
    page.press("n", "r")
    page.expect_rows("candidate", "accepted", "rejected")
    page.driver.find_element(By.ID, "comment").send_keys("a galaxy", Keys.ENTER)
    page.wait_until(lambda: "a galaxy" in page.rows()[2][1], "the comment")
    page.press("u", "u")
    page.expect_rows("candidate", "candidate", "accepted")
    page.press("U", "U")
    page.expect_rows("candidate", "accepted", "rejected")
    saved = page.save()
    assert [str(s.status) for s in saved.showers] == ["candidate", "accepted", "rejected"]
    assert saved.showers[2].comment == "a galaxy"
    assert saved.showers[0] == CANDIDATES[0]
    assert saved.reviewer == "A. Name"
    page.kill()
    page.start()
    page.expect_rows("candidate", "accepted", "rejected")


@pytest.fixture
def crowded(chrome, tmp_path):
    """Return the page for a full frame with twenty candidates."""
    rng = np.random.default_rng(7)
    builder = RampBuilder(ngroups=10, ny=1024, nx=1032, readnoise=6.0, seed=2)
    showers = [
        Shower(
            integration=0, group=int(rng.integers(1, 8)), x=round(rng.uniform(50, 980), 1),
            y=round(rng.uniform(50, 970), 1), a=20.0, b=12.0, theta=30.0, status="candidate",
            source="propose", score=float(5 + n),
        )
        for n in range(20)
    ]  # fmt: skip
    builder = builder.add_glow(showers[-1], amplitude=50.0, decay=10.0, is_flat=True)
    path = tmp_path / "x_jump.fits"
    builder.model(subarray="FULL").save(str(path))
    write_regions(tmp_path / "x_showers.yaml", RegionFile(showers=tuple(showers)))
    opened = Page(chrome, path)
    yield opened
    opened.kill()
    chrome.get("about:blank")
    chrome.get_log("browser")


@pytest.mark.slow
class TestTwentyCandidates:
    """A page of candidates on a full frame."""

    def test_a_key_each(self, crowded):
        """Next, a decision each which goes on to the next, and one key to save."""
        scores = [float(text) for text in crowded.column("score")]
        assert scores == sorted(scores, reverse=True)
        crowded.press("n")
        for left in range(20, 0, -1):
            crowded.press("A" if left % 2 else "R")
        crowded.wait_until(lambda: "No candidates" in crowded.notice(), "the end")
        saved = crowded.save()
        assert crowded.pressed == 1 + 20 + 1
        assert (len(saved.accepted), len(saved.candidates), len(saved.showers)) == (10, 0, 20)
        decided = sorted(saved.showers, key=lambda shower: -shower.score)
        assert [shower.is_accepted for shower in decided] == [False, True] * 10

    def test_effect_beside_each(self, crowded):
        """What the mask removes and costs: the bright one removes what its glow adds."""
        crowded.wait_until(lambda: all(crowded.column("noise")), "the cost of each")
        best = {name: crowded.column(name)[0] for name in ("score", "removed", "pixels", "noise")}
        assert best["score"] == "24.0"
        assert float(best["removed"]) > 1
        assert int(best["pixels"]) == pytest.approx(np.pi * 20 * 12, rel=0.02)
        assert best["noise"] == "∞" or float(best["noise"].removeprefix("×")) > 1

    def test_all_above(self, crowded):
        """Accepted as one change, which one undo takes back."""
        crowded.write("above", "15")
        crowded.click_on("#accept-all")
        crowded.wait_until(
            lambda: [s for s, _ in crowded.rows()].count("accepted") == 10, "ten accepted"
        )
        assert "Accepted 10 with an S/N of 15 or more" in crowded.notice()
        crowded.press("u")
        crowded.expect_rows(*["candidate"] * 20)


def test_what_is_drawn_is_what_is_masked(page):
    """The mask on show has exactly the pixels of the core, for the ellipse being placed too."""
    page.click(40, 30)
    page.type("theta", "33")
    page.click_on("#show-mask")
    shower = Shower(
        integration=0, group=1, **{n: page.field(n) for n in ("x", "y", "a", "b", "theta")}
    )
    (footprint,) = find_footprints([shower], SHAPE)

    def expect_masked(count):
        page.wait_until(lambda: page.data("masked") == str(count), f"{count}")

    expect_masked(footprint.pixels)
    page.press(Keys.ARROW_LEFT)
    expect_masked(0)


def test_a_killed_server_loses_nothing(page):
    """Marks that were not saved are there again when the server is."""
    page.click(40, 30)
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    page.kill()
    page.start()
    page.expect_rows("accepted")
    page.wait_until(lambda: "recovered" in page.notice(), "the word that they are back")
    assert len(page.save().showers) == 1


def test_a_draft_that_can_not_be_read_is_said(page):
    """And where it is kept."""
    page.click(40, 30)
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    page.kill()
    (draft,) = page.regions.parent.glob(".*draft*")
    draft.write_text("showers: [")
    page.start()
    page.wait_until(lambda: "can't be read; they are kept in" in page.notice(), "where it is kept")


def test_a_server_that_is_gone_is_said(page):
    """A change that can't be stored is not lost: the ellipse stays placed."""
    page.click(40, 30)
    page.kill()
    page.press(Keys.ENTER)
    page.wait_until(lambda: "does not answer" in page.notice(), "the word that the server is gone")
    assert page.shown("draft") == 1


def test_a_file_that_changed_on_disk(page, jump):
    """Saving over somebody else's work asks first; loading it can be undone."""
    page.click(40, 30)
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    write_regions(page.regions, RegionFile(showers=CANDIDATES))
    page.press("s")
    page.wait_until(lambda: page.is_on_show("conflict"), "the question")
    page.click_on("#conflict button[value=reload]")
    page.expect_rows("candidate", "candidate", "candidate")
    page.press("u")
    page.expect_rows("accepted")
    assert page.save().showers[0].is_accepted


@pytest.mark.slow
def test_apply_is_what_strun_does(page, jump, tmp_path):
    """The product of Apply has the arrays of strun's on the saved region file."""
    page.press(Keys.ARROW_UP, Keys.ARROW_RIGHT)
    page.click(30, 20)
    page.press(Keys.ENTER)
    page.expect_rows("accepted")
    page.save()
    page.click_on("#apply")
    page.wait_until(lambda: "Wrote x_jump_showermask.fits" in page.notice(), "the product")
    environment = {**os.environ, "STPIPE_DISABLE_CRDS_STEPPARS": "true"}
    subprocess.run(
        [STRUN, "manual_shower_mask", jump, f"--region_file={page.regions}", "--output_dir=strun"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
    )
    name = "x_jump_showermask.fits"
    with fits.open(tmp_path / name) as ours, fits.open(tmp_path / "strun" / name) as theirs:
        for plane in ("SCI", "GROUPDQ", "PIXELDQ"):
            np.testing.assert_array_equal(ours[plane].data, theirs[plane].data)
        assert np.any(ours["GROUPDQ"].data[1] & 4)
        assert not np.any(ours["GROUPDQ"].data[0] & 4)


def test_stretch_holds_between_groups(page):
    """Limits that are set stay set when the group changes."""
    page.click_on("#fixed")
    for name, text in (("low", "-50"), ("high", "80")):
        page.write(name, text)
    page.click_on("#viewport")
    page.press(Keys.ESCAPE, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    values = [page.value(n) for n in ("low", "high")]
    assert values == ["-50", "80"]


def test_the_pixel_under_the_cursor(page, jump):
    """Position, difference and flags of the pixel are those in the file."""
    page.hover(12, 34)
    ramp = fits.getdata(jump, "SCI")[0, :, 34, 12].astype(float)
    place, value = page.text("pixel-where").split(": ")
    assert place == "x 12, y 34"
    number, unit = value.split()
    assert float(number) == pytest.approx(ramp[1] - ramp[0], rel=1e-4)
    assert unit == "DN"
    assert page.count("#ramp circle") == 10
    assert page.count("#ramp circle.flagged") == 2


def test_a_directory_of_exposures(chrome, jump, tmp_path):
    """The list says how far each is; the next one is a key away."""
    shutil.copyfile(jump, tmp_path / "y_jump.fits")
    write_regions(tmp_path / "y_showers.yaml", RegionFile(showers=CANDIDATES))
    opened = Page(chrome, jump)
    opened.kill()
    opened.exposure = tmp_path
    opened.start()
    try:
        listed = opened.ask("nodes.map((option) => option.text)", "#exposures option")
        assert listed == ["x_jump.fits — not reviewed", "y_jump.fits — 3 to decide"]
        opened.press("]")
        opened.expect_rows("candidate", "candidate", "candidate")
        opened.press("[")
        opened.expect_rows()
    finally:
        opened.kill()


@pytest.mark.parametrize("kind", ["rateints", "rate", "uncal"])
def test_other_products(chrome, tmp_path, kind):
    """Rateints have integrations only, a rate is one image, raw ramps are looked at."""
    from stdatamodels.jwst import datamodels

    nints, ngroups, ny, nx = SHAPE
    if kind == "uncal":
        builder = RampBuilder(nints=nints, ngroups=ngroups, ny=ny, nx=nx, readnoise=5.0)
        model = replace(builder, pedestal=20000.0).raw_model()
    else:
        shape = (nints, ny, nx) if kind == "rateints" else (ny, nx)
        model = (datamodels.CubeModel if kind == "rateints" else datamodels.ImageModel)(shape)
        model.data = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    path = tmp_path / f"x_{kind}.fits"
    model.save(str(path))
    opened = Page(chrome, path)
    try:
        assert opened.is_on_show("group-axis") == (kind == "uncal")
        opened.click(40, 30)
        opened.press(Keys.ENTER)
        opened.expect_rows("accepted")
        assert len(opened.save().showers) == 1
    finally:
        opened.kill()


def test_help_lists_the_keys(page):
    """A question mark shows every key."""
    page.press("?")
    assert "next candidate" in page.text("keys")
    page.press(Keys.ESCAPE)
    assert not page.is_on_show("keys")
