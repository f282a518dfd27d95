"""What the server of the review page answers about an entry: images, curves, fits, witnesses."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from starlette.testclient import TestClient

from showermask import RegionFile, Shower, evidence, write_regions
from showermask.commands.review.app import make_app
from showermask.commands.review.exposures import Review
from showermask.commands.review.security import TOKEN_HEADER
from showermask.regionfile.lookup import find_work
from showermask.synthetic.ramps import RampBuilder

SHAPE = (96, 104)
GLOW = Shower(integration=1, group=8, x=50.0, y=40.0, a=14.0, b=9.0, theta=20.0)


@pytest.fixture
def builder():
    """Return ramps of two integrations with noise and a glow in the second."""
    sky = RampBuilder(nints=2, ngroups=24, ny=96, nx=104, readnoise=6.0, pedestal=100.0, seed=3)
    return sky.add_glow(GLOW, amplitude=12.0, decay=12.0)


@pytest.fixture
def jump(builder, tmp_path):
    """Return the path of a jump file."""
    path = tmp_path / "a_jump.fits"
    builder.model().save(str(path))
    return path


@pytest.fixture
def client(jump):
    """Return a client that has the token."""
    app = make_app(Review(find_work(jump)), token="secret")
    return TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: "secret"})


def ask(client, path, entry=GLOW, **body):
    """Ask about an entry; return the answer."""
    body = {"showers": entry.to_mapping(), **body} if entry else body
    return client.post(f"/api/exposures/0/{path}", json=body)


def decoded(answer, shape=SHAPE):
    """Return the image of an answer."""
    assert answer.status_code == 200, answer.text
    size = shape[0] * shape[1]
    low, high = np.frombuffer(answer.content, np.uint8).reshape(2, size).astype(int)
    codes = low + 256 * high
    median, mad = (float(answer.headers[name]) for name in ("X-Median", "X-Mad"))
    values = median + 8 * mad * np.sinh((codes - 32768) / 256)
    return np.where(codes == 0, np.nan, values).reshape(shape)


class TestImages:
    """Kinds of image."""

    def test_evidence(self, client, jump):
        """It is that of the function, at the smoothing that is asked for."""
        for smoothing in (None, 0, 2.5):
            image = decoded(ask(client, "view", kind="evidence", smoothing=smoothing))
            expected = evidence(jump, GLOW, smoothing=smoothing)
            np.testing.assert_allclose(image, expected, atol=0.1, rtol=0.01)

    def test_around_the_entry_first(self, client, jump):
        """The part on show comes first, with its place."""
        small = replace(GLOW, x=20.0, y=20.0, a=4.0, b=4.0)
        answer = ask(client, "part", small)
        shape = tuple(map(int, answer.headers["X-Shape"].split()))
        left, top = map(int, answer.headers["X-At"].split())
        assert (left, top) == (0, 0)
        assert min(shape) >= 4 * 8
        part = decoded(answer, shape)
        whole = evidence(jump, small)[: shape[0], : shape[1]]
        assert np.corrcoef(part.ravel(), whole.ravel())[0, 1] > 0.95

    def test_of_groups(self, client, builder):
        """One group less another, and the mean of those of the entry."""
        ramp = builder.array()[1]
        options = {"kind": "pair", "integration": 1, "group": 12, "from": 3}
        pair = decoded(ask(client, "view", None, **options))
        np.testing.assert_allclose(pair, ramp[12] - ramp[3], atol=1)
        mean = decoded(
            ask(client, "view", replace(GLOW, last_group=15), kind="mean", integration=1)
        )
        np.testing.assert_allclose(mean, (ramp[15] - ramp[7]) / 8, atol=0.3)

    def test_rates(self, client):
        """Before the mask the glow is in the rate, after it the rate is the true one."""
        before, after = (
            decoded(ask(client, "view", kind=kind, integration=1)) for kind in ("before", "after")
        )
        box = GLOW.ellipse.box(SHAPE)
        inside = GLOW.ellipse.inside(*box)
        assert np.mean(before[box][inside]) > 10.4
        assert np.mean(after[box][inside]) == pytest.approx(10, abs=0.2)
        np.testing.assert_allclose(before[80:], after[80:], atol=0.05)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"kind": "evidense"}, "expected one of evidence, pair"),
            ({"kind": "evidence", "smoothing": 9}, "expected 0 to 4 pixels"),
            ({"kind": "before", "integration": 7}, "expected integrations 0 to 1"),
            ({"kind": "pair", "integration": 0, "group": 99, "from": 0}, "groups 0 to 23"),
        ],
    )
    def test_refusals(self, client, body, words):
        """Each says what was expected."""
        answer = ask(client, "view", **body)
        assert answer.status_code in (404, 422)
        assert words in answer.json()["error"]

    def test_no_entry(self, client):
        """Evidence is evidence for something."""
        answer = ask(client, "view", None, kind="evidence")
        assert answer.status_code == 422
        assert "has no entry" in answer.json()["error"]


class TestCurve:
    """The light curve."""

    def test_of_a_ramp(self, client):
        """In DN/s over groups, with the fitted glow, and other integrations behind it."""
        curve = ask(client, "curve").json()
        assert (curve["axis"], curve["first"], curve["unit"]) == ("group", 1, "DN/s")
        assert curve["step"] == pytest.approx(2.775)
        assert len(curve["values"]) == len(curve["errors"]) == len(curve["model"]) == 23
        assert curve["values"][0] is None
        assert max(curve["values"][1:-1]) > 1.5
        assert curve["model"][3] == pytest.approx(curve["level"], abs=1e-5)
        assert [other["integration"] for other in curve["others"]] == [0]
        assert abs(curve["others"][0]["values"][8]) < 1

    def test_of_a_rate(self, tmp_path, builder):
        """A rate has none."""
        from stdatamodels.jwst import datamodels

        rate = datamodels.ImageModel(np.ones(SHAPE, np.float32))
        rate.save(str(tmp_path / "b_rate.fits"))
        app = make_app(Review(find_work(tmp_path / "b_rate.fits")), token="secret")
        client = TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: "secret"})
        answer = ask(client, "curve")
        assert answer.status_code == 422
        assert "a rate has no light curve" in answer.json()["error"]


class TestFits:
    """What O, E and F set."""

    def test_group(self, client):
        """The onset, from an entry with another one."""
        answer = ask(client, "fit", replace(GLOW, group=14), what="group").json()
        assert answer["values"] == {"group": 8}

    def test_last_group(self, client):
        """An end before that of the integration, with both trades."""
        answer = ask(client, "fit", what="last_group").json()
        assert 10 <= answer["values"]["last_group"] <= 20
        assert "removes" in answer["says"]
        assert "To the end of the integration" in answer["says"]
        assert answer["says"].count("noise × ") == 2

    def test_ellipse(self, client):
        """Drawn askew, it is brought to the glow."""
        askew = replace(GLOW, x=56.0, y=44.0, a=8.0, b=8.0)
        fitted = ask(client, "fit", askew, what="ellipse").json()["values"]
        assert np.hypot(fitted["x"] - GLOW.x, fitted["y"] - GLOW.y) < 2
        assert 7 < fitted["b"] <= fitted["a"] < 17

    def test_where_there_is_nothing(self, client):
        """It says so, rather than to fit noise."""
        nothing = replace(GLOW, x=20.0, y=80.0, a=5.0, b=5.0, integration=0)
        answer = ask(client, "fit", nothing, what="ellipse")
        assert answer.status_code == 422
        assert "nothing stands out there" in answer.json()["error"]

    def test_noise_in_the_effect(self, client):
        """What a mask costs says the noise too; nothing is left where all groups are masked."""
        effect = ask(client, "effect").json()
        assert 1.2 < effect["noise"] < 3
        assert ask(client, "effect", replace(GLOW, group=0)).json()["noise"] is None


class TestWitnesses:
    """Other integrations, and other exposures of the folder."""

    def test_integrations_and_exposures(self, client, jump, builder, tmp_path):
        """By pixel without a WCS; other arrays, products and broken files are left out."""
        builder.model().save(str(tmp_path / "b_jump.fits"))
        builder.model(subarray="SUB256").save(str(tmp_path / "c_jump.fits"))
        (tmp_path / "d_jump.fits").write_bytes(b"SIMPLE")
        found = ask(client, "witnesses").json()["witnesses"]
        assert [one["title"] for one in found] == ["integration 0", "b_jump.fits, same pixel"]
        assert [one["number"] for one in found] == [0, None]
        assert [one["integration"] for one in found] == [0, 1]
        own = ask(client, "witness")
        shape = tuple(map(int, own.headers["X-Shape"].split()))
        assert decoded(own, shape).max() > 8
        empty = ask(client, "witness", witness=found[0]["witness"])
        assert decoded(empty, shape).max() < 6
        again = ask(client, "witness", witness=found[1]["witness"])
        assert decoded(again, shape).max() > 8

    def test_by_sky(self, client, jump, builder, tmp_path):
        """With the pointing keywords, the place of the same sky; none where it is not seen."""
        for name, shift in (("a", 0), ("b", 12), ("c", 400)):
            path = tmp_path / f"{name}_jump.fits"
            if name != "a":
                builder.model().save(str(path))
            with fits.open(path, mode="update") as hdus:
                header = hdus["SCI"].header
                header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CUNIT1="deg", CUNIT2="deg")
                header.update(CRVAL1=80.0, CRVAL2=-69.0, CRPIX1=50.0 + shift, CRPIX2=50.0)
                header.update(CDELT1=-3e-5, CDELT2=3e-5)
        app = make_app(Review(find_work(tmp_path)), token="secret")
        client = TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: "secret"})
        found = ask(client, "witnesses").json()["witnesses"]
        assert [one["title"] for one in found] == ["integration 0", "b_jump.fits, same sky"]
        assert found[1]["x"] == pytest.approx(GLOW.x + 12, abs=0.1)
        assert found[1]["y"] == pytest.approx(GLOW.y, abs=0.1)
        assert found[1]["number"] == 1

    def test_a_witness_that_is_none(self, client):
        """Nobody may ask for other files."""
        for name in ("i1", "e0", "../x", 3):
            answer = ask(client, "witness", witness=name)
            assert answer.status_code == 422
            assert "expected one of the list" in answer.json()["error"]


def test_nothing_is_written(client, jump, tmp_path):
    """To look at evidence leaves nothing behind, and the region file as it was."""
    write_regions(tmp_path / "a_showers.yaml", RegionFile(showers=[GLOW]))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for path, body in (("view", {"kind": "evidence"}), ("curve", {}), ("fit", {"what": "group"})):
        assert ask(client, path, **body).status_code == 200
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


class TestSubtraction:
    """Taking the light of an entry out, as the page shows it."""

    def test_verdict(self, client):
        """The rule's word, the numbers, and the light of each difference."""
        found = ask(client, "subtraction").json()
        assert found["isSubtracted"] is True
        assert found["snr"] > 20
        assert 1 < found["noise"] < 1.5
        assert 0 < found["removed"] < 5
        light = np.array(found["light"])
        assert len(light) == 23
        assert not light[:6].any()
        assert 6 <= int(np.argmax(light)) <= 8

    def test_images(self, client):
        """The glow is gone from the rate and from the evidence."""
        before, after = (
            decoded(ask(client, "view", kind=kind, integration=1))
            for kind in ("before", "subtracted")
        )
        box = GLOW.ellipse.box(SHAPE)
        inside = GLOW.ellipse.inside(*box)
        sky = np.median(before)
        light = (before - sky)[box][inside].mean()
        assert abs((after - sky)[box][inside].mean()) < 0.15 * light
        np.testing.assert_allclose(before[80:], after[80:], atol=0.05)
        glowing, left = (
            decoded(ask(client, "view", kind=kind, integration=1))
            for kind in ("evidence", "residual")
        )
        assert np.abs(left[box][inside]).max() < 0.3 * glowing[box][inside].max()

    def test_nothing_there(self, client):
        """What is no shower is left to the mask, with the reason."""
        found = ask(client, "subtraction", replace(GLOW, integration=0)).json()
        assert found["isSubtracted"] is False
        assert found["doubt"]

    def test_no_course(self, client):
        """Pixels of all groups have no course."""
        body = {"pixels": {"x": 3, "y": 4}}
        answer = client.post("/api/exposures/0/subtraction", json=body)
        assert answer.status_code == 422
        assert "can't be subtracted" in answer.json()["error"]
