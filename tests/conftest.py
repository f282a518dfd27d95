"""What the tests share: an offline CRDS, ramps, and the real ramp where it is to be had."""

import os
import shutil
from pathlib import Path

from showermask.synthetic.crds_cache import Detector, build_cache, cache_environment, use_cache

# CRDS reads its server when it is imported, by jwst: before that, nothing may look for a network.
os.environ.update(cache_environment(Path("unused")))

import gc

import pytest
from hypothesis import settings
from jwst.pipeline import Detector1Pipeline  # noqa: F401  # so that it is frozen below

from showermask import RegionFile, Shower, write_regions
from showermask.synthetic.ramps import RampBuilder

# The first example of a test may import asdf, which takes a second.
settings.register_profile("showermask", deadline=None)
settings.load_profile("showermask")

# stpipe collects garbage at every step, which would go through all of jwst each time.
gc.collect()
gc.freeze()

REAL_RAMP = (
    Path(__file__).parents[2]
    / "shared"
    / "realdata"
    / "jw05582089001_02101_00001_mirimage_uncal.fits"
)


@pytest.fixture
def shower():
    """Return a tilted shower from group 3 on that fits a 32 x 40 frame."""
    return Shower(integration=0, group=3, x=20.0, y=15.0, a=9.0, b=5.0, theta=30.0)


@pytest.fixture
def builder():
    """Return ramps of 10 groups of 32 x 40 pixels, without noise."""
    return RampBuilder(ngroups=10, ny=32, nx=40)


@pytest.fixture
def ramp(builder):
    """Return a ramp model as jump leaves it."""
    model = builder.model()
    yield model
    model.close()


@pytest.fixture
def write(tmp_path):
    """Return a function that writes showers to a region file and returns its path."""

    def write_showers(*showers, name="regions.yaml", **rest):
        path = tmp_path / name
        write_regions(path, RegionFile(showers=showers, **rest))
        return path

    return write_showers


@pytest.fixture(scope="session")
def crds_directory(tmp_path_factory):
    """Return a CRDS cache for the 32 x 40 ramps of the tests."""
    return build_cache(tmp_path_factory.mktemp("crds"), Detector(ny=32, nx=40, subarray="SUB128"))


@pytest.fixture
def crds_cache(crds_directory):
    """Let CRDS in this process read the cache for the 32 x 40 ramps."""
    with use_cache(crds_directory):
        yield crds_directory


@pytest.fixture(scope="session")
def real_crds_directory(tmp_path_factory):
    """Return a CRDS cache for the real ramp's subarray."""
    detector = Detector(
        ny=64,
        nx=72,
        ystart=779,
        subarray="SUB64",
        readpatt="FAST",
        has_reference_columns=True,
    )
    return build_cache(tmp_path_factory.mktemp("crds-real"), detector)


@pytest.fixture
def real_ramp(tmp_path, real_crds_directory):
    """Return a copy of the real ramp, with CRDS reading the cache that suits it."""
    if not REAL_RAMP.exists():
        pytest.skip(f"the real MIRI ramp is not here: {REAL_RAMP.name} is not part of the project")
    copy = tmp_path / REAL_RAMP.name
    shutil.copyfile(REAL_RAMP, copy)
    with use_cache(real_crds_directory):
        yield copy


@pytest.fixture(scope="session")
def chrome(tmp_path_factory):
    """Return a headless browser."""
    from review_page import WATCH
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,943",
        f"--user-data-dir={tmp_path_factory.mktemp('chrome')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.set_capability("unhandledPromptBehavior", "accept")
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    driver.set_script_timeout(60)
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    yield driver
    driver.quit()
