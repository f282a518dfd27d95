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
from selenium.webdriver.support.ui import Select

from showermask import read_regions
from showermask.cli import main

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
SERVER = "http://127.0.0.1:"

needs_browser = pytest.mark.skipif(
    (CHROMIUM is None or DRIVER is None) and "CI" not in os.environ,
    reason="chromium and chromedriver are not installed",
)

#: What tests provoke: a server that was killed, a file that changed on disk, a page left unsaved,
#: an entry without a usable group beside its own, which has no evidence (its tile is blank then).
EXPECTED_COMPLAINTS = (
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "409 (Conflict)",
    "Blocked attempt to show a 'beforeunload'",
    "/witness - Failed to load resource: the server responded with a status of 422",
)


#: Goes into every document before its own scripts: counts what they have under way, which is
#: requests, their bodies, and what is to happen in a moment. `atRest` counts with it what the page
#: does in pauses of the person only (the worth of entries, other exposures), after 350 and 400 ms.
#: Blinking, each 450 ms, goes on for ever.
WATCH = """
(() => {
  const moment = 300, pause = 400;
  const count = { now: 0, atRest: 0 };
  const held = (promise) => {
    const done = () => { count.now -= 1; };
    count.now += 1;
    promise.then(done, done);
    return promise;
  };
  const { fetch, setTimeout, clearTimeout, requestAnimationFrame } = window;
  window.fetch = (...all) => held(fetch(...all));
  for (const name of ["arrayBuffer", "json", "text"]) {
    const read = Response.prototype[name];
    Response.prototype[name] = function() { return held(read.call(this)); };
  }
  const timers = new Map();
  const end = (timer) => {
    if (timers.has(timer)) count[timers.get(timer)] -= 1;
    timers.delete(timer);
  };
  window.setTimeout = (action, ms = 0, ...all) => {
    const timer = setTimeout(() => {
      action(...all);
      end(timer);
    }, ms);
    if (ms <= pause) {
      timers.set(timer, ms <= moment ? "now" : "atRest");
      count[timers.get(timer)] += 1;
    }
    return timer;
  };
  window.clearTimeout = (timer) => {
    end(timer);
    clearTimeout(timer);
  };
  window.whenSettled = (atRest, told) => {
    const isBusy = () => count.now > 0 || (atRest && count.atRest > 0);
    const look = () => {
      if (isBusy()) setTimeout(look, 5);
      else requestAnimationFrame(() => requestAnimationFrame(() => (isBusy() ? look() : told())));
    };
    look();
  };
})();
"""

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
        self.settle()
        self.unfold()

    def settle(self, *, at_rest=False):
        """Wait until the page has done what it was asked for, and shows the frame.

        With `at_rest` also what it does when nobody works with it: nothing is drawn anew then.
        """
        self.driver.execute_async_script("whenSettled(...arguments)", at_rest)
        script = (
            "const d = document.getElementById('viewport').dataset;"
            "return Boolean(d.shown) && d.shown === d.wanted"
        )
        self.wait_until(lambda: self.driver.execute_script(script), "the frame")

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

    def wait_until(self, condition, what, *, seconds=60):
        """Wait until something is true."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.02)

    def ask(self, expression, selector, *rest):
        """Return what an expression says of `nodes`, all elements of a selector, in one go."""
        script = f"const nodes = [...document.querySelectorAll(arguments[0])]; return {expression}"
        return self.driver.execute_script(script, selector, *rest)

    def count(self, selector):
        """Return how many elements there are."""
        return self.ask("nodes.length", selector)

    def texts(self, selector):
        """Return the texts of all elements of a selector that are on show."""
        shown = "nodes.filter((node) => node.checkVisibility())"
        return self.ask(
            f"{shown}.map((node) => (node.innerText ?? node.textContent).trim())", selector
        )

    def text(self, name):
        """Return the text of an element by its id; empty if it is not on show."""
        return "".join(self.texts(f"#{name}"))

    def value(self, name):
        """Return what an input says, by its id."""
        return self.ask("nodes[0].value", f"#{name}")

    def is_on_show(self, name):
        """Say whether an element is there to be seen, by its id."""
        return self.ask("nodes[0].checkVisibility()", f"#{name}")

    def middle_of(self, selector, nth=0):
        """Return the middle of an element on the page."""
        box = "nodes[arguments[1]].getBoundingClientRect()"
        return self.ask(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({box})", selector, nth
        )

    def click_on(self, selector, nth=0):
        """Click on an element."""
        self.settle(at_rest=True)
        self.driver.find_elements(By.CSS_SELECTOR, selector)[nth].click()
        self.settle()

    def choose(self, name, text):
        """Choose an entry of a list of the page."""
        self.settle(at_rest=True)
        Select(self.driver.find_element(By.ID, name)).select_by_visible_text(text)
        self.settle()

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
        self.settle()

    def click(self, x, y):
        """Click on an image position."""
        self.drag(self.at(x, y))

    def hover(self, x, y):
        """Move to an image position."""
        actions = ActionBuilder(self.driver)
        actions.pointer_action.move_to_location(*(round(place) for place in self.at(x, y)))
        actions.perform()
        self.settle()

    def grip(self, name):
        """Return where a handle is on the page."""
        return self.middle_of(f".grip.{name}")

    def press(self, *keys):
        """Press keys, one after the other."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()
            self.pressed += 1
            self.settle()

    def field(self, name):
        """Return the number in a field of the editor."""
        text = self.value(f"field-{name}")
        return float(text) if text else None

    def type(self, name, text):
        """Type into a field of the editor."""
        self.write(f"field-{name}", text)

    def write(self, name, text):
        """Replace what an input says, by its id."""
        field = self.driver.find_element(By.ID, name)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.TAB)
        self.settle()

    def shown(self, status):
        """Return how many ellipses of a kind are on the image."""
        return self.count(f"#overlay .shower.{status}")

    def rows(self):
        """Return the list of showers: status and text."""
        said = "[row.className.split(' ')[0], row.innerText.replaceAll('\\t', ' ')]"
        return self.ask(f"nodes.map((row) => {said})", "#rows tr")

    def data(self, name):
        """Return what the viewport says of itself."""
        return self.driver.execute_script(
            "return document.getElementById('viewport').dataset[arguments[0]]", name
        )

    def column(self, name):
        """Return the texts of a column of the list."""
        return self.ask("nodes.map((node) => node.innerText)", f"#rows td.of-{name}")

    def expect_rows(self, *statuses):
        """Wait until the list has showers of these kinds."""
        self.wait_until(lambda: [s for s, _ in self.rows()] == list(statuses), f"rows {statuses}")

    def notice(self):
        """Return the message on show."""
        return self.text("notice")

    def save(self):
        """Save, and return what is on disk."""
        self.press("s")
        self.wait_until(lambda: "Saved" in self.notice(), "the word that it is saved")
        return read_regions(self.regions)

    @property
    def regions(self):
        """Where the region file is."""
        return self.exposure.with_name("x_showers.yaml")
