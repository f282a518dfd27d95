"""Bad pixels: the searches in darks and flats, the command, and what takes the result."""

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from oracles import reffiles_dark_kinds, reffiles_flat_kinds
from stdatamodels.jwst import datamodels

from showermask import ManualShowerMaskStep, RegionFile, Shower, read_regions, write_regions
from showermask.cli import main
from showermask.commands.badpixels.entries import FlagTable
from showermask.commands.review.history import pixel_history
from showermask.commands.review.session import ReviewSession
from showermask.defects.darks import search_darks
from showermask.defects.flats import normalised, search_flats
from showermask.defects.kinds import KINDS
from showermask.defects.options import DarkOptions, DeadSearch, FlatOptions, Normalisation
from showermask.defects.ramps import measure_integration
from showermask.defects.telegraph import two_levels
from showermask.exceptions import FlagError, ShowermaskError
from showermask.exposure.detectors import amplifiers_of
from showermask.exposure.dq import pixel_flags
from showermask.exposure.images import ImageReader
from showermask.exposure.product import describe_file
from showermask.regionfile.badpixels import BadPixels
from showermask.regionfile.lookup import choose_detector_file
from showermask.regionfile.maskfile import write_mask
from showermask.synthetic.crds_cache import Detector, build_cache, use_cache
from showermask.synthetic.detectors import SyntheticDetector
from showermask.synthetic.ramps import RampBuilder

SIZE = 128
FLAGS = pixel_flags()


@pytest.fixture(scope="module")
def detector():
    """Return a detector with bad pixels of all kinds."""
    return SyntheticDetector(image_shape=(SIZE, SIZE), each=12, seed=21)


@pytest.fixture(scope="module")
def folder(detector, tmp_path_factory):
    """Return a directory with its darks and flats."""
    top = tmp_path_factory.mktemp("detector")
    for kind, count, make in (("darks", 10, detector.dark), ("flats", 3, detector.flat)):
        (top / kind).mkdir()
        for number in range(count):
            name = f"jw0{number:04d}001001_02101_00001_mirimage_jump.fits"
            make(number).save(str(top / kind / name))
    return top


@pytest.fixture(scope="module")
def found(folder):
    """Return what is found, by kind."""
    darks, flats = (
        [ImageReader(path) for path in sorted((folder / kind).iterdir())]
        for kind in ("darks", "flats")
    )
    every = search_darks(darks, DarkOptions(), threads=2) + search_flats(flats, FlatOptions())
    return {one.kind.name: one for one in every}


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    """Return the output of the command, entries accepted."""
    top = tmp_path_factory.mktemp("made")
    arguments = ["--darks", str(folder / "darks"), "--flats", str(folder / "flats"), "--accept"]
    assert main(["badpixels", *arguments, "-o", str(top / "out")]) == 0
    return top / "out"


@pytest.fixture
def out(made, tmp_path, monkeypatch):
    """Return a copy of that in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, "out")
    return Path("out")


REGIONS = "mirimage_fastr1_badpixels.yaml"


class TestSearch:
    """The pixels that are found on a detector of which they are known."""

    KINDS = (
        "hot",
        "warm",
        "saturated",
        "rc",
        "inverse_rc",
        "telegraph",
        "noisy",
        "low_pedestal",
        "dead",
        "low_qe",
        "open",
        "adj_open",
    )

    @pytest.mark.parametrize("kind", KINDS)
    def test_kind(self, detector, found, kind):
        """Nearly all pixels of each kind are found, and nearly none is of another kind."""
        mask, truth = found[kind].mask((SIZE, SIZE)), detector.truth[kind]
        hits = np.count_nonzero(mask & truth)
        assert hits >= 0.9 * np.count_nonzero(truth)
        assert hits >= 0.9 * np.count_nonzero(mask)

    def test_good_pixels(self, detector, found):
        """Next to no good pixel is called bad."""
        is_bad = np.any(list(detector.truth.values()), axis=0)
        wrong = sum(np.count_nonzero(one.mask((SIZE, SIZE)) & ~is_bad) for one in found.values())
        assert wrong <= 1

    def test_evidence(self, found):
        """Each pixel says in how many integrations it was seen, and what was measured."""
        hot = found["hot"]
        assert hot.looks == 10
        assert (hot.seen >= 8).all()
        assert hot.value == pytest.approx(np.full(len(hot), 10.0), rel=0.15)
        assert "10 of 10 integrations, " in hot.evidence(0)
        assert (np.diff(hot.score) <= 0).all()

    def test_evidence_of_flats(self, detector, found):
        """A weak pixel is seen in all flats, however uneven these are."""
        for kind in ("dead", "low_qe", "open", "adj_open"):
            assert (found[kind].seen == 3).mean() > 0.95
            assert found[kind].looks == 3
        assert "dead in 3 of 3 exposures" in found["dead"].evidence(0)

    def test_threads(self, folder):
        """The number of threads changes nothing."""
        darks = [ImageReader(path) for path in sorted((folder / "darks").iterdir())[:3]]
        one, four = (search_darks(darks, DarkOptions(), threads=count) for count in (1, 4))
        for a, b in zip(one, four, strict=True):
            assert np.array_equal(a.mask((SIZE, SIZE)), b.mask((SIZE, SIZE)))
            assert np.array_equal(np.sort(a.score), np.sort(b.score))

    def test_rates_alone(self, detector, folder, tmp_path):
        """In rates the kinds are found that rates have."""
        readers = []
        for number, path in enumerate(sorted((folder / "darks").iterdir())):
            with datamodels.open(path) as ramp:
                found = measure_integration(
                    ramp.data[0], ramp.groupdq[0], 2.775, early_fraction=0.3
                )
                rate = datamodels.ImageModel(data=np.nan_to_num(found.rate))
                rate.update(ramp)
                rate.dq = np.where(found.is_saturated, 3, 0).astype(np.uint32)
                rate.save(str(tmp_path / f"{number}_rate.fits"))
            readers.append(ImageReader(tmp_path / f"{number}_rate.fits"))
        kinds = {one.kind.name: one for one in search_darks(readers, DarkOptions())}
        assert set(kinds) == {"saturated", "hot", "warm", "noisy"}
        for kind in ("saturated", "hot"):
            assert np.array_equal(kinds[kind].mask((SIZE, SIZE)), detector.truth[kind])


class TestParts:
    """The pieces of the searches."""

    def test_two_levels(self):
        """Normal noise is told better by one level, a telegraph by two."""
        rng = np.random.default_rng(1)
        quiet = rng.normal(0, 1, (40, 2000)).astype(np.float32)
        likelihood, *_ = two_levels(quiet)
        assert np.quantile(likelihood, 0.99) < 5
        high = np.cumsum(rng.random((40, 500)) < 0.1, axis=0) % 2
        is_mixed = (high.mean(axis=0) > 0.2) & (high.mean(axis=0) < 0.8)
        likelihood, step, changes = two_levels(quiet[:, :500] + 8 * high.astype(np.float32))
        assert np.median(likelihood[is_mixed]) > 15
        assert np.median(step[is_mixed]) == pytest.approx(8, abs=0.5)
        assert np.median(changes[is_mixed]) >= 2

    def test_few_values(self):
        """Too few values tell nothing."""
        assert np.isneginf(two_levels(np.zeros((4, 3), np.float32))[0]).all()

    def test_flagged_pixels(self):
        """A jump changes neither the rate nor the noise of its pixel."""
        rng = np.random.default_rng(2)
        ramp = np.cumsum(rng.normal(20, 3, (30, 40, 40)), axis=0).astype(np.float32)
        clean = measure_integration(ramp, np.zeros(ramp.shape, np.uint8), 2.0, early_fraction=0.25)
        flags = np.zeros(ramp.shape, np.uint8)
        ramp[12:, 7, 9] += 5000
        flags[12, 7, 9] = 4
        found = measure_integration(ramp, flags, 2.0, early_fraction=0.25)
        assert found.rate[7, 9] == pytest.approx(clean.rate[7, 9], rel=0.03)
        assert found.noise[7, 9] == pytest.approx(clean.noise[7, 9], rel=0.1)
        assert found.jumps[7, 9] == 1
        others = np.ones((40, 40), bool)
        others[7, 9] = False
        assert np.array_equal(found.rate[others], clean.rate[others])

    def test_saturated_late(self):
        """A pixel that saturates has the rate of the groups before."""
        ramp = np.cumsum(np.full((20, 8, 8), 10.0), axis=0).astype(np.float32)
        flags = np.zeros(ramp.shape, np.uint8)
        flags[5:, 3, 3] = 2
        ramp[5:, 3, 3] = 65000
        found = measure_integration(ramp, flags, 2.0, early_fraction=0.25)
        assert found.rate[3, 3] == pytest.approx(5.0)
        assert not found.is_saturated.any()

    @pytest.mark.parametrize("way", list(Normalisation))
    def test_normalised(self, way):
        """Dividing by the surroundings takes a gradient away, by the mean it does not."""
        gradient = np.tile(np.linspace(50, 150, 80, dtype=np.float32), (80, 1))
        gradient[40, 40] = 5
        flat = normalised(gradient, FlatOptions(normalisation=way))
        if way is Normalisation.SMOOTHED:
            assert flat[10:70, 10:70][5, 5] == pytest.approx(1, abs=0.02)
            assert flat[40, 40] < 0.06
        elif way is Normalisation.MEAN:
            assert flat[0, 0] == pytest.approx(0.5, abs=0.02)
        else:
            assert np.array_equal(flat, gradient)

    def test_options(self):
        """Thresholds that make no sense are refused, all at once."""
        with pytest.raises(ShowermaskError) as error:
            DarkOptions(hot_sigma=-1, rc_fraction=2)
        assert len(error.value.problems) == 2
        assert "--hot-sigma: is -1" in str(error.value)


class TestAmplifiers:
    """The amplifiers of the detectors."""

    @pytest.mark.parametrize(
        ("detector", "axis"), [("NRCA1", 1), ("NRCB3", 1), ("NIS", 0), ("NRS1", 0), ("GUIDER1", 0)]
    )
    def test_stripes(self, tmp_path, detector, axis):
        """Near-infrared detectors have four stripes, along their slow axis."""
        rate = datamodels.ImageModel(data=np.zeros((2048, 2048), np.float32))
        rate.meta.instrument.detector = detector
        rate.save(str(tmp_path / "x_rate.fits"))
        amplifiers = amplifiers_of(describe_file(tmp_path / "x_rate.fits"))
        along = amplifiers[0] if axis else amplifiers[:, 0]
        assert list(along[::512]) == [0, 1, 2, 3]
        assert len(np.unique(np.take(amplifiers, 100, axis=axis))) == 1

    @pytest.mark.slow
    def test_noisy_stripe(self, tmp_path):
        """A stripe of rows that is noisier has no bad pixels for that."""
        rng = np.random.default_rng(3)
        readers = []
        for number in range(3):
            data = rng.normal(0, 0.1, (2048, 2048)).astype(np.float32)
            data[512:1024] *= 6
            rate = datamodels.ImageModel(data=data)
            rate.meta.instrument.detector, rate.meta.exposure.readpatt = "NIS", "NISRAPID"
            rate.save(str(tmp_path / f"{number}_rate.fits"))
            readers.append(ImageReader(tmp_path / f"{number}_rate.fits"))
        found = {one.kind.name: len(one) for one in search_darks(readers, DarkOptions())}
        assert found["warm"] == 0


class TestUnknown:
    """Pixels that were not measured."""

    def test_flats(self, detector, tmp_path):
        """A pixel without a value in the flats is not dead; a flagged one is measured."""
        readers = []
        for number in range(3):
            flat = detector.flat(number)
            flat.data[..., 50, 60:70] = np.nan
            flat.groupdq[..., 40, 40] |= 1
            flat.save(str(tmp_path / f"{number}_jump.fits"))
            readers.append(ImageReader(tmp_path / f"{number}_jump.fits"))
        found = {
            one.kind.name: one.mask((SIZE, SIZE)) for one in search_flats(readers, FlatOptions())
        }
        assert np.array_equal(found["dead"], detector.truth["dead"])

    def test_one_of_three(self, detector, folder):
        """A pixel is no telegraph one for a single integration."""
        darks = [ImageReader(path) for path in sorted((folder / "darks").iterdir())[:3]]
        found = {one.kind.name: one for one in search_darks(darks, DarkOptions())}
        assert (found["telegraph"].seen >= 2).all()


class TestAgainstReffiles:
    """The rules of jwst_reffiles, written out, on the same exposures."""

    def test_flats(self, detector, folder):
        """Both find the same pixels, but for dead ones that are saturated."""
        images = []
        for path in sorted((folder / "flats").iterdir()):
            with datamodels.open(path) as ramp:
                images.append((ramp.data[0, -2] - ramp.data[0, 1]).astype(float))
        theirs = reffiles_flat_kinds(np.stack(images))
        flats = [ImageReader(path) for path in sorted((folder / "flats").iterdir())]
        options = FlatOptions(dead_search=DeadSearch.ABSOLUTE_RATE)
        ours = {one.kind.name: one.mask((SIZE, SIZE)) for one in search_flats(flats, options)}
        inner = np.zeros((SIZE, SIZE), bool)
        # Beside reference pixels their box smooth is too low, and weak pixels seem open.
        inner[8:-8, 12:-8] = True
        for kind in ("low_qe", "open"):
            assert np.array_equal(ours[kind] & inner, theirs[kind] & inner)
        # A pixel that is saturated in the ramp has no rate: theirs calls it dead without uncal.
        is_full = detector.truth["saturated"]
        assert np.array_equal(ours["dead"] & inner, theirs["dead"] & inner & ~is_full)
        assert (theirs["dead"] & inner & is_full).any()

    def test_darks(self, detector, folder):
        """Both find hot pixels; jump counts alone miss what the likelihood finds."""
        rates, jumps = [], []
        for path in sorted((folder / "darks").iterdir()):
            with datamodels.open(path) as ramp:
                found = measure_integration(
                    ramp.data[0], ramp.groupdq[0], 2.775, early_fraction=0.25
                )
                rates.append(found.rate)
                jumps.append(np.count_nonzero(ramp.groupdq[0] & 4, axis=0))
        theirs = reffiles_dark_kinds(np.stack(rates), np.stack(jumps))
        assert (theirs["hot"] & detector.truth["hot"]).sum() == detector.truth["hot"].sum()
        # Warm, drifting and noisy pixels are hot to them: five sigma of the frame.
        assert theirs["hot"].sum() > 1.5 * detector.truth["hot"].sum()
        assert not (theirs["telegraph"] & detector.truth["telegraph"]).any()


class TestCommand:
    """``showermask badpixels``."""

    def test_files(self, out, detector):
        """A region file of the detector, masks where there are many, evidence and a page."""
        region_file = read_regions(out / REGIONS)
        assert region_file.detector == "MIRIMAGE"
        assert region_file.readpatt == "FASTR1"
        assert region_file.ngroups == (1, 49)
        assert region_file.useafter == "2026-01-01"
        hot = [entry for entry in region_file.pixels if entry.kind == "hot"]
        assert len(hot) == detector.truth["hot"].sum()
        assert hot[0].flags == ("HOT", "DO_NOT_USE")
        assert "10 of 10 integrations" in hot[0].comment
        table = Table.read(out / "mirimage_fastr1_pixels.ecsv", format="ascii.ecsv")
        assert set(table["kind"]) == set(TestSearch.KINDS)
        assert len(table.meta["inputs"]) == 13
        page = (out / "mirimage_fastr1_badpixels.html").read_text()
        assert page.count('<img src="data:image/png') > 15
        assert ">telegraph<" in page

    def test_candidates(self, folder, tmp_path):
        """Without --accept they are candidates, with the flags that are asked for."""
        arguments = ["badpixels", "--darks", str(folder / "darks"), "-o", str(tmp_path)]
        options = ["--flag-values", "hot=HOT+OTHER_BAD_PIXEL", "--do-not-use", "saturated"]
        assert main([*arguments, *options]) == 0
        region_file = read_regions(tmp_path / REGIONS)
        assert not region_file.accepted
        flags = {entry.kind: entry.flags for entry in region_file.pixels}
        assert flags["hot"] == ("HOT", "OTHER_BAD_PIXEL")
        assert flags["saturated"] == ("HOT", "DO_NOT_USE")
        assert flags["rc"] == ("RC",)

    def test_decisions_stay(self, folder, out, capsys):
        """What people have decided is not written over."""
        region_file = read_regions(out / REGIONS)
        entries = [entry.with_status("rejected") for entry in region_file.entries[:1]]
        write_regions(
            out / REGIONS, replace(region_file, entries=(*entries, *region_file.entries[1:]))
        )
        before = (out / REGIONS).read_bytes()
        assert main(["badpixels", "--darks", str(folder / "darks"), "-o", "out"]) == 1
        assert "was changed since" in capsys.readouterr().err
        assert (out / REGIONS).read_bytes() == before

    def test_again(self, folder, out):
        """A file that nobody has changed is replaced."""
        assert main(["badpixels", "--darks", str(folder / "darks"), "-o", "out"]) == 0
        assert not read_regions(out / REGIONS).accepted

    @pytest.mark.parametrize("what", ["missing.fits", "text.fits", "other.yaml", "exposure.yaml"])
    def test_wrong_earlier(self, folder, tmp_path, monkeypatch, capsys, what):
        """A file to compare with that is none is told before anything is searched or written."""
        monkeypatch.chdir(tmp_path)
        Path("text.fits").write_text("nothing")
        pixel = BadPixels(x=1, y=2)
        write_regions("other.yaml", RegionFile(pixels=[pixel], detector="NRCA1"))
        write_regions("exposure.yaml", RegionFile(pixels=[pixel]))
        arguments = ["badpixels", "--darks", str(folder / "darks"), "-o", "out"]
        assert main([*arguments, "--earlier", what]) == 1
        assert what in capsys.readouterr().err
        assert not Path("out").exists()

    @pytest.mark.slow
    def test_earlier_reference(self, folder, out, capsys):
        """The file that is replaced, and a MASK reference without its reference pixels, compare."""
        to = ["--to", "mask-reference"]
        assert main(["convert", str(out / REGIONS), "mask.fits", *to]) == 0
        arguments = ["--darks", str(folder / "darks"), "--flats", str(folder / "flats")]
        for earlier in ("mask.fits", str(out / REGIONS)):
            more = ["-o", "out", "--earlier", earlier]
            assert main(["badpixels", *arguments, *more]) == 0
            page = (out / "mirimage_fastr1_badpixels.html").read_text()
            assert "0 new, 0 gone" in page
            assert "0 in both" not in page

    @pytest.mark.slow
    def test_changes(self, folder, out, tmp_path):
        """The page tells what is new and gone since an earlier file."""
        region_file = read_regions(out / REGIONS)
        fewer = replace(
            region_file,
            entries=(*region_file.entries[5:], BadPixels(x=900, y=900, flags=("HOT",))),
        )
        earlier = out / "earlier.yaml"
        write_regions(earlier, fewer)
        arguments = ["--darks", str(folder / "darks"), "--flats", str(folder / "flats")]
        more = ["--earlier", str(earlier), "-o", "again"]
        assert main(["badpixels", *arguments, *more]) == 0
        page = Path("again/mirimage_fastr1_badpixels.html").read_text()
        assert "5 new, 1 gone" in page
        assert "(900, 900)" in page

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"few": True}, "expected 3 exposures or 10 integrations"),
            ({"subarrays": True}, "several subarrays"),
            ({"no_detector": True}, "its detector (DETECTOR) is none"),
            ({"no_corner": True}, "does not say where it lies"),
            ({"all_nan": True}, "no pixel has a rate in an integration"),
            ({"two_groups": True}, "has 2 groups, expected 3"),
            ({"saturated": True}, "of the frame would be saturated"),
            ({"cal": True}, "found no dark"),
        ],
    )
    def test_wrong_input(self, folder, tmp_path, monkeypatch, capsys, change, word):
        """One sentence each, and nothing half written."""
        monkeypatch.chdir(tmp_path)
        paths = sorted((folder / "darks").iterdir())[: 1 if "few" in change else 3]
        Path("in").mkdir()
        for number, path in enumerate(paths):
            with datamodels.open(path) as model:
                if "subarrays" in change and number:
                    model.meta.subarray.name = "SUB64"
                if "no_detector" in change:
                    model.meta.instrument.detector = None
                if "no_corner" in change:
                    model.meta.subarray.xstart = model.meta.subarray.ystart = None
                if "all_nan" in change and number == 1:
                    model.data[:] = np.nan
                if "two_groups" in change:
                    model.data, model.groupdq = model.data[:, :2], model.groupdq[:, :2]
                if "saturated" in change:
                    model.groupdq = model.groupdq | np.uint8(2)
                suffix = "cal" if "cal" in change else "jump"
                model.save(f"in/{path.stem.removesuffix('_jump')}_{suffix}.fits")
        assert main(["badpixels", "--darks", "in", "-o", "out"]) == 1
        assert word in capsys.readouterr().err
        assert not Path("out").exists()

    @pytest.mark.slow
    def test_kept_apart(self, folder, tmp_path, monkeypatch):
        """Darks of two read-out patterns are two searches."""
        monkeypatch.chdir(tmp_path)
        Path("in").mkdir()
        for number, path in enumerate(sorted((folder / "darks").iterdir())[:6]):
            with datamodels.open(path) as model:
                if number % 2:
                    model.meta.exposure.readpatt = "SLOWR1"
                model.save(f"in/{path.name}")
        assert main(["badpixels", "--darks", "in", "-o", "out"]) == 0
        names = sorted(path.name for path in Path("out").glob("*.yaml"))
        assert names == ["mirimage_fastr1_badpixels.yaml", "mirimage_slowr1_badpixels.yaml"]

    def test_flag_table(self):
        """Kinds and flags that are none are named."""
        with pytest.raises(FlagError, match="cold is no kind"):
            FlagTable({"cold": ("HOT",)})
        with pytest.raises(FlagError, match="COLD of hot is no flag"):
            FlagTable({"hot": ("COLD",)})


class TestDetectorFile:
    """The file of a detector, together with that of an exposure."""

    @pytest.fixture
    def ramp(self, folder, tmp_path):
        """Return the name of a ramp of the detector, with a region file of its own."""
        path = tmp_path / "jw01234001001_02101_00001_mirimage_jump.fits"
        with datamodels.open(sorted((folder / "darks").iterdir())[0]) as model:
            model.groupdq = np.zeros_like(model.groupdq)
            model.save(str(path))
        shower = Shower(integration=0, group=5, x=60, y=60, a=6, b=6, theta=0)
        root = path.name.removesuffix("_jump.fits")
        write_regions(tmp_path / f"{root}_showers.yaml", RegionFile(showers=[shower]))
        return path

    def write(self, folder, name="mirimage_badpixels.yaml", **more):
        """Write a file of the detector."""
        pixels = [
            BadPixels(x=20, y=30, flags=("HOT", "DO_NOT_USE"), kind="hot"),
            BadPixels(x=(900, 910), y=900, flags=("HOT", "DO_NOT_USE")),
            BadPixels(x=25, y=30, flags=("WARM",)),
        ]
        write_regions(folder / name, RegionFile(pixels=pixels, detector="MIRIMAGE", **more))

    def test_step(self, ramp):
        """Both files are masked, pixel flags go to PIXELDQ, and both are recorded."""
        self.write(ramp.parent)
        result = ManualShowerMaskStep.call(str(ramp))
        assert (result.groupdq[0, :, 30, 20] & 1).all()
        assert not result.groupdq[0, :, 30, 25].any()
        assert result.pixeldq[30, 20] & (FLAGS["HOT"] | 1) == FLAGS["HOT"] | 1
        assert result.pixeldq[30, 25] & FLAGS["WARM"]
        assert result.groupdq[0, 6, 60, 60] == 5
        result.save(str(ramp.parent / "masked.fits"))
        header = fits.getheader(ramp.parent / "masked.fits")
        assert header["SHWMDFIL"] == "mirimage_badpixels.yaml"
        assert header["SHWMFILE"].endswith("_showers.yaml")
        history = " ".join(map(str, header["HISTORY"]))
        assert "mirimage_badpixels.yaml" in history.replace("\n", "")

    def test_alone(self, ramp):
        """Without a region file of the exposure the bad pixels are masked all the same."""
        (region_path,) = ramp.parent.glob("*_showers.yaml")
        region_path.unlink()
        self.write(ramp.parent)
        result = ManualShowerMaskStep.call(str(ramp))
        assert result.meta.cal_step.manual_shower_mask == "COMPLETE"
        assert (result.groupdq[0, :, 30, 20] & 1).all()

    def test_none(self, ramp):
        """It can be left out."""
        self.write(ramp.parent)
        result = ManualShowerMaskStep.call(str(ramp), detector_file="none")
        assert not result.groupdq[0, :, 30, 20].any()

    def test_twice(self, ramp):
        """A second run changes nothing."""
        self.write(ramp.parent)
        once = ManualShowerMaskStep.call(str(ramp))
        groupdq, pixeldq = once.groupdq.copy(), once.pixeldq.copy()
        twice = ManualShowerMaskStep.call(once)
        assert np.array_equal(twice.groupdq, groupdq)
        assert np.array_equal(twice.pixeldq, pixeldq)

    def test_subarray(self, ramp):
        """Places are those of the detector, whatever the subarray."""
        self.write(ramp.parent)
        with datamodels.open(ramp) as model:
            model.meta.subarray.xstart, model.meta.subarray.ystart = 11, 21
            model.save(str(ramp))
        result = ManualShowerMaskStep.call(str(ramp))
        assert (result.groupdq[0, :, 10, 10] & 1).all()
        assert not result.groupdq[0, :, 30, 20].any()

    def test_choice(self, ramp):
        """The file that says most of the exposure is taken, of these the latest."""
        self.write(ramp.parent)
        self.write(ramp.parent, "mirimage_slow_badpixels.yaml", readpatt="SLOWR1")
        self.write(ramp.parent, "mirimage_old_badpixels.yaml", readpatt="FASTR1")
        self.write(
            ramp.parent,
            "mirimage_new_badpixels.yaml",
            readpatt="FASTR1",
            useafter="2025-12-01",
        )
        self.write(
            ramp.parent,
            "mirimage_late_badpixels.yaml",
            readpatt="FASTR1",
            useafter="2026-02-01",
        )
        files = [read_regions(path) for path in ramp.parent.glob("*_badpixels.yaml")]
        chosen = choose_detector_file(files, describe_file(ramp))
        assert chosen.name == "mirimage_new_badpixels.yaml"
        deep = replace(describe_file(ramp), readpatt="SLOWR1")
        assert choose_detector_file(files, deep).name == "mirimage_slow_badpixels.yaml"
        other = replace(describe_file(ramp), detector="MIRIFULONG")
        assert choose_detector_file(files, other) is None

    def test_given_for_another(self, ramp):
        """A file that is given has to be for the exposure."""
        self.write(ramp.parent, readpatt="SLOWR1")
        path = ramp.parent / "mirimage_badpixels.yaml"
        with pytest.raises(ShowermaskError, match="readpatt is SLOWR1, but the data have FASTR1"):
            ManualShowerMaskStep.call(str(ramp), detector_file=str(path))

    @pytest.mark.parametrize(
        ("keys", "word"),
        [
            ("detector: MIRIMAGE\nexposure: x", "exposure is given with detector"),
            ("readpatt: FASTR1", "readpatt is given without detector"),
            ("detector: MIRIMAGE\nngroups: [9, 2]", "expected [fewest, most]"),
            ("detector: MIRIMGE", "detector is MIRIMGE, expected one of MIRIMAGE"),
        ],
    )
    def test_keys(self, tmp_path, keys, word):
        """Keys of an exposure and of a detector do not go together."""
        path = tmp_path / "a.yaml"
        path.write_text(f"{keys}\npixels:\n- {{x: 1, y: 2}}\n")
        with pytest.raises(ShowermaskError, match=word.replace("[", r"\[")):
            read_regions(path)

    def test_outside(self, tmp_path):
        """Pixels have to lie in the detector, and masks to be of the whole of it."""
        write_mask(tmp_path / "small.fits", np.ones((64, 72), bool))
        path = tmp_path / "a.yaml"
        path.write_text("detector: MIRIMAGE\npixels:\n- {x: 5000, y: 2}\n- {mask: small.fits}\n")
        with pytest.raises(ShowermaskError) as error:
            read_regions(path)
        assert "x is 5000, but the frame has columns 0 to 1031" in str(error.value)
        assert "of shape (64, 72), but the frame has (1024, 1032)" in str(error.value)

    def test_times(self, tmp_path):
        """A pixel of a detector has no integration."""
        path = tmp_path / "a.yaml"
        path.write_text("detector: MIRIMAGE\npixels:\n- {x: 1, y: 2, integration: 0}\n")
        with pytest.raises(ShowermaskError, match="which a detector has not"):
            read_regions(path)

    @pytest.mark.slow
    def test_batch(self, ramp, tmp_path, monkeypatch):
        """A batch masks both, and does an exposure again when either file changes."""
        monkeypatch.chdir(tmp_path)
        self.write(ramp.parent)
        assert main(["batch", ".", str(ramp), "-o", "out", "-j1"]) == 0
        (product,) = Path("out").glob("*_jump.fits")
        assert fits.getheader(product)["SHWMDFIL"] == "mirimage_badpixels.yaml"
        with datamodels.open(product) as model:
            assert (model.groupdq[0, :, 30, 20] & 1).all()
        before = product.stat().st_mtime_ns
        assert main(["batch", ".", str(ramp), "-o", "out", "-j1"]) == 0
        assert product.stat().st_mtime_ns == before
        self.write(ramp.parent, useafter="2025-01-01")
        assert main(["batch", ".", str(ramp), "-o", "out", "-j1"]) == 0
        assert product.stat().st_mtime_ns != before


class TestMaskReference:
    """MASK reference files, and other masks."""

    def test_flags(self, out, detector):
        """All pixels have the flags of their kinds, and reference pixels theirs."""
        source = str(out / REGIONS)
        assert main(["convert", source, "mask.fits", "--to", "mask-reference"]) == 0
        with datamodels.MaskModel("mask.fits") as model:
            dq = np.array(model.dq)
            assert model.meta.reftype == "MASK"
            assert model.meta.useafter == "2026-01-01T00:00:00"
            assert model.meta.instrument.name == "MIRI"
        assert dq.shape == (1024, 1032)
        for kind, flag in (("hot", "HOT"), ("rc", "RC"), ("adj_open", "ADJ_OPEN")):
            is_flagged = (dq[:SIZE, :SIZE] & FLAGS[flag]) > 0
            assert (is_flagged & detector.truth[kind]).sum() >= 0.9 * detector.truth[kind].sum()
        assert (dq[:, :4] == FLAGS["REFERENCE_PIXEL"]).all()
        history = " ".join(map(str, fits.getheader("mask.fits")["HISTORY"]))
        assert "hot_sigma = 10.0" in history
        assert history.count("sha256") == 14

    def test_there_and_back(self, out):
        """A MASK reference becomes a region file, and that the same reference."""
        source = str(out / REGIONS)
        assert main(["convert", source, "mask.fits", "--to", "mask-reference"]) == 0
        assert main(["convert", "mask.fits", "back.yaml", "--from", "mask-reference"]) == 0
        assert main(["convert", "back.yaml", "again.fits", "--to", "mask-reference"]) == 0
        with datamodels.MaskModel("mask.fits") as one, datamodels.MaskModel("again.fits") as other:
            assert np.array_equal(one.dq, other.dq)

    def test_base(self, tmp_path, monkeypatch):
        """The flags of a base are kept."""
        monkeypatch.chdir(tmp_path)
        for name, x in (("a", 100), ("b", 200)):
            pixels = [BadPixels(x=x, y=50, flags=("HOT",))]
            write_regions(f"{name}.yaml", RegionFile(pixels=pixels, detector="NRCA1"))
        assert main(["convert", "a.yaml", "a.fits", "--to", "mask-reference"]) == 0
        more = ["--to", "mask-reference", "--base", "a.fits"]
        assert main(["convert", "b.yaml", "b.fits", *more]) == 0
        with datamodels.MaskModel("b.fits") as model:
            assert model.dq.shape == (2048, 2048)
            assert model.dq[50, 100] == model.dq[50, 200] == FLAGS["HOT"]
            assert model.dq[0, 1000] == FLAGS["REFERENCE_PIXEL"]
            assert model.meta.instrument.name == "NIRCAM"

    def test_exposure_is_none(self, tmp_path, monkeypatch, capsys):
        """A region file of an exposure makes no reference file."""
        monkeypatch.chdir(tmp_path)
        write_regions("a.yaml", RegionFile(pixels=[BadPixels(x=1, y=2)]))
        assert main(["convert", "a.yaml", "a.fits", "--to", "mask-reference"]) == 1
        assert "is of a detector" in capsys.readouterr().err
        assert not Path("a.fits").exists()

    def test_check(self, out, detector, capsys):
        """The flags have to arrive in an exposure; one that can't be read is told."""
        detector.dark(0).save("x_uncal.fits")
        source = str(out / REGIONS)
        to = ["--to", "mask-reference", "--check"]
        assert main(["convert", source, "mask.fits", *to, "x_uncal.fits"]) == 0
        assert main(["convert", source, "other.fits", *to, "missing.fits"]) == 1
        assert "dq_init can't use" in capsys.readouterr().err
        assert not Path("other.fits").exists()

    def test_boolean_array(self, out, detector):
        """An array of bool is True where a pixel is bad, and becomes a region file again."""
        source = str(out / REGIONS)
        (exposure,) = [str(Path("x_jump.fits"))]
        detector.dark(0).save(exposure)
        assert main(["convert", source, "bad.npy", "--exposure", exposure]) == 0
        bad = np.load("bad.npy")
        assert bad.shape == (SIZE, SIZE)
        assert bad.dtype == bool
        assert bad[detector.truth["hot"]].all()
        assert main(["convert", "bad.npy", "bad.yaml", "--exposure", exposure]) == 0
        assert main(["convert", "bad.yaml", "again.npy", "--exposure", exposure]) == 0
        assert np.array_equal(np.load("again.npy"), bad)

    def test_user_mask(self, out, detector):
        """The mask of clean_flicker_noise is 1 where a pixel tells the noise."""
        source = str(out / REGIONS)
        detector.dark(0).save("x_jump.fits")
        arguments = ["--to", "user-mask", "--exposure", "x_jump.fits"]
        assert main(["convert", source, "use.fits", *arguments]) == 0
        with datamodels.open("use.fits") as model:
            use = model.data.astype(bool)
        assert not use[detector.truth["hot"]].any()
        assert use.mean() > 0.9
        back = ["--from", "user-mask", "--exposure", "x_jump.fits"]
        assert main(["convert", "use.fits", "back.yaml", *back]) == 0
        assert main(["convert", "back.yaml", "again.fits", *arguments]) == 0
        assert np.array_equal(fits.getdata("again.fits", "SCI"), fits.getdata("use.fits", "SCI"))


class TestReview:
    """The file of a detector under review."""

    @pytest.fixture
    def session(self, tmp_path):
        """Return the review of a detector's file on a rate of the whole frame."""
        rate = datamodels.ImageModel(data=np.zeros((1024, 1032), np.float32))
        rate.meta.instrument.name, rate.meta.instrument.detector = "MIRI", "MIRIMAGE"
        rate.meta.exposure.readpatt = "FASTR1"
        rate.save(str(tmp_path / "x_rate.fits"))
        pixels = [BadPixels(x=900, y=30, flags=("HOT",), kind="hot", status="candidate")]
        region_file = RegionFile(pixels=pixels, detector="MIRIMAGE", readpatt="FASTR1")
        write_regions(tmp_path / REGIONS, region_file)
        return ReviewSession(describe_file(tmp_path / "x_rate.fits"), tmp_path / REGIONS)

    def test_saved(self, session):
        """A decision is saved, and the file stays that of the detector."""
        assert session.is_of_detector
        session.set_status([session.entries[0].id], "accepted")
        session.save(reviewer="A. Name")
        region_file = read_regions(session.path)
        assert region_file.detector == "MIRIMAGE"
        assert region_file.readpatt == "FASTR1"
        assert region_file.exposure is None
        assert region_file.pixels[0].is_accepted
        assert region_file.reviewer == "A. Name"

    def test_subarray(self, session, folder):
        """On a subarray its places would be wrong."""
        dark = describe_file(sorted((folder / "darks").iterdir())[0])
        with pytest.raises(ShowermaskError, match="an exposure of the full frame"):
            ReviewSession(dark, session.path)

    def test_history(self, detector, folder):
        """A pixel is shown in all integrations of the exposures of the folder, with its rates."""
        y, x = np.argwhere(detector.truth["hot"])[0]
        first, *others = sorted((folder / "darks").iterdir())
        history = pixel_history(ImageReader(first), int(x), int(y))
        assert len(history) == 1 + len(others)
        assert history[0].exposure == "jw00000001001_02101_00001_mirimage"
        assert [one.rate for one in history] == pytest.approx([10.2] * len(history), rel=0.1)
        assert history[0].values[0] is None  # the first group is not used
        assert history[0].values[1] == 0
        with pytest.raises(IndexError, match="expected x 0 to 127"):
            pixel_history(ImageReader(first), SIZE, 0)


class TestPipeline:
    """The MASK reference in the stock pipeline."""

    @pytest.mark.slow
    def test_override_mask(self, out, tmp_path):
        """``calwebb_detector1`` takes it with ``dq_init.override_mask``."""
        from jwst.pipeline import Detector1Pipeline

        assert main(["convert", str(out / REGIONS), "mask.fits", "--to", "mask-reference"]) == 0
        with datamodels.MaskModel("mask.fits") as model:
            y, x = np.argwhere(model.dq[:64, :72] & FLAGS["HOT"])[0]
        raw = RampBuilder(ngroups=8, ny=64, nx=72, readnoise=5.0, pedestal=100.0)
        raw.raw_model(subarray="SUB64").save("jw00001001001_02101_00001_mirimage_uncal.fits")
        cache = build_cache(tmp_path / "crds", Detector(ny=64, nx=72, subarray="SUB64"))
        with use_cache(cache):
            rate = Detector1Pipeline.call(
                "jw00001001001_02101_00001_mirimage_uncal.fits",
                steps={"dq_init": {"override_mask": "mask.fits"}},
            )
        assert rate.dq[y, x] & (FLAGS["HOT"] | 1) == FLAGS["HOT"] | 1
        assert np.isnan(rate.data[y, x])
        assert "mask.fits" in rate.meta.ref_file.mask.name


class TestDocs:
    """``docs/bad-pixels.md``."""

    TEXT = (Path(__file__).parents[1] / "docs" / "bad-pixels.md").read_text()

    def test_thresholds(self):
        """Each threshold is there, with its default."""
        for options in (DarkOptions(), FlatOptions()):
            for field in fields(options):
                name, value = f"`--{field.name.replace('_', '-')}`", getattr(options, field.name)
                assert name in self.TEXT
                shown = f"`{value}`" if isinstance(value, str) else f"({value:g}"
                assert shown in self.TEXT.partition(name)[2][:60], name

    def test_kinds(self):
        """Each kind is there, with its meaning and flags."""
        table = FlagTable({})
        for kind in KINDS.values():
            flags = ", ".join(table.flags_of(kind.name))
            assert f"| `{kind.name}` | {kind.meaning} | {flags} |" in self.TEXT

    def test_seed_parameters(self):
        """Each parameter of jwst_reffiles has its counterpart."""
        given = """flat_slope_files dead_search low_qe_and_open_search dead_search_type
        flat_mean_sigma_threshold flat_mean_normalization_method smoothing_box_width smoothing_type
        dead_sigma_threshold max_dead_norm_signal run_dead_flux_check dead_flux_check_files
        flux_check max_low_qe_norm_signal max_open_adj_norm_signal manual_flag_file flat_do_not_use
        dark_slope_files dark_uncal_files dark_jump_files dark_fitopt_files
        dark_stdev_clipping_sigma dark_max_clipping_iters dark_noisy_threshold
        max_saturated_fraction max_jump_limit jump_ratio_threshold early_cutoff_fraction
        pedestal_sigma_threshold rc_fraction_threshold low_pedestal_fraction high_cr_fraction
        flag_values dark_do_not_use plot output_file author description pedigree useafter history
        quality_check"""
        missing = [name for name in given.split() if f"`{name}`" not in self.TEXT]
        assert not missing
