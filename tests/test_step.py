"""ManualShowerMaskStep by itself: planes, bits, look-up, refusals, names, provenance."""

import contextlib
import hashlib
import logging
import shutil
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from astropy.io import fits
from oracles import lone_groups
from stdatamodels.jwst import datamodels
from stpipe import Step

from showermask import ManualShowerMaskStep, Shower
from showermask.exceptions import (
    ExposureError,
    FlagError,
    MaskTooLargeError,
    OutputError,
    RegionFileError,
    ShowerError,
)
from showermask.regionfile.lookup import REGIONS_VARIABLE

ROOT = "jw00001001001_02101_00001_mirimage"
BOTH = 5


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Run in an empty folder, with no region file in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(REGIONS_VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def messages(caplog):
    """Return a function for the texts that the step logged."""
    caplog.set_level(logging.INFO, logger="stpipe.showermask")
    return lambda: [r.getMessage() for r in caplog.records if r.name == "stpipe.showermask"]


@pytest.fixture
def saved(ramp, tmp_path):
    """Return the path of a saved jump file."""
    path = tmp_path / f"{ROOT}_jump.fits"
    ramp.save(str(path))
    return path


def digest(path):
    """Return a hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def inside(shower, shape=(32, 40)):
    """Return the mask of a shower on the frame."""
    mask = np.zeros(shape, bool)
    box = shower.ellipse.box(shape)
    mask[box] = shower.ellipse.inside(*box)
    return mask


def images(kind):
    """Return a model of the kind with all DQ bits used somewhere, and its plane's name."""
    if kind == "ramp":
        model, plane = datamodels.RampModel((2, 10, 32, 40)), "groupdq"
    elif kind == "rateints":
        model, plane = datamodels.CubeModel((2, 32, 40)), "dq"
    else:
        classes = {"rate": datamodels.ImageModel, "ifu": datamodels.IFUImageModel}
        model, plane = classes[kind]((32, 40)), "dq"
    rng = np.random.default_rng(5)
    model.dq = rng.integers(0, 256, (32, 40)) if kind in ("rate", "ifu") else None
    setattr(model, plane, rng.integers(0, 256, model.data.shape).astype(np.uint8))
    return model, plane


@pytest.mark.parametrize("kind", ["ramp", "rateints", "rate", "ifu"])
def test_each_row_of_the_model_table(write, shower, kind):
    """The right plane gets both bits in the right pixels, ORed; nothing else changes."""
    model, plane = images(kind)
    before = getattr(model, plane).copy()
    result = ManualShowerMaskStep.call(model, region_file=str(write(shower)))
    mask = np.zeros(before.shape, bool)
    where = {"ramp": np.s_[0, 3:], "rateints": np.s_[0]}.get(kind, np.s_[...])
    mask[where] = inside(shower)
    expected = np.where(mask, before | BOTH, before)
    if kind == "ramp":
        for y, x in np.argwhere(inside(shower)):
            expected[0, :, y, x] |= np.array(lone_groups(expected[0, :, y, x]), np.uint8)
    np.testing.assert_array_equal(getattr(result, plane), expected)
    np.testing.assert_array_equal(getattr(model, plane), before)
    np.testing.assert_array_equal(result.data, model.data)
    assert getattr(result, plane).dtype == (np.uint8 if kind == "ramp" else np.uint32)
    assert result.meta.cal_step.manual_shower_mask == "COMPLETE"
    assert getattr(model.meta.cal_step, "manual_shower_mask", None) is None


def test_a_rate_is_masked_by_showers_of_any_integration(write, shower):
    """In two dimensions integrations are not told apart."""
    model = datamodels.ImageModel((32, 40))
    model.meta.exposure.nints = 5
    late = Shower(integration=4, group=9, x=35, y=28, a=2, b=2, theta=0)
    result = ManualShowerMaskStep.call(model, region_file=str(write(shower, late)))
    np.testing.assert_array_equal(result.dq, np.where(inside(shower) | inside(late), BOTH, 0))


def test_last_group_ends_the_mask(ramp, write):
    """Groups after last_group are left alone."""
    brief = Shower(integration=0, group=3, last_group=5, x=20, y=15, a=5, b=5, theta=0)
    result = ManualShowerMaskStep.call(ramp, region_file=str(write(brief)))
    np.testing.assert_array_equal(result.groupdq[0, :, 15, 20], [1, 0, 0, 5, 5, 5, 0, 0, 0, 1])


def test_only_accepted_showers_are_applied(ramp, write, shower, messages):
    """Candidates and rejected showers change nothing; open candidates are warned about."""
    parts = {name: getattr(shower, name) for name in ("x", "y", "a", "b", "theta")}
    others = [
        Shower(integration=0, group=0, status=status, **parts)
        for status in ("candidate", "rejected")
    ]
    result = ManualShowerMaskStep.call(ramp, region_file=str(write(*others)))
    np.testing.assert_array_equal(result.groupdq, ramp.groupdq)
    assert any(
        "1 candidate is not applied; accept or reject it" in message for message in messages()
    )


def test_showers_may_name_their_flags(write, shower):
    """A shower's own flags replace the step's."""
    own = Shower(**{**shower.to_mapping(), "flags": ["PERSISTENCE"]})
    result = ManualShowerMaskStep.call(
        datamodels.ImageModel((32, 40)), region_file=str(write(own)), flags=["HOT"]
    )
    assert result.dq[15, 20] == 32


def test_flags_parameter(ramp, write, shower, messages):
    """The step's flags are for showers that name none; leaving DO_NOT_USE out is warned about."""
    result = ManualShowerMaskStep.call(ramp, region_file=str(write(shower)), flags=["JUMP_DET"])
    assert result.groupdq[0, 5, 15, 20] == 4
    assert any("masked without DO_NOT_USE" in message for message in messages())


@pytest.mark.parametrize("plane", ["groupdq", "dq"])
def test_flags_that_the_plane_lacks(ramp, write, shower, plane):
    """HOT exists for pixels, not for groups; NOPE nowhere."""
    model = ramp if plane == "groupdq" else datamodels.ImageModel((32, 40))
    wrong = "HOT" if plane == "groupdq" else "NOPE"
    with pytest.raises(
        FlagError, match=f"{wrong} is not a flag of {plane.upper()}, expected names among"
    ):
        ManualShowerMaskStep.call(model, region_file=str(write(shower)), flags=[wrong])


def test_a_slip_in_a_is_refused(ramp, write, saved, messages):
    """A mask over more than max_masked_fraction is refused, and allowed when asked for."""
    slip = Shower(integration=0, group=0, x=20, y=15, a=900, b=900, theta=0)
    path = str(write(slip))
    with pytest.raises(MaskTooLargeError, match="covers 100.0% of the frame"):
        ManualShowerMaskStep.call(str(saved), region_file=path, save_results=True)
    assert [p.name for p in saved.parent.glob("*.fits")] == [saved.name]
    result = ManualShowerMaskStep.call(ramp, region_file=path, max_masked_fraction=1.0)
    assert np.all(result.groupdq & BOTH == BOTH)


def test_showers_outside_the_frame_are_refused(ramp, write):
    """An ellipse that covers no pixel is probably in the coordinates of another subarray."""
    away = Shower(integration=0, group=0, x=700, y=15, a=9, b=9, theta=0)
    with pytest.raises(RegionFileError) as raised:
        ManualShowerMaskStep.call(ramp, region_file=str(write(away)))
    assert "showers[0] covers no pixel of the frame (x 700, y 15" in str(raised.value)


class TestRefusals:
    """What is not taken is refused before anything is changed."""

    @pytest.mark.parametrize(
        "name", ["uncal", "MultiSlitModel", "SlitModel", "GuiderRawModel", "MultiSpecModel"]
    )
    def test_products(self, write, shower, tmp_path, builder, name):
        """Each kind of product that can't be masked is refused with what is taken."""
        path = tmp_path / f"{ROOT}_{'uncal' if name == 'uncal' else 'x'}.fits"
        if name == "uncal":
            builder.raw_model().save(str(path))
        else:
            shape = {"SlitModel": (8, 9), "GuiderRawModel": (1, 5, 8, 9)}.get(name)
            model_class = getattr(datamodels, name)
            (model_class(shape) if shape else model_class()).save(str(path))
        before = digest(path)
        with pytest.raises(ExposureError, match="expected a ramp .* rateints .* or a rate"):
            ManualShowerMaskStep.call(str(path), region_file=str(write(shower)), save_results=True)
        assert digest(path) == before
        assert list(tmp_path.glob("*.fits")) == [path]

    def test_a_cap_that_is_not_a_number(self, ramp, write, shower):
        """NaN does not switch the cap off."""
        with pytest.raises(MaskTooLargeError):
            ManualShowerMaskStep.call(
                ramp, region_file=str(write(shower)), max_masked_fraction=float("nan")
            )

    def test_associations(self, write, shower, saved, tmp_path):
        """One exposure at a time."""
        asn = tmp_path / "x_asn.json"
        source = resources.files("jwst") / "stpipe/tests/data/single_member_miri_asn.json"
        shutil.copyfile(source, asn)
        shutil.copyfile(source.parent / "miri_data.fits", tmp_path / "miri_data.fits")
        with pytest.raises(ExposureError, match="is a ModelContainer, expected a ramp"):
            ManualShowerMaskStep.call(str(asn), region_file=str(write(shower)))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"exposure": "jw09"}, f"exposure is jw09, but the data are {ROOT}"),
            ({"shape": (1, 10, 32, 41)}, r"shape is \[1, 10, 32, 41\], but .* \[1, 10, 32, 40\]"),
            ({"subarray": "FULL"}, "subarray is FULL, but the data have SUB128"),
        ],
    )
    def test_the_wrong_exposure(self, saved, write, shower, content, message):
        """A region file that was made for other data is not applied."""
        path = str(write(shower, **content))
        with pytest.raises(RegionFileError, match=message):
            ManualShowerMaskStep.call(str(saved), region_file=path)

    @pytest.mark.parametrize("kind", ["ramp", "rateints"])
    def test_integrations_beyond_the_data(self, write, kind):
        """An integration that is not there does not wrap around."""
        model, _ = images(kind)
        path = write(Shower(integration=2, group=0, x=9, y=9, a=2, b=2, theta=0))
        with pytest.raises(RegionFileError, match=r"showers\[0\].integration is 2, .* 0 to 1"):
            ManualShowerMaskStep.call(model, region_file=str(path))

    def test_groups_beyond_the_data(self, ramp, write):
        """Also in showers that are not applied."""
        path = write(
            Shower(integration=0, group=10, x=9, y=9, a=2, b=2, theta=0, status="rejected")
        )
        with pytest.raises(
            RegionFileError, match=r"group is 10, but the exposure has groups 0 to 9"
        ):
            ManualShowerMaskStep.call(ramp, region_file=str(path))

    def test_a_missing_region_file(self, ramp):
        """An explicit region file that is not there is an error."""
        with pytest.raises(RegionFileError, match="gone.yaml: does not exist, expected"):
            ManualShowerMaskStep.call(ramp, region_file="gone.yaml")

    def test_a_missing_file_in_the_environment(self, ramp, monkeypatch):
        """A slip in the variable does not leave showers unmasked."""
        monkeypatch.setenv(REGIONS_VARIABLE, "gone/")
        with pytest.raises(RegionFileError, match="gone: does not exist"):
            ManualShowerMaskStep.call(ramp)


class TestLookUp:
    """Where the region file comes from when none is named."""

    @pytest.fixture
    def named(self, write, shower):
        """Return a function that writes the exposure's region file into a folder."""

        def write_into(folder, suffix=".yaml"):
            folder.mkdir(exist_ok=True)
            return write(shower, name=folder / f"{ROOT}_showers{suffix}")

        return write_into

    @pytest.mark.parametrize("suffix", [".yaml", ".yml", ".asdf"])
    def test_beside_the_input(self, saved, named, suffix):
        """A region file beside the exposure is found by its name."""
        named(saved.parent, suffix)
        result = ManualShowerMaskStep.call(str(saved))
        assert result.meta.cal_step.manual_shower_mask == "COMPLETE"

    def test_in_a_directory(self, saved, named, tmp_path):
        """region_file may be a directory."""
        named(tmp_path / "regions")
        result = ManualShowerMaskStep.call(str(saved), region_file=str(tmp_path / "regions"))
        assert result.meta.cal_step.manual_shower_mask == "COMPLETE"

    @pytest.mark.parametrize("as_directory", [True, False])
    def test_in_the_environment(self, saved, named, tmp_path, monkeypatch, as_directory):
        """The variable names a directory, or a file."""
        file = named(tmp_path / "regions")
        monkeypatch.setenv(REGIONS_VARIABLE, str(file.parent if as_directory else file))
        result = ManualShowerMaskStep.call(str(saved))
        assert result.meta.cal_step.manual_shower_mask == "COMPLETE"

    def test_beside_the_input_when_not_in_the_environments_directory(
        self, saved, named, tmp_path, monkeypatch
    ):
        """The variable's directory comes first, the input's after it."""
        (tmp_path / "empty").mkdir()
        monkeypatch.setenv(REGIONS_VARIABLE, str(tmp_path / "empty"))
        named(saved.parent)
        result = ManualShowerMaskStep.call(str(saved))
        assert result.meta.cal_step.manual_shower_mask == "COMPLETE"

    def test_the_parameter_comes_first(self, saved, named, tmp_path, monkeypatch, write):
        """A region file that is named is the one that is used."""
        named(saved.parent)
        monkeypatch.setenv(REGIONS_VARIABLE, str(named(tmp_path / "regions")))
        result = ManualShowerMaskStep.call(str(saved), region_file=str(write(name="none.yaml")))
        assert not np.any(result.groupdq & 4)

    def test_a_second_file_is_warned_about(self, saved, named, messages):
        """Of two files for one exposure the first is used, and the other one named."""
        named(saved.parent)
        other = named(saved.parent, ".asdf")
        ManualShowerMaskStep.call(str(saved))
        assert any(f"{other.name}: not used" in message for message in messages())

    @pytest.mark.parametrize("directory", [None, "regions"])
    def test_nothing_found(self, saved, tmp_path, messages, directory):
        """Without a region file the step is SKIPPED, in one line, and the data are as they were."""
        (tmp_path / "regions").mkdir()
        result = ManualShowerMaskStep.call(str(saved), region_file=directory)
        assert result.meta.cal_step.manual_shower_mask == "SKIPPED"
        (message,) = messages()
        assert f"no region file {ROOT}_showers.yaml, .yml or .asdf in" in message
        with datamodels.open(saved) as before:
            np.testing.assert_array_equal(result.groupdq, before.groupdq)


class TestInputs:
    """File names, paths, models, and what pipelines hand on."""

    @pytest.mark.parametrize("kind", [str, lambda path: path])
    def test_files(self, saved, write, shower, kind):
        """A file is opened, masked and not written to."""
        before = digest(saved)
        result = ManualShowerMaskStep.call(kind(saved), region_file=str(write(shower)))
        assert result.groupdq[0, 5, 15, 20] == BOTH
        assert digest(saved) == before

    def test_in_a_pipeline_the_model_itself_is_masked(self, ramp, write, shower):
        """A step with a parent makes no copy."""
        step = ManualShowerMaskStep(region_file=str(write(shower)))
        step.parent = Step.__new__(ManualShowerMaskStep)
        step.parent.__dict__.update(parent=None, class_alias=None, _input_dir="")
        assert step.process(ramp) is ramp

    def test_the_tuple_of_ramp_fit(self, write, shower):
        """As a hook of ramp_fit the step gets a rate and rateints, and masks both."""
        rate, rateints = datamodels.ImageModel((32, 40)), datamodels.CubeModel((1, 32, 40))
        step = ManualShowerMaskStep(region_file=str(write(shower)))
        masked = step.process((rate, rateints))
        assert masked[0].dq[15, 20] == masked[1].dq[0, 15, 20] == BOTH
        assert step.process((None, None)) == (None, None)

    def test_hdus_in_another_order(self, saved, write, shower, tmp_path):
        """Planes are found by name."""
        with fits.open(saved) as hdus:
            order = ["PRIMARY", "GROUPDQ", "ASDF", "PIXELDQ", "SCI"]
            shuffled = fits.HDUList([hdus[name].copy() for name in order])
            shuffled.writeto(tmp_path / "other_jump.fits")
        region_file = str(write(shower))
        result = ManualShowerMaskStep.call("other_jump.fits", region_file=region_file)
        expected = ManualShowerMaskStep.call(str(saved), region_file=region_file)
        for name in ("data", "groupdq", "pixeldq"):
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))
        assert np.count_nonzero(result.groupdq & 4) == 7 * np.count_nonzero(inside(shower))

    def test_the_file_inside_jwst(self, write):
        """A real LRS cube with rich DQ keeps every bit that it had."""
        source = resources.files("jwst") / "stpipe/tests/data/miri_data.fits"
        shower = Shower(integration=7, group=2, x=40, y=200, a=12, b=30, theta=15)
        path = write(shower, exposure="miri_data")
        with datamodels.open(str(source)) as model:
            before = model.dq.copy()
            result = ManualShowerMaskStep.call(model, region_file=str(path))
        mask = np.zeros(before.shape, bool)
        mask[7] = inside(shower, before.shape[1:])
        np.testing.assert_array_equal(result.dq, np.where(mask, before | BOTH, before))


class TestOutputs:
    """Names, and files that are whole or not there."""

    @pytest.mark.parametrize(
        ("source", "product"),
        [
            (f"{ROOT}_jump.fits", f"{ROOT}_jump_showermask.fits"),
            (f"{ROOT}_ramp.fits", f"{ROOT}_ramp_showermask.fits"),
            (f"{ROOT}_rateints.fits", f"{ROOT}_rateints_showermask.fits"),
            (f"{ROOT}_rate.fits", f"{ROOT}_rate_showermask.fits"),
            ("mine.fits", "mine_showermask.fits"),
        ],
    )
    def test_names(self, ramp, write, shower, tmp_path, source, product):
        """The products of a ramp and of its rate stay apart, and apart from their inputs."""
        ramp.save(str(tmp_path / source))
        (tmp_path / "out").mkdir()
        ManualShowerMaskStep.call(
            source, region_file=str(write(shower)), save_results=True, output_dir="out"
        )
        assert [path.name for path in (tmp_path / "out").iterdir()] == [product]
        assert fits.getval(tmp_path / "out" / product, "FILENAME") == product

    def test_suffix_is_stpipes(self, saved, write, shower, tmp_path):
        """With --suffix the product takes the place of the input's suffix, as everywhere."""
        ManualShowerMaskStep.call(
            str(saved), region_file=str(write(shower)), save_results=True, suffix="mine"
        )
        assert (tmp_path / f"{ROOT}_mine.fits").exists()

    def test_the_input_is_never_overwritten(self, saved, write, shower):
        """Also not when asked to."""
        before = digest(saved)
        with pytest.raises(OutputError, match="is the input, which is never overwritten"):
            ManualShowerMaskStep.call(
                str(saved), region_file=str(write(shower)), save_results=True, suffix="jump"
            )
        assert digest(saved) == before

    def test_the_file_of_a_model_is_not_overwritten(self, saved, write, shower, tmp_path):
        """A model does not tell its folder; a file of its name is never replaced."""
        before = digest(saved)
        (tmp_path / "elsewhere").mkdir()
        with datamodels.open(saved) as model, contextlib.chdir(tmp_path / "elsewhere"):
            step = ManualShowerMaskStep(region_file=str(write(shower)), suffix="jump")
            step.save_results, step.output_dir = True, str(tmp_path)
            with pytest.raises(OutputError, match="is the input"):
                step.run(model)
        assert digest(saved) == before

    def test_a_step_that_is_run_twice_names_each_product(self, ramp, write, shower, tmp_path):
        """An instance, as a hook in a loop over exposures is, does not keep the first name."""
        step = ManualShowerMaskStep(region_file=str(write(shower)))
        step.save_results = True
        for name in ("a_jump.fits", "b_rate.fits"):
            model = ramp if name == "a_jump.fits" else datamodels.ImageModel((32, 40))
            model.meta.filename = name
            step.run(model)
        products = {path.name for path in tmp_path.glob("*_showermask.fits")}
        assert products == {"a_jump_showermask.fits", "b_rate_showermask.fits"}

    def test_links_are_replaced_not_followed(self, saved, write, shower, tmp_path):
        """A product in whose place a link is leaves the link's target alone."""
        (tmp_path / "precious.fits").write_text("precious")
        (tmp_path / f"{ROOT}_jump_showermask.fits").symlink_to("precious.fits")
        ManualShowerMaskStep.call(str(saved), region_file=str(write(shower)), save_results=True)
        assert (tmp_path / "precious.fits").read_text() == "precious"

    def test_a_product_that_is_up_to_date_is_left_alone(self, saved, write, shower, messages):
        """Masking a product again with the same file leaves it to the byte."""
        region_file = str(write(shower))
        product = saved.parent / f"{ROOT}_jump_showermask.fits"
        for source in (saved, product):
            ManualShowerMaskStep.call(str(source), region_file=region_file, save_results=True)
            if source is saved:
                before = digest(product)
        assert digest(product) == before
        assert any("is masked by this region file already" in message for message in messages())

    def test_a_product_that_would_change_is_not_overwritten(self, saved, write, shower):
        """Other flags or another region file are not for the same file."""
        region_file = str(write(shower))
        product = saved.parent / f"{ROOT}_jump_showermask.fits"
        ManualShowerMaskStep.call(str(saved), region_file=region_file, save_results=True)
        before = digest(product)
        with pytest.raises(OutputError, match="is the input"):
            ManualShowerMaskStep.call(
                str(product), region_file=region_file, save_results=True, flags=["SATURATED"]
            )
        assert digest(product) == before

    def test_a_failing_write_leaves_nothing(self, saved, write, shower, monkeypatch):
        """When the disk is full there is no product, rather than half of one."""
        region_file = str(write(shower))

        def fail(_, path):
            with open(path, "w") as file:  # noqa: PTH123
                file.write("half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(datamodels.RampModel, "save", fail)
        with pytest.raises(OutputError, match=r"can't be written .*No space left"):
            ManualShowerMaskStep.call(str(saved), region_file=region_file, save_results=True)
        names = sorted(path.name for path in saved.parent.iterdir())
        assert names == [f"{ROOT}_jump.fits", "regions.yaml"]


class TestProvenance:
    """What a product says about its mask."""

    @pytest.mark.parametrize("kind", ["ramp", "rateints", "rate"])
    def test_keywords_and_history(self, write, shower, tmp_path, kind):
        """Keywords name the region file, its hash, showers and pixels; HISTORY says it in words."""
        model, _ = images(kind)
        path = write(shower)
        ManualShowerMaskStep.call(model, region_file=str(path)).save(str(tmp_path / "out.fits"))
        header = fits.getheader(tmp_path / "out.fits")
        pixels = np.count_nonzero(inside(shower))
        assert header["S_SHWMSK"] == "COMPLETE"
        assert header["SHWMFILE"] == "regions.yaml"
        assert header["SHWMHASH"] == digest(path)[:16]
        assert (header["SHWMNSHW"], header["SHWMNPIX"]) == (1, pixels)
        lone = header["SHWMNLON"]
        assert (lone > 0) == (kind == "ramp")
        counts = f"{pixels} pixels and {lone} lone groups" if lone else f"{pixels} pixels"
        history = " ".join(header["HISTORY"])
        assert f"masked 1 shower ({counts}) from regions.yaml" in history

    @pytest.mark.parametrize("group", [2, 3], ids=["lone groups", "no lone groups"])
    def test_twice_is_once(self, saved, write, shower, tmp_path, group):
        """Applied again, from disk: the same pixels, keywords and HISTORY."""
        mask = replace(shower, group=group)
        region_file = str(write(mask, name="a_rather_long_name_of_a_region_file.yaml"))
        once = ManualShowerMaskStep.call(str(saved), region_file=region_file)
        once.save(str(tmp_path / "once.fits"))
        ManualShowerMaskStep.call("once.fits", region_file=region_file).save(
            str(tmp_path / "twice.fits")
        )
        with fits.open("once.fits") as a, fits.open("twice.fits") as b:
            np.testing.assert_array_equal(a["GROUPDQ"].data, b["GROUPDQ"].data)
            ignored = ("DATE", "FILENAME")
            headers = [
                [tuple(card) for card in hdus[0].header.cards if card.keyword not in ignored]
                for hdus in (a, b)
            ]
            assert headers[0] == headers[1]

    def test_another_region_file_replaces_keywords_and_adds_history(self, ramp, write, shower):
        """Keywords are of the last run, HISTORY of all."""
        first = ManualShowerMaskStep.call(ramp, region_file=str(write(shower)))
        other = Shower(integration=0, group=1, x=35, y=28, a=2, b=2, theta=0)
        both = ManualShowerMaskStep.call(
            first, region_file=str(write(shower, other, name="both.yaml"))
        )
        cards = both.instance["extra_fits"]["PRIMARY"]["header"]
        assert [card[1] for card in cards if card[0] == "SHWMFILE"] == ["both.yaml"]
        text = " ".join(entry["description"] for entry in both.instance["history"]["entries"])
        assert "from regions.yaml" in text
        assert "from both.yaml" in text

    def test_skipped_is_recorded(self, saved, tmp_path):
        """A run without a region file says so in the header."""
        ManualShowerMaskStep.call(str(saved)).save(str(tmp_path / "out.fits"))
        header = fits.getheader(tmp_path / "out.fits")
        assert header["S_SHWMSK"] == "SKIPPED"
        assert "SHWMFILE" not in header

    def test_skipped_does_not_hide_an_earlier_mask(self, ramp, write, shower):
        """A masked product stays recorded as masked when a later run finds no region file."""
        masked = ManualShowerMaskStep.call(ramp, region_file=str(write(shower)))
        again = ManualShowerMaskStep.call(masked)
        assert again.meta.cal_step.manual_shower_mask == "COMPLETE"

    def test_an_empty_region_file_does_not_hide_an_earlier_mask(self, ramp, write, shower):
        """Masking nothing leaves the record of what was masked."""
        masked = ManualShowerMaskStep.call(ramp, region_file=str(write(shower)))
        again = ManualShowerMaskStep.call(masked, region_file=str(write(name="none.yaml")))
        cards = {card[0]: card[1] for card in again.instance["extra_fits"]["PRIMARY"]["header"]}
        assert (cards["SHWMFILE"], cards["SHWMNSHW"]) == ("regions.yaml", 1)

    def test_names_that_fits_headers_cannot_hold(self, ramp, write, shower, tmp_path):
        """A region file may have any name; FITS headers are ASCII."""
        path = write(shower, name="régions_№1.yaml")
        ManualShowerMaskStep.call(ramp, region_file=str(path)).save(str(tmp_path / "out.fits"))
        assert fits.getval(tmp_path / "out.fits", "SHWMFILE") == r"r\xe9gions_\u21161.yaml"


class TestOddInputs:
    """Found by attacks."""

    def test_a_compressed_file_finds_its_region_file(self, ramp, write, shower, tmp_path):
        """Also under a free name."""
        ramp.save(str(tmp_path / "free.fits"))
        with fits.open("free.fits") as hdus:
            hdus.writeto("free.fits.gz")
        (tmp_path / "free.fits").unlink()
        write(shower, name="free_showers.yaml")
        result = ManualShowerMaskStep.call("free.fits.gz", save_results=True)
        assert result.meta.cal_step.manual_shower_mask == "COMPLETE"

    def test_the_same_entry_twice(self, ramp, write, shower, messages):
        """Is masked once, and warned about."""
        ManualShowerMaskStep.call(ramp, region_file=str(write(shower, shower)))
        assert any("showers[1] says the same as showers[0]" in text for text in messages())

    @pytest.mark.parametrize("theta", [1.1e6, -1e300])
    def test_angles_that_are_noise(self, shower, theta):
        """Of so large a number of degrees no direction is left."""
        with pytest.raises(ShowerError, match="expected -?1000000 or (less|more)"):
            replace(shower, theta=theta)

    def test_an_instance_that_is_to_be_skipped(self, ramp, write, shower):
        """As a hook it is handed a model: it leaves that alone, and says so."""
        hook = ManualShowerMaskStep(region_file=str(write(shower)), skip=True)
        before = ramp.groupdq.copy()
        result = hook.run(ramp)
        assert result is ramp
        np.testing.assert_array_equal(result.groupdq, before)
        assert result.meta.cal_step.manual_shower_mask == "SKIPPED"
