"""How the page shows evidence, in a real browser: what a reviewer sees, and by which keys."""

import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from review_page import Page, needs_browser
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.mouse_button import MouseButton
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from showermask import RegionFile, Shower, read_regions, write_regions
from showermask.synthetic.ramps import RampBuilder

pytestmark = needs_browser

GLOW = Shower(
    integration=1, group=8, x=60.0, y=50.0, a=15.0, b=9.0, theta=20.0,
    status="candidate", source="propose", score=21.0,
)  # fmt: skip
NOTHING = replace(GLOW, integration=0, x=150.0, y=120.0, a=8.0, b=8.0, score=6.5)
MANUAL = replace(NOTHING, x=30.0, y=130.0, source="manual", score=None, status="rejected")


@pytest.fixture(scope="module")
def ramps(tmp_path_factory):
    """Return a folder with two ramps of two integrations: a glow in the first one."""
    folder = tmp_path_factory.mktemp("ramps")
    sky = RampBuilder(nints=2, ngroups=24, ny=160, nx=176, readnoise=6.0, pedestal=100.0, seed=3)
    for name, builder in (("a", sky.add_glow(GLOW, amplitude=12.0, decay=12.0)), ("b", sky)):
        model = replace(builder, seed=ord(name)).model(subarray="SUB256")
        model.pixeldq[135:155, 80:115] = 1
        model.save(str(folder / f"{name}_jump.fits"))
    return folder


@pytest.fixture
def folder(ramps, tmp_path):
    """Return a folder with links to the ramps, and region files of its own."""
    for ramp in ramps.iterdir():
        shutil.copy(ramp, tmp_path)
    write_regions(tmp_path / "a_showers.yaml", RegionFile(showers=[GLOW, NOTHING, MANUAL]))
    write_regions(tmp_path / "b_showers.yaml", RegionFile(showers=[replace(NOTHING, score=9.0)]))
    return tmp_path


@pytest.fixture
def page(chrome, folder):
    """Return the page for both ramps; check that the browser had nothing to complain of."""
    opened = Page(chrome, folder)
    opened.driver.execute_script("localStorage.clear()")
    yield opened
    complaints = opened.complaints()
    chrome.get("about:blank")
    opened.kill()
    assert complaints == []


def brightness(page):
    """Return the mean of the image as it is painted."""
    png = page.driver.find_element(By.ID, "viewport").screenshot_as_png
    return float(np.mean(imread(io.BytesIO(png))[..., 0])) * 255


def colour_at(page, x, y):
    """Return red, green and blue at an image position, over some pixels."""
    png = page.driver.find_element(By.ID, "viewport").screenshot_as_png
    box = page.driver.find_element(By.ID, "viewport").rect
    column, row = (round(p - o) for p, o in zip(page.at(x, y), (box["x"], box["y"]), strict=True))
    image = imread(io.BytesIO(png))[row - 8 : row + 9, column - 8 : column + 9, :3]
    return 255 * image.mean(axis=(0, 1))


class TestNext:
    """N opens the evidence."""

    def test_what_n_opens(self, page):
        """The strongest candidate, its evidence, in the middle, four times its size around."""
        page.press("n")
        assert page.text("what").startswith("1: evidence, smoothed")
        assert page.text("integration-value") == "1 of 1"
        x, y = page.at(GLOW.x, GLOW.y)
        assert (x, y) == pytest.approx(page.middle_of("#viewport"), abs=2)
        left, _ = page.at(GLOW.x - GLOW.a, GLOW.y)
        height = page.ask("nodes[0].getBoundingClientRect().height", "#viewport")
        assert (x - left) * 2 * 4 == pytest.approx(height, rel=0.05)
        page.hover(GLOW.x, GLOW.y)
        page.wait_until(lambda: "σ" in page.text("pixel-where"), "the value in sigma")
        assert float(page.text("pixel-where").split()[-2]) > 8

    def test_across_exposures(self, page):
        """Decided and on to the next; when this exposure is done, to the next one."""
        page.press("n", "A")
        page.wait_until(lambda: page.text("editor-status").endswith("S/N 6.5"), "the second")
        page.press("R")
        page.wait_until(lambda: "All of a is decided" in page.notice(), "the other exposure")
        assert page.text("editor-status").endswith("S/N 9.0")
        page.press("A")
        page.wait_until(lambda: "No candidates are left" in page.notice(), "the end")
        page.press("S")
        page.wait_until(lambda: "Saved b and a" in page.notice(), "both saved")
        first, second = (read_regions(page.exposure / f"{n}_showers.yaml") for n in "ab")
        assert [len(r.accepted) for r in (first, second)] == [1, 1]
        assert not first.candidates
        assert not second.candidates

    def test_a_click_in_the_list(self, page):
        """The same as N; D goes back to single differences."""
        page.click_on("#rows tr", 0)
        page.settle()
        assert page.text("what").startswith("1: evidence")
        page.press("d")
        assert page.text("what").startswith("2: group 8 − group 7")

    def test_another_ellipse_another_image(self, page):
        """The evidence is that of the entry as it is now."""
        page.press("n")
        before = page.data("shown")
        page.type("group", "15")
        page.wait_until(lambda: page.data("shown") not in (before, None), "another image")
        page.settle()
        page.press("u")
        page.wait_until(lambda: page.data("shown") == before, "the first image")


class TestKinds:
    """Kinds of image: a key each, and a corner that says what is shown."""

    def test_all(self, page):
        """Each has its words and its unit."""
        page.press("n", "m", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        expected = {
            "1": ("1: evidence", "σ"),
            "2": ("2: group 10 − group 9", "DN"),
            "3": ("3: group 10 − group 8, pinned", "DN"),
            "4": ("4: mean difference, groups 8 to 23", "DN"),
            "5": ("5: rate (mean of differences), no mask", "DN/s"),
            "6": ("6: rate (mean of differences), masked", "DN/s"),
        }
        for key, (words, unit) in expected.items():
            page.press(key)
            assert page.text("what").startswith(words)
            assert page.text("bar-high").split()[1] == unit

    def test_what_is_lacking(self, page):
        """It is said, and the image stays."""
        for key, words in (("1", "Select or place"), ("3", "Pin a group"), ("b", "Pin a group")):
            page.press(key)
            assert words in page.notice()
            assert page.text("what").startswith("2: group 1")

    def test_blink(self, page):
        """The pinned group and another in turn, until a key."""
        page.press("m", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, "b")
        seen = set()
        page.wait_until(lambda: seen.add(page.text("group-value")) or len(seen) == 2, "both")
        assert seen == {"1 of 23", "4 of 23"}
        page.press("b")

    def test_smoothing(self, page):
        """Less and more by key, and back to what fits."""
        page.press("n", ".", ".")
        assert page.text("what").startswith("1: evidence, smoothed 3 px")
        page.press(*[","] * 8)
        assert page.text("what").startswith("1: evidence, smoothed 0 px")

    def test_group_change_leaves_evidence(self, page):
        """Groups are looked at as differences."""
        page.press("n", Keys.ARROW_RIGHT)
        assert page.text("what").startswith("2: group 9 − group 8")


class TestFits:
    """What the machine fits for the person."""

    def test_onset_end_and_ellipse(self, page):
        """O, E and F change the entry, and say what they found; one undo each."""
        page.press("n")
        page.type("group", "12")
        page.press("o")
        page.wait_until(lambda: "The light curve begins in group 8" in page.notice(), "the onset")
        assert page.field("group") == 8
        page.press("e")
        page.wait_until(lambda: page.notice().count("noise × ") == 2, "the end")
        assert 10 <= page.field("last_group") <= 20
        page.type("x", "66")
        page.press("f")
        page.wait_until(lambda: "S/N" in page.notice(), "the ellipse")
        assert abs(page.field("x") - GLOW.x) < 2
        page.press("u")
        page.wait_until(lambda: page.field("x") == 66, "the drawn ellipse")

    def test_where_there_is_nothing(self, page):
        """It says so."""
        page.click_on("#rows tr", 1)
        page.settle()
        page.press("f")
        page.wait_until(lambda: "nothing stands out there" in page.notice(), "the reason")
        refusals = [e for e in page.driver.get_log("browser") if "422" in e["message"]]
        assert len(refusals) == 1

    def test_light_curve(self, page):
        """Points with errors, the model, the masked groups, another integration; a click goes."""
        page.press("n")
        assert page.count("#curve circle") == 21
        for name in ("model", "shade", "other", "now"):
            assert page.count(f"#curve .{name}") == 1
        labels = page.texts("#curve text")
        assert "DN/s" in labels
        assert "group, 2.77 s each" in labels
        page.drag(page.middle_of("#curve circle", 12))
        assert page.text("group-value") == "14 of 23"


class TestList:
    """The list of marks."""

    def test_what_each_is_worth(self, page):
        """Every entry has score, what it removes, and its cost in pixels, time and noise."""
        page.wait_until(lambda: all(page.column("noise")), "the effects")
        assert page.column("score") == ["21.0", "6.5", ""]
        assert float(page.column("removed")[0]) > 0.4
        assert [int(text) for text in page.column("seconds")] == [44, 44, 44]
        assert all(float(text.removeprefix("×")) > 1.2 for text in page.column("noise"))

    def test_sort_and_filter(self, page):
        """By any column, down, up and back; by status and by source."""
        centre = page.texts("#columns button").index("Centre")
        for expected in (["150", "60", "30"], ["30", "60", "150"], ["60", "150", "30"]):
            page.click_on("#columns button", centre)
            assert [text.split(",")[0] for text in page.column("x")] == expected
        page.choose("filter-source", "manual")
        page.expect_rows("rejected")
        assert "2 not listed" in page.text("counts")
        page.choose("filter-source", "all sources")
        page.choose("filter-status", "candidate")
        page.expect_rows("candidate", "candidate")

    def test_hidden_marks(self, page):
        """H hides the marks on the image, and shows them again."""
        for expected in ("hidden", "visible"):
            page.press("h")
            assert page.ask("getComputedStyle(nodes[0]).visibility", "#overlay") == expected


class TestWitnesses:
    """The same place elsewhere."""

    def test_strip(self, page):
        """Thumbnails of the other integration and exposure; a click goes there."""
        page.press("n")
        page.settle(at_rest=True)
        assert page.texts("#witnesses .tile span") == ["here", "int 0", "b_jump.fits"]
        assert len(set(page.ask("nodes.map((canvas) => canvas.width)", ".tile canvas"))) == 1
        page.click_on(".tile", 2)
        page.wait_until(lambda: "b_jump" in page.driver.title or page.driver.title[:1] == "b", "b")
        page.settle()
        assert page.text("integration-value") == "1 of 1"


class TestLooks:
    """Display, theme, panels."""

    def test_settings_outlive_the_page(self, page):
        """Stretch, map and boxes hold over exposures and reload; the theme too."""
        for name, value in (("map", "magma"), ("shape", "sqrt")):
            page.driver.find_element(By.ID, name).send_keys(value, Keys.ESCAPE)
            page.settle()
        page.press("i", "y", "q")
        for again in (lambda: page.press("]"), page.driver.refresh):
            again()
            page.settle()
            state = page.driver.execute_script(
                "return ['map', 'shape'].map((id) => document.getElementById(id).value).concat("
                "['invert', 'show-flags'].map((id) => document.getElementById(id).checked),"
                "document.documentElement.dataset.theme)"
            )
            assert state == ["magma", "sqrt", True, False, "light"]

    def test_right_button(self, page):
        """Bias sideways and contrast up and down, as in DS9; 0 takes it back."""
        before = brightness(page)
        box = page.driver.find_element(By.ID, "viewport").rect
        actions = ActionBuilder(page.driver, duration=20)
        pointer = actions.pointer_action
        pointer.move_to_location(int(box["x"] + 200), int(box["y"] + 200))
        pointer.pointer_down(MouseButton.RIGHT)
        pointer.move_to_location(int(box["x"] + box["width"] - 40), int(box["y"] + 300))
        pointer.pointer_up(MouseButton.RIGHT)
        actions.perform()
        page.settle()
        assert brightness(page) < before - 20
        page.press("0")
        assert brightness(page) == pytest.approx(before, abs=2)

    def test_folded_panels(self, page):
        """A panel folds at its heading, and stays so."""
        fold = "#light-curve .fold"
        page.click_on(fold)
        page.driver.refresh()
        page.settle()
        assert not page.is_on_show("curve")
        assert page.ask("nodes[0].ariaExpanded", fold) == "false"

    def test_room_on_a_small_screen(self, page):
        """At 1280 x 633 the list has six rows in view, and the light curve is whole."""
        metrics = {"width": 1280, "height": 633, "deviceScaleFactor": 1, "mobile": False}
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        try:
            page.driver.refresh()
            page.settle()
            page.press("n")
            room = page.driver.execute_script(
                "const box = (id) => document.getElementById(id).getBoundingClientRect();"
                "const row = document.querySelector('#rows tr').getBoundingClientRect();"
                "const head = document.querySelector('#columns').getBoundingClientRect();"
                "return [(Math.min(innerHeight, box('table').bottom) - head.bottom) / row.height,"
                " box('curve').height, innerHeight - box('curve').bottom]"
            )
            assert room[0] >= 6
            assert room[1] >= 120
            assert room[2] > 0
        finally:
            page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def test_pixel_flags(self, page):
        """PIXELDQ is a layer, off at first."""
        box = "#show-pixel-flags"
        assert not page.ask("nodes[0].checked", box)
        before = colour_at(page, 100, 145)
        page.press("Q")
        assert page.ask("nodes[0].checked", box)
        page.wait_until(lambda: abs(colour_at(page, 100, 145) - before).max() > 40, "the layer")
        page.press("Q")
        page.wait_until(lambda: abs(colour_at(page, 100, 145) - before).max() < 2, "it gone")

    def test_conflict(self, page):
        """The focus of the question is on Cancel: Enter loses nothing."""
        page.press("n", "a")
        write_regions(page.exposure / "a_showers.yaml", RegionFile(showers=[MANUAL]))
        page.press("s")
        page.wait_until(lambda: page.is_on_show("conflict"), "the question")
        assert page.driver.switch_to.active_element.text == "Cancel"
        page.press(Keys.ENTER)
        assert not page.is_on_show("conflict")
        assert len(read_regions(page.exposure / "a_showers.yaml").showers) == 1
        assert page.column("score")[:2] != []

    def test_labels(self, page):
        """Every control has a name for those who hear the page."""
        nameless = page.driver.execute_script(
            "return [...document.querySelectorAll('button, input, select, svg.plot, #viewport')]"
            ".filter((node) => !(node.textContent.trim() || node.getAttribute('aria-label')"
            " || node.labels?.length || node.placeholder || node.title)).map((node) => node.id)"
        )
        assert nameless == []


@pytest.mark.slow
def test_two_hundred_marks(chrome, folder):
    """With 200 marks, a decision redraws the list in a fraction of a second."""
    rng = np.random.default_rng(1)
    many = [
        replace(NOTHING, x=float(x), y=float(y), a=4.0, b=3.0, status="accepted")
        for x, y in rng.uniform(5, 150, (200, 2)).round(1)
    ]
    write_regions(folder / "a_showers.yaml", RegionFile(showers=[GLOW, *many]))
    opened = Page(chrome, folder / "a_jump.fits")
    try:
        opened.press("n", "r")
        statuses = ["accepted"] * 200
        opened.wait_until(
            lambda: [s for s, _ in opened.rows()].count("rejected") == 1, "the decision"
        )
        assert [s for s, _ in opened.rows() if s != "rejected"] == statuses
    finally:
        chrome.get("about:blank")
        opened.kill()
