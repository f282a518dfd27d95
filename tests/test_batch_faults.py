"""Batches that are disturbed, in real processes; after each fault a plain rerun completes."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from astropy.io import fits
from processes import INTERRUPTIBLE

from showermask import RegionFile, Shower, write_regions
from showermask.pipeline.manifest import read_manifest
from showermask.synthetic.crds_cache import cache_environment
from showermask.synthetic.ramps import RampBuilder

# Dozens of processes that import the pipeline.
pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
ROOTS = [f"jw00001001001_02101_{n:05d}_mirimage" for n in range(12)]
EARLY = Shower(integration=0, group=0, x=9, y=9, a=5, b=4, theta=0)
LATE = Shower(integration=0, group=5, x=28, y=20, a=6, b=4, theta=30)
BUILDER = RampBuilder(ngroups=10, ny=32, nx=40, readnoise=3.0, pedestal=1000.0)
WAIT = 180  # s, for what comes at once unless the machine is very busy


@dataclass
class Site:
    """Data, region files and an output directory, and the command on them."""

    folder: Path
    environment: dict[str, str]
    options: tuple[str, ...] = ("-j", "1")  # a worker costs seconds of imports
    contents: dict[Path, bytes] = field(default_factory=dict)

    @property
    def command(self):
        """The batch, as typed."""
        return [str(BIN / "showermask"), "batch", "regions", "data", "-o", "out", *self.options]

    def start(self, *more, **kwargs):
        """Start a batch in a process group of its own."""
        return subprocess.Popen(
            [*INTERRUPTIBLE, *self.command, *more],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **kwargs,
        )

    def run(self, *more, code=0, **kwargs):
        """Run a batch to its end, and return what it printed."""
        process = self.start(*more, **kwargs)
        out, _ = process.communicate(timeout=WAIT)
        assert process.returncode == code, out
        return out

    def remember_inputs(self):
        """Keep what data and region files hold."""
        self.contents = self.inputs()

    def inputs(self):
        """Return what data and region files hold."""
        folders = (self.folder / "data", self.folder / "regions")
        return {p: p.read_bytes() for f in folders for p in f.iterdir() if p.is_file()}

    def check_complete(self, undisturbed, kind="jump"):
        """Check that a plain rerun leaves what an undisturbed run does, and nothing else."""
        out = self.run()
        assert " 0 failed" in out
        assert self.inputs() == self.contents
        wanted = {"manifest.ecsv", "logs", *(path.name for path in undisturbed.glob("*.fits"))}
        assert {path.name for path in (self.folder / "out").iterdir()} == wanted
        for path in undisturbed.glob("*.fits"):
            with fits.open(path) as theirs, fits.open(self.folder / "out" / path.name) as ours:
                for hdu in theirs[1:]:
                    if hdu.name != "ASDF":
                        np.testing.assert_array_equal(hdu.data, ours[hdu.name].data)
        rows = read_manifest(self.folder / "out")
        assert {row.status for row in rows.values()} == {"done"}
        assert f"0 done, {len(rows)} up to date, 0 failed" in self.run()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, crds_directory):
    """Return a site with 12 jump files whose batch nothing has disturbed."""
    folder = tmp_path_factory.mktemp("pristine")
    for name in ("data", "regions"):
        (folder / name).mkdir()
    for seed, root in enumerate(ROOTS):
        model = replace(BUILDER, seed=seed).model()
        model.save(str(folder / "data" / f"{root}_jump.fits"))
        model.close()
        path = folder / "regions" / f"{root}_showers.yaml"
        write_regions(path, RegionFile(showers=(EARLY, LATE), exposure=root))
    site = Site(folder, {**os.environ, **cache_environment(crds_directory)})
    site.run()
    return site


@pytest.fixture
def site(pristine, tmp_path):
    """Return a copy of the site without output."""
    for name in ("data", "regions"):
        shutil.copytree(pristine.folder / name, tmp_path / name)
    copy = Site(tmp_path, pristine.environment)
    copy.remember_inputs()
    return copy


@pytest.fixture
def undisturbed(pristine):
    """Return the output of the undisturbed batch."""
    return pristine.folder / "out"


def wait_for(condition, process=None):
    """Wait until something is the case."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert process is None or process.poll() is None, process.stdout.read()
        time.sleep(0.01)


def workers_of(process):
    """Return the worker processes of a batch."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def products(site):
    """Return the products that are there."""
    return list((site.folder / "out").glob("*.fits"))


def test_a_worker_that_is_killed(site, undisturbed):
    """Its exposure is tried again in the same run; nobody notices."""
    site.options = ("-j", "2")
    process = site.start()
    wait_for(lambda: len(products(site)) > 3, process)
    workers_of(process)[0].kill()
    out, _ = process.communicate(timeout=WAIT)
    assert (process.returncode, "12 done, 0 up to date, 0 failed" in out) == (0, True), out
    site.check_complete(undisturbed)


def test_an_exposure_that_kills_its_workers(site, undisturbed):
    """As when memory runs out: it is tried twice and reported, the others are done."""
    (site.folder / "deadly.py").write_text(
        "import os, signal\n"
        "from jwst.stpipe import Step\n"
        "class Deadly(Step):\n"
        "    def process(self, model):\n"
        "        with open('tries', 'a') as stream:\n"
        "            stream.write('x')\n"
        f"        if model.meta.filename.startswith('{ROOTS[5]}'):\n"
        "            with open('deaths', 'a') as stream:\n"
        "                stream.write('x')\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return model\n"
    )
    site.environment = {**site.environment, "PYTHONPATH": str(site.folder)}
    out = site.run("--steps.manual_shower_mask.post_hooks=deadly.Deadly,", code=1)
    assert "11 done, 0 up to date, 1 failed" in out
    assert f"{ROOTS[5]}: the worker died 2 times" in out.splitlines()[-1]
    assert (site.folder / "deaths").read_text() == "xx"
    site.check_complete(undisturbed)


def test_the_whole_run_is_killed_at_twenty_moments(site, undisturbed):
    """Whatever is half done is cleared away or done again, even where old products are redone."""
    moments = random.Random(20261121)
    for position in range(20):
        process = site.start("--force", *(["-j", "2"] if position % 4 == 1 else []))
        if position % 4 == 0:
            time.sleep(moments.uniform(0.5, 4.0))
        else:
            reached = moments.randrange(9)
            while f"[{reached}/12]" not in process.stdout.readline() and reached:
                assert process.poll() is None
            time.sleep(moments.uniform(0.0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=WAIT)
    site.check_complete(undisturbed)


def test_a_run_that_is_interrupted(site, undisturbed):
    """Ctrl-C stops within seconds, keeps what is done, and leaves nothing half done."""
    process = site.start()
    wait_for(lambda: len(products(site)) > 3, process)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 130, out
    assert out.splitlines()[-1] == "showermask: interrupted"
    assert "Traceback" not in out
    left = {path.name for path in (site.folder / "out").iterdir() if path.suffix != ".fits"}
    assert left == {"logs", "manifest.ecsv"}
    rows = read_manifest(site.folder / "out").values()
    assert 0 < sum(row.status == "done" for row in rows) < 12
    site.check_complete(undisturbed)


@pytest.mark.parametrize("seconds", [0.1, 0.6])
def test_a_run_that_is_interrupted_while_it_starts(site, seconds):
    """Workers that are just being started go quietly too."""
    process = site.start()
    process.stdout.readline()
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 130, out
    assert "Traceback" not in out
    assert "stopped: " in out
    assert {path.name for path in (site.folder / "out").iterdir() if path.suffix != ".fits"} == {
        "logs",
        "manifest.ecsv",
    }


def test_a_full_disk(site, undisturbed):
    """Products that do not fit are not there at all, and the reason is told."""
    limit = (undisturbed / f"{ROOTS[0]}_jump.fits").stat().st_size // 2
    out = site.run(
        code=1, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    assert "0 done, 0 up to date, 12 failed" in out
    assert "can't be written" in out.splitlines()[-1]
    assert not products(site)
    site.check_complete(undisturbed)


def test_a_manifest_that_does_not_fit(site, undisturbed):
    """The products that are done stay, and are found to be done or done again."""
    small = 7000  # bytes: the manifest as it begins fits, as it ends does not
    for path in (site.folder / "data").iterdir():
        if path.name > ROOTS[3]:
            path.rename(site.folder / path.name)
    site.run()
    assert (site.folder / "out" / "manifest.ecsv").stat().st_size < small
    for path in site.folder.glob("*_jump.fits"):
        path.rename(site.folder / "data" / path.name)
    # Only the process that keeps the manifest meets the limit; it has no other files to write.
    out = site.run(
        code=1, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (small, small))
    )
    assert "manifest.ecsv: can't be written" in out
    assert len(read_manifest(site.folder / "out")) == 3
    site.check_complete(undisturbed)


def test_inputs_that_can_not_be_read(site, undisturbed):
    """A file cut short and one that is no FITS fail by themselves, and are done when mended."""
    paths = [site.folder / "data" / f"{root}_jump.fits" for root in ROOTS[:2]]
    whole = [path.read_bytes() for path in paths]
    paths[0].write_bytes(whole[0][:60000])
    paths[1].write_bytes(b"\0" * 50000)
    out = site.run(code=1)
    assert "10 done, 0 up to date, 2 failed" in out
    assert f"{ROOTS[0]}: " in out.splitlines()[-2]
    assert "is cut short" in out.splitlines()[-2]
    assert "can't be read as FITS" in out.splitlines()[-1]
    for path, content in zip(paths, whole, strict=True):
        path.write_bytes(content)
    site.check_complete(undisturbed)


def test_region_files_edited_during_the_run(site, pristine, tmp_path_factory):
    """Each product says which text was applied to it; a rerun redoes those that were before."""
    process = site.start()
    wait_for(lambda: len(products(site)) > 3, process)
    edited = replace(EARLY, x=20.0)
    for root in ROOTS:
        path = site.folder / "regions" / f"{root}_showers.yaml"
        write_regions(path, RegionFile(showers=(edited,), exposure=root))
    process.communicate(timeout=WAIT)
    assert process.returncode == 0
    rows = read_manifest(site.folder / "out")
    for root, row in rows.items():
        header = fits.getheader(site.folder / "out" / f"{root}_jump.fits")
        assert row.sha256.startswith(header["SHWMHASH"])
    assert {row.showers for row in rows.values()} == {1, 2}  # before and after
    other = Site(tmp_path_factory.mktemp("edited"), site.environment)
    for name in ("data", "regions"):
        shutil.copytree(site.folder / name, other.folder / name)
    other.run()
    site.remember_inputs()
    site.check_complete(other.folder / "out")


def test_two_batches_into_one_directory(site, undisturbed):
    """The second is refused, with the first one's name, and the first goes on."""
    first = site.start()
    wait_for(lambda: products(site), first)
    os.killpg(first.pid, signal.SIGSTOP)  # it must not be done before the second begins
    try:
        out = site.run(code=1)
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    assert f"another batch is at work in it ({os.uname().nodename}, process {first.pid})" in out
    out, _ = first.communicate(timeout=WAIT)
    assert (first.returncode, "12 done" in out) == (0, True), out
    site.check_complete(undisturbed)


@contextmanager
def cluster(site):
    """Start a scheduler and two workers as processes of their own."""
    file = site.folder / "scheduler.json"
    options = {"cwd": site.folder, "env": site.environment, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(
        [BIN / "dask", "scheduler", "--host=127.0.0.1", "--port=0", "--dashboard-address=:0",
         f"--scheduler-file={file}"],
        **options,
    )  # fmt: skip
    processes = [scheduler]
    try:
        wait_for(file.exists)
        processes += [
            subprocess.Popen(
                [BIN / "dask", "worker", f"--scheduler-file={file}", "--nthreads=1", "--no-nanny",
                 "--dashboard-address=:0", "--death-timeout=120"],
                **options,
            )
            for _ in range(2)
        ]  # fmt: skip
        yield scheduler, file
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_a_cluster_in_other_processes(site, undisturbed):
    """Gives the products of the local run."""
    with cluster(site) as (_, file):
        site.options = (f"--scheduler={file}",)
        assert "12 done, 0 up to date, 0 failed" in site.run()
        site.check_complete(undisturbed)


def test_a_scheduler_that_dies(site, undisturbed):
    """What is finished is kept; a rerun without it, or with another one, does the rest."""
    with cluster(site) as (scheduler, file):
        process = site.start(f"--scheduler={file}")
        wait_for(lambda: len(products(site)) > 3, process)
        scheduler.kill()
        out, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 1, out
    assert "the scheduler is gone" in out.splitlines()[-1]
    assert "Traceback" not in out
    rows = read_manifest(site.folder / "out").values()
    assert 0 < sum(row.status == "done" for row in rows) < 12
    site.check_complete(undisturbed)


def test_a_scheduler_that_is_not_there(site):
    """Is an error with words, soon."""
    out = site.run("--scheduler=tcp://127.0.0.1:1", code=1)
    assert "no dask scheduler answers there" in out
    assert "expected tcp://host:port or a scheduler file" in out.splitlines()[-1]
