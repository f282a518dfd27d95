"""The review page in a browser, with words for what a person does."""

import multiprocessing
import os
import shutil
import sys
import time

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from showermask import read_regions
from showermask.cli import main

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
SERVER = "http://127.0.0.1:"

needs_browser = pytest.mark.skipif(
    (CHROMIUM is None or DRIVER is None) and "CI" not in os.environ,
    reason="chromium and chromedriver are not installed",
)

#: What tests provoke: a server that was killed, a file that changed on disk, a page left unsaved.
EXPECTED_COMPLAINTS = (
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "409 (Conflict)",
    "Blocked attempt to show a 'beforeunload'",
)


#: Starts processes that have imported what the review needs: a server for each test is dear else.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["showermask.commands.review.app", "jwst.datamodels"])


def run_command(says, arguments):
    """Run the command in this process, with its output where `says` leads."""
    sys.stdout = os.fdopen(says.fileno(), "w", closefd=False)
    sys.exit(main(arguments))


class Page:
    """The page of a running review, with words for what a person does."""

    def __init__(self, driver, exposure):
        self.driver = driver
        self.is_killed = False
        self.pressed = 0
        self.exposure = exposure
        self.start()

    def start(self):
        """Start the server and open its address."""
        said, says = PROCESSES.Pipe(duplex=False)
        arguments = ["review", "--no-browser", "--reviewer", "A. Name", str(self.exposure)]
        self.server = PROCESSES.Process(target=run_command, args=(says, arguments))
        self.server.start()
        says.close()
        with os.fdopen(os.dup(said.fileno())) as stdout:
            url = stdout.readline().split()[-1]
        self.said = said  # open until the server ends, which may have more to say
        self.address = url.split("#")[0]
        assert SERVER in self.address
        self.driver.get("about:blank")
        self.driver.get(url)
        self.wait_for_frame()
        self.unfold()

    def unfold(self):
        """Open all panels, for which a small window has no room at first."""
        self.driver.execute_script(
            "for (const button of document.querySelectorAll('.folded .fold')) button.click();"
            "document.getElementById('viewport').focus();"
        )

    def complaints(self):
        """Return what the browser complained of, other than what tests provoke.

        Requests to servers of earlier pages may fail as late as now, when those were killed.
        """
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
            and not any(expected in entry["message"] for expected in EXPECTED_COMPLAINTS)
            and not (self.is_killed and "net::ERR_" in entry["message"])
            and (SERVER not in entry["message"] or self.address in entry["message"])
        ]

    def kill(self):
        """Kill the server without warning."""
        self.is_killed = True
        self.server.kill()
        self.server.join()
        self.said.close()

    def wait_until(self, condition, what, *, seconds=10):
        """Wait until something is true."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.02)

    def wait_for_frame(self):
        """Wait until the frame that was asked for is shown."""
        script = (
            "const d = document.getElementById('viewport').dataset;"
            "return Boolean(d.shown) && d.shown === d.wanted"
        )
        self.wait_until(lambda: self.driver.execute_script(script), "the frame")

    def at(self, x, y):
        """Return where an image position is on the page."""
        return self.driver.execute_script(
            """
            const frame = document.querySelector("#overlay .frame");
            const {a, d, e, f} = frame.transform.baseVal.consolidate().matrix;
            const box = document.getElementById("viewport").getBoundingClientRect();
            return [box.left + a * arguments[0] + e, box.top + d * arguments[1] + f];
            """,
            x,
            y,
        )

    def drag(self, start, *stops):
        """Press the mouse button at one place of the page, move over others, let go."""
        actions = ActionBuilder(self.driver, duration=20)
        pointer = actions.pointer_action
        pointer.move_to_location(*map(round, start)).pointer_down()
        for stop in stops:
            pointer.move_to_location(*map(round, stop))
        pointer.pointer_up()
        actions.perform()

    def click(self, x, y):
        """Click on an image position."""
        self.drag(self.at(x, y))

    def hover(self, x, y):
        """Move to an image position."""
        actions = ActionBuilder(self.driver)
        actions.pointer_action.move_to_location(*(round(place) for place in self.at(x, y)))
        actions.perform()

    def grip(self, name):
        """Return where a handle is on the page."""
        box = self.driver.find_element(By.CSS_SELECTOR, f".grip.{name}").rect
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def press(self, *keys):
        """Press keys, one after the other."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()
            self.pressed += 1
            time.sleep(0.05)
        self.wait_for_frame()

    def field(self, name):
        """Return the number in a field of the editor."""
        text = self.driver.find_element(By.ID, f"field-{name}").get_property("value")
        return float(text) if text else None

    def type(self, name, text):
        """Type into a field of the editor."""
        field = self.driver.find_element(By.ID, f"field-{name}")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.TAB)

    def shown(self, status):
        """Return how many ellipses of a kind are on the image."""
        return len(self.driver.find_elements(By.CSS_SELECTOR, f"#overlay .shower.{status}"))

    def rows(self):
        """Return the list of showers: status and text."""
        script = (
            "return [...document.querySelectorAll('#rows tr')]"
            ".map((row) => [row.className.split(' ')[0], row.innerText.replaceAll('\\t', ' ')])"
        )
        return self.driver.execute_script(script)

    def data(self, name):
        """Return what the viewport says of itself."""
        return self.driver.execute_script(
            "return document.getElementById('viewport').dataset[arguments[0]]", name
        )

    def text(self, name):
        """Return the text of an element by its id."""
        return self.driver.find_element(By.ID, name).text

    def column(self, name):
        """Return the texts of a column of the list."""
        script = "return [...document.querySelectorAll(arguments[0])].map((td) => td.innerText)"
        return self.driver.execute_script(script, f"#rows td.of-{name}")

    def expect_rows(self, *statuses):
        """Wait until the list has showers of these kinds."""
        self.wait_until(lambda: [s for s, _ in self.rows()] == list(statuses), f"rows {statuses}")

    def notice(self):
        """Return the message on show."""
        return self.driver.find_element(By.ID, "notice").text

    def save(self):
        """Save, and return what is on disk."""
        self.press("s")
        self.wait_until(lambda: "Saved" in self.notice(), "the word that it is saved")
        return read_regions(self.regions)

    @property
    def regions(self):
        """Where the region file is."""
        return self.exposure.with_name("x_showers.yaml")
