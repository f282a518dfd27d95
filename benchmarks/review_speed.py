"""Time the review page in headless Chromium, and weigh its server on a 5 GB ramp.

Run as ``python benchmarks/review_speed.py``; needs chromium, chromedriver and selenium. Prints for
a full frame: time from N to the evidence, to the first picture, group changes cold and fetched
ahead, and the time a drag takes for each frame with 200 ellipses; and the memory of the server
while it serves frames and evidence from all over a 5 GB ramp.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits
from mask_speed import draw_showers
from selenium import webdriver

from showermask import RegionFile, write_regions
from showermask.synthetic.ramps import RampBuilder

COMMAND = Path(sys.executable).with_name("showermask")
FULL_FRAME = (1, 10, 1024, 1032)
LARGE = (5, 240, 1024, 1032)

CHANGE_GROUP = """
const done = arguments[1];
(async () => {
  const viewport = document.getElementById("viewport");
  const frame = () => new Promise(requestAnimationFrame);
  const began = performance.now();
  viewport.dispatchEvent(new KeyboardEvent("keydown", { key: arguments[0], bubbles: true }));
  while (viewport.dataset.shown !== viewport.dataset.wanted) await frame();
  await frame();
  return performance.now() - began;
})().then(done);
"""

DRAG = """
const done = arguments[1];
(async () => {
  const viewport = document.getElementById("viewport");
  const frame = () => new Promise(requestAnimationFrame);
  const grip = document.querySelector(`.grip.${arguments[0]}`);
  const box = grip.getBoundingClientRect();
  const x = box.left + 6, y = box.top + 6;
  viewport.setPointerCapture = () => {};
  const send = (kind, dx, dy, target) => target.dispatchEvent(new PointerEvent(kind, {
    clientX: x + dx, clientY: y + dy, bubbles: true, pointerId: 1, button: 0 }));
  send("pointerdown", 0, 0, grip);
  const work = [], between = [];
  await frame();
  let last = performance.now();
  for (let i = 1; i <= 120; i += 1) {
    const began = performance.now();
    send("pointermove", 40 * Math.cos(i / 9), 40 * Math.sin(i / 9), viewport);
    grip.getBoundingClientRect();  // lay out now, so that it counts
    work.push(performance.now() - began);
    await frame();
    const now = performance.now();
    between.push(now - last);
    last = now;
  }
  send("pointerup", 0, 0, viewport);
  return [work, between];
})().then(done);
"""

IS_SHOWN = (
    "const d = document.getElementById('viewport')?.dataset;"
    "return Boolean(d?.shown) && d.shown === d.wanted"
)


def start(exposure: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a review; return the process and the address of the page."""
    server = subprocess.Popen(
        [COMMAND, "review", "--no-browser", exposure], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    return server, server.stdout.readline().split()[-1]


def open_browser() -> webdriver.Chrome:
    """Start a headless browser."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,943"):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def wait_for_picture(driver: webdriver.Chrome) -> None:
    """Wait until the frame that was asked for is on the page."""
    while not driver.execute_script(IS_SHOWN):
        time.sleep(0.01)


def describe(values: list[float], unit: str = "ms") -> str:
    """Return median and range of some figures."""
    return f"{statistics.median(values):.1f} {unit} ({min(values):.1f} … {max(values):.1f})"


NEXT = CHANGE_GROUP.replace(
    "while (viewport.dataset.shown !== viewport.dataset.wanted) await frame();",
    "await frame();"
    "while (![viewport.dataset.shown, viewport.dataset.part].includes(viewport.dataset.wanted))"
    " await frame();",
)


def time_the_evidence(folder: Path) -> None:
    """Measure N on a full frame of 40 groups: until the glow is on the page, cold and ahead."""
    nints, _, ny, nx = FULL_FRAME
    path = folder / "z_jump.fits"
    builder = RampBuilder(nints=nints, ngroups=40, ny=ny, nx=nx, readnoise=6.0)
    showers = [
        type(s)(**{**s.to_mapping(), "group": 1 + n, "status": "candidate", "score": 20.0 - n})
        for n, s in enumerate(draw_showers(12, FULL_FRAME, 40, seed=3))
    ]
    builder.model(subarray="FULL").save(str(path))
    write_regions(folder / "z_showers.yaml", RegionFile(showers=tuple(showers)))
    server, url = start(path)
    driver = open_browser()
    took: dict[str, list[float]] = {"cold": [], "fetched ahead": []}
    try:
        driver.get(url)
        wait_for_picture(driver)
        time.sleep(5)  # what the masks cost is worked out
        for kind, pause in (("cold", 0.0), ("fetched ahead", 3.0)):
            for _ in range(8):
                if kind == "cold":
                    driver.get("about:blank")
                    driver.get(url)
                    wait_for_picture(driver)
                    time.sleep(4)
                else:
                    time.sleep(pause)
                took[kind].append(driver.execute_async_script(NEXT, "n"))
    finally:
        driver.quit()
        server.kill()
    for kind, values in took.items():
        print(f"N to picture, {kind}: {describe(values)}")


def time_the_page(folder: Path) -> None:
    """Measure the page on a full frame of 10 groups with noise."""
    nints, ngroups, ny, nx = FULL_FRAME
    path = folder / "x_jump.fits"
    builder = RampBuilder(nints=nints, ngroups=ngroups, ny=ny, nx=nx, readnoise=6.0)
    builder.model(subarray="FULL").save(str(path))
    showers = [
        type(s)(**{**s.to_mapping(), "group": 1}) for s in draw_showers(200, FULL_FRAME, 60, seed=1)
    ]
    write_regions(folder / "x_showers.yaml", RegionFile(showers=tuple(showers)))
    server, url = start(path)
    driver = open_browser()
    try:
        firsts = []
        for _ in range(5):
            driver.get("about:blank")
            began = time.perf_counter()
            driver.get(url)
            wait_for_picture(driver)
            firsts.append(time.perf_counter() - began)
        print(f"time to the first picture: {describe(firsts, 's')}")
        changes: dict[str, list[float]] = {"fetched ahead": [], "cold": []}
        for kind, pause in (("fetched ahead", 2.5), ("cold", 0.0)):
            for _ in range(3):
                driver.get("about:blank")
                driver.get(url)
                wait_for_picture(driver)
                for _ in range(6):
                    time.sleep(pause)
                    key = "ArrowRight"
                    changes[kind].append(driver.execute_async_script(CHANGE_GROUP, key))
        for kind, values in changes.items():
            print(f"group change, {kind}: {describe(values)}")
        driver.execute_script("document.querySelector('#rows tr').click()")
        time.sleep(1)
        for handle in ("a", "rotate"):
            work, between = driver.execute_async_script(DRAG, handle)
            print(f"dragging {handle} among 200 ellipses: work {describe(work)}, ", end="")
            print(f"frame to frame {describe(between)}")
    finally:
        driver.quit()
        server.kill()


def weigh_the_server(folder: Path) -> None:
    """Measure the server's memory on a 5 GB ramp, sparse on disk, frames read from all over it."""
    import urllib.request

    path = folder / "y_jump.fits"
    primary = fits.PrimaryHDU()
    primary.header["DATAMODL"] = "RampModel"
    primary.writeto(path)
    for name, bitpix, size in (("SCI", -32, 4), ("GROUPDQ", 8, 1)):
        header = fits.ImageHDU(np.zeros((1, 1, 1, 1), np.float32), name=name).header
        header["BITPIX"] = bitpix
        for axis, length in enumerate(reversed(LARGE), start=1):
            header[f"NAXIS{axis}"] = length
        with path.open("ab") as file:
            file.write(header.tostring().encode())
            file.truncate(file.tell() + -(-int(np.prod(LARGE)) * size // 2880) * 2880)
    server, url = start(path)
    address, _, token = url.partition("/#token=")
    before = _memory(server.pid)
    took = []
    for step in range(200):
        group = 1 + step * 37 % (LARGE[1] - 1)
        request = urllib.request.Request(
            f"{address}/api/exposures/0/frame/{step % LARGE[0]}/{group}",
            headers={"X-Showermask-Token": token},
        )
        began = time.perf_counter()
        with urllib.request.urlopen(request) as answer:
            answer.read()
        took.append(1e3 * (time.perf_counter() - began))
    body = {"showers": {"integration": 2, "group": 90, "x": 500, "y": 500, "a": 150, "b": 90}}
    body["showers"]["theta"] = 20
    for what in ("part", "view"):
        request = urllib.request.Request(
            f"{address}/api/exposures/0/{what}",
            data=json.dumps({**body, "kind": "evidence"}).encode(),
            headers={"X-Showermask-Token": token},
        )
        began = time.perf_counter()
        with urllib.request.urlopen(request) as answer:
            answer.read()
        print(f"evidence of 240 groups, {what}: {time.perf_counter() - began:.2f} s")
    print(f"ramp of {path.stat().st_size / 1e9:.1f} GB: a frame in {describe(took)}")
    print(f"server: {before:.0f} MB when opened, peak {_memory(server.pid, 'VmHWM'):.0f} MB")
    server.kill()


def _memory(pid: int, key: str = "VmRSS") -> float:
    """Return a figure of a process's memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"{key} is not known here")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        time_the_evidence(Path(scratch))
        time_the_page(Path(scratch))
        weigh_the_server(Path(scratch))


if __name__ == "__main__":
    main()
