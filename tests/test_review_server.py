"""The review server: who may ask, what is answered, and what is refused."""

import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from processes import INTERRUPTIBLE
from starlette.testclient import TestClient

from showermask import read_regions
from showermask.commands.review.app import _listen, make_app
from showermask.commands.review.exposures import Review
from showermask.commands.review.security import TOKEN_HEADER
from showermask.exposure.images import ImageReader
from showermask.masking.footprint import find_footprints
from showermask.regionfile.lookup import find_work

TOKEN = "secret"
WAIT = 120  # s, for what comes at once unless the machine is very busy
COMMAND = Path(sys.executable).with_name("showermask")


@pytest.fixture
def jump(builder, tmp_path):
    """Return the path of a jump file."""
    path = tmp_path / "x_jump.fits"
    replace(builder, readnoise=5.0).model().save(str(path))
    return path


@pytest.fixture
def app(jump):
    """Return the application for the jump file."""
    return make_app(Review(find_work(jump), reviewer="A. Name"), token=TOKEN)


@pytest.fixture
def client(app):
    """Return a client that has the token."""
    return TestClient(app, base_url="http://127.0.0.1:8000", headers={TOKEN_HEADER: TOKEN})


@pytest.fixture
def entry(shower):
    """Return a shower as the page sends it."""
    return shower.to_mapping()


def change(client, kind, number=0, **body):
    """Ask for a change; return the answer."""
    return client.post(f"/api/exposures/{number}/change", json={"change": kind, **body})


class TestWhoMayAsk:
    """The token, the host, and what a page may load."""

    @pytest.mark.parametrize("token", [None, "", "wrong", "secret2", "sécret"])
    def test_without_the_token(self, app, token):
        """No data without the token of the run."""
        headers = {} if token is None else {TOKEN_HEADER: token.encode()}
        client = TestClient(app, base_url="http://localhost", headers=headers)
        for path in ("exposures", "exposures/0", "exposures/0/frame/0/1"):
            answer = client.get(f"/api/{path}")
            assert answer.status_code == 403
            assert "token is missing or wrong" in answer.json()["error"]
        assert client.post("/api/exposures/0/change", json={}).status_code == 403

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "0.0.0.0"])
    def test_other_hosts(self, app, host):
        """A page elsewhere that points its name here (DNS rebinding) gets nothing."""
        client = TestClient(app, base_url=f"http://{host}", headers={TOKEN_HEADER: TOKEN})
        assert client.get("/").status_code == 400
        assert client.get("/api/exposures").status_code == 400

    @pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:12345"])
    def test_this_machine_by_any_port(self, app, host):
        """A tunnel may have another port at its other end."""
        assert TestClient(app, base_url=f"http://{host}").get("/").status_code == 200

    def test_allowed_hosts(self, jump):
        """A proxy that keeps the Host header has to be named."""
        app = make_app(Review(find_work(jump)), token=TOKEN, allowed_hosts=("hub.example",))
        assert TestClient(app, base_url="http://hub.example").get("/").status_code == 200

    def test_security_headers(self, client):
        """The page may load its own files only, is not framed elsewhere, and shares nothing."""
        for path in ("/", "/app.js", "/api/exposures", "/nope"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers

    def test_the_page_loads_nothing_from_elsewhere(self, client):
        """Links in the page and its scripts are relative, so that any proxy prefix works."""
        text = client.get("/").text
        assert 'src="app.js"' in text
        assert 'href="style.css"' in text
        assert "http:" not in text
        assert "https:" not in text

    @pytest.mark.parametrize("base_url", ["/user/me/proxy/8765/", "user/me/proxy/8765"])
    def test_behind_a_proxy(self, jump, base_url):
        """The page answers under the prefix, and without it where the proxy strips it."""
        app = make_app(Review(find_work(jump)), token=TOKEN, base_url=base_url)
        client = TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: TOKEN})
        for prefix in ("/user/me/proxy/8765", ""):
            assert client.get(f"{prefix}/").status_code == 200
            assert client.get(f"{prefix}/app.js").status_code == 200
            assert client.get(f"{prefix}/api/exposures").status_code == 200


class TestBadRequests:
    """Each is refused with a sentence, none with a traceback."""

    @pytest.mark.parametrize(
        ("path", "sentence"),
        [
            ("exposures/1", "exposure 1: expected 0 to 0"),
            ("exposures/0/frame/1/0", "expected integrations 0 to 0 and groups 0 to 9"),
            ("exposures/0/frame/0/10", "expected integrations 0 to 0 and groups 0 to 9"),
            ("exposures/0/dq/7/0", "expected integrations 0 to 0"),
            ("exposures/0/pixel/0/40/0", "expected x 0 to 39 and y 0 to 31"),
            ("exposures/999999999", "expected 0 to 0"),
        ],
    )
    def test_indices(self, client, path, sentence):
        """An index beyond what there is says what there is."""
        answer = client.get(f"/api/{path}")
        assert answer.status_code == 404
        assert sentence in answer.json()["error"]

    @pytest.mark.parametrize(
        "path",
        [
            "/../pyproject.toml",
            "/..%2f..%2fserver.py",
            "/%2e%2e/server.py",
            "/server.py",
            "/static/app.js",
            "//etc/passwd",
            "/api/exposures/..%2f..%2fetc/frame/0/0",
            "/api/exposures/-1",
            "/api/exposures/0x0",
            "/api/exposures/" + "9" * 5000,
        ],
    )
    def test_paths(self, client, path):
        """No path from outside becomes a file name."""
        answer = client.get(path)
        assert answer.status_code == 404
        assert "root:" not in answer.text

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            (b"{", "is not JSON"),
            (b"[]", "is not a JSON object"),
            (b"[" * 100_000, "is not JSON"),
            (b'{"change": "edit", "id": 0, "values": "abc"}', "is not understood"),
            (b"{}", "change is None, expected add"),
            (b'{"change": "add"}', "the request has no entry"),
            (b'{"change": "add", "shower": 5}', "the request has no entry"),
            (b'{"change": "add", "shower": {"x": 1}}', "is not understood"),
            (b'{"change": "remove", "id": 77}', "is not there any more"),
            (b'{"change": "status", "ids": [], "status": "maybe"}', "maybe"),
            (b'{"change": "edit", "id": 0, "values": {"nope": 1}}', "is not there any more"),
        ],
    )
    def test_changes(self, client, body, sentence):
        """A change that makes no sense is refused, and nothing is changed."""
        answer = client.post("/api/exposures/0/change", content=body)
        assert 400 <= answer.status_code < 500
        assert sentence in answer.json()["error"]
        assert client.get("/api/exposures/0").json()["state"]["showers"] == []

    @pytest.mark.parametrize("bad", [{"x": "NaN"}, {"a": -1}, {"group": 99}, {"x": None}, {"q": 1}])
    def test_showers(self, client, entry, bad):
        """A shower is checked as in a region file."""
        answer = change(client, "add", shower={**entry, **bad})
        assert answer.status_code == 422
        assert client.get("/api/exposures/0").json()["state"]["showers"] == []

    @pytest.mark.parametrize("is_declared", [True, False])
    def test_large_bodies(self, client, is_declared):
        """A body that no page would send is cut off, also when its length is not told."""
        chunks = [b"x" * 65536] * 8
        content = b"".join(chunks) if is_declared else iter(chunks)
        answer = client.post("/api/exposures/0/change", content=content)
        assert answer.status_code == 413

    def test_methods(self, client):
        """Reading is GET, changing is POST."""
        assert client.get("/api/exposures/0/change").status_code == 405
        assert client.post("/api/exposures/0").status_code == 405


class TestFrames:
    """Pixels on their way to the page."""

    def test_a_frame(self, client, jump):
        """The packed frame has two bytes a pixel, and its statistics beside it."""
        answer = client.get("/api/exposures/0/frame/0/3")
        assert len(answer.content) == 2 * 32 * 40
        assert float(answer.headers["x-median"]) == pytest.approx(27.75, abs=3)
        assert answer.headers["content-encoding"] == "gzip"

    def test_flags(self, client):
        """Group 0 of a MIRI ramp is DO_NOT_USE."""
        assert set(client.get("/api/exposures/0/dq/0/0").content) == {1}
        assert set(client.get("/api/exposures/0/dq/0/1").content) == {0}

    def test_a_pixel(self, client):
        """Values and flags of all groups."""
        ramp = client.get("/api/exposures/0/pixel/0/39/31").json()
        assert len(ramp["values"]) == len(ramp["flags"]) == 10

    def test_the_mask_is_that_of_the_core(self, client, shower, entry):
        """Accepted showers and the one being placed, on the groups that they mask, by pixel."""
        change(client, "add", shower=entry)
        change(client, "add", shower={**entry, "y": 28.0, "status": "candidate"})
        (footprint,) = find_footprints([shower], (1, 10, 32, 40))
        expected = np.zeros((32, 40), bool)
        expected[footprint.box] = footprint.inside
        for group, is_masked in ((2, False), (3, True), (9, True)):
            answer = client.post(f"/api/exposures/0/mask/0/{group}", json={})
            bits = np.unpackbits(np.frombuffer(answer.content, np.uint8), bitorder="little")
            np.testing.assert_array_equal(bits.reshape(32, 40), expected & is_masked)
        extra = {**entry, "x": 5.0, "y": 5.0, "a": 2.0, "b": 2.0, "group": 2}
        odd = client.post("/api/exposures/0/mask/0/2", json={"extra": [extra]})
        assert (odd.status_code, "has no entry" in odd.text) == (422, True)
        answer = client.post("/api/exposures/0/mask/0/2", json={"extra": {"shower": extra}})
        assert np.unpackbits(np.frombuffer(answer.content, np.uint8)).sum() == 13


class TestReview:
    """A review from the first mark to the masked product."""

    def test_from_mark_to_product(self, client, jump, shower, entry):
        """Mark, reject, undo, save, apply: the region file and the product are those of strun."""
        added = change(client, "add", shower=entry, revision=0).json()
        change(client, "status", ids=[added["added"]], status="rejected")
        state = change(client, "undo").json()["state"]
        assert [s["status"] for s in state["showers"]] == ["accepted"]
        assert client.post("/api/exposures/0/apply").status_code == 422
        saved = client.post("/api/exposures/0/save", json={"reviewer": "B. Name"}).json()
        assert not saved["state"]["isDirty"]
        regions = read_regions(jump.with_name("x_showers.yaml"))
        assert (regions.showers, regions.reviewer) == ((shower,), "B. Name")
        answer = client.post("/api/exposures/0/apply").json()
        assert answer["product"] == "x_jump_showermask.fits"
        assert "masked 1 shower" in answer["log"][0]
        assert (jump.parent / answer["product"]).exists()

    def test_two_tabs(self, client, entry):
        """The second tab's change to what the first has changed is refused as out of date."""
        assert change(client, "add", shower=entry, revision=0).status_code == 200
        answer = change(client, "add", shower=entry, revision=0)
        assert (answer.status_code, answer.json()["kind"]) == (409, "stale")
        assert len(client.get("/api/exposures/0").json()["state"]["showers"]) == 1

    def test_a_file_that_changed_on_disk(self, client, entry, write, shower):
        """Saving over somebody else's work has to be asked for."""
        change(client, "add", shower=entry)
        path = write(replace(shower, group=7), name="x_showers.yaml")
        answer = client.post("/api/exposures/0/save", json={})
        assert (answer.status_code, answer.json()["kind"]) == (409, "changed")
        assert client.post("/api/exposures/0/save", json={"force": True}).status_code == 200
        assert read_regions(path).showers == (shower,)

    def test_apply_needs_the_file_that_is_on_show(self, client, entry, write, shower):
        """What somebody else has written meanwhile is not applied unseen."""
        change(client, "add", shower=entry)
        client.post("/api/exposures/0/save", json={})
        write(replace(shower, group=7), name="x_showers.yaml")
        assert client.post("/api/exposures/0/apply").json()["kind"] == "changed"

    def test_unsaved_marks_are_listed(self, client, entry):
        """The list says which exposures have something to save."""
        assert not client.get("/api/exposures").json()["exposures"][0]["isUnsaved"]
        change(client, "add", shower=entry)
        assert client.get("/api/exposures").json()["exposures"][0]["isUnsaved"]

    def test_raw_ramps_are_not_masked(self, builder, tmp_path, entry):
        """An uncal can be looked at and marked; applying to it is refused."""
        builder.raw_model().save(str(tmp_path / "x_uncal.fits"))
        app = make_app(Review(find_work(tmp_path / "x_uncal.fits")), token=TOKEN)
        client = TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: TOKEN})
        assert client.get("/api/exposures/0").json()["isRaw"]
        change(client, "add", shower=entry)
        assert client.post("/api/exposures/0/save", json={}).status_code == 200
        answer = client.post("/api/exposures/0/apply")
        assert answer.status_code == 422
        assert "is a raw ramp" in answer.json()["error"]

    def test_a_directory(self, builder, tmp_path, entry):
        """Several exposures are listed with how far each is."""
        for name in ("a", "b"):
            builder.model().save(str(tmp_path / f"{name}_jump.fits"))
        app = make_app(Review(find_work(tmp_path)), token=TOKEN)
        client = TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: TOKEN})
        change(client, "add", number=1, shower={**entry, "status": "candidate"})
        client.post("/api/exposures/1/save", json={})
        rows = client.get("/api/exposures").json()["exposures"]
        assert [(row["root"], row["state"]) for row in rows] == [("a", "none"), ("b", "candidates")]


class TestCommand:
    """showermask review, as typed."""

    @pytest.fixture
    def start(self):
        """Return a function that starts the command and returns the process and the address."""
        processes = []

        def run(*arguments):
            process = subprocess.Popen(
                [*INTERRUPTIBLE, COMMAND, "review", "--no-browser", *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            processes.append(process)
            return process, process.stdout.readline().split()[-1]

        yield run
        for process in processes:
            process.kill()
            process.communicate()

    def test_prints_where_it_is_and_ends_with_ctrl_c(self, start, jump):
        """The address has the token in its fragment; the tunnel is told; Ctrl-C is no error."""
        process, url = start(jump)
        address, _, token = url.partition("/#token=")
        assert address.startswith("http://127.0.0.1:")
        port = address.rpartition(":")[2]
        assert f"ssh -L {port}:127.0.0.1:{port}" in process.stdout.readline()
        request = urllib.request.Request(f"{address}/api/exposures", headers={TOKEN_HEADER: token})
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["exposures"][0]["root"] == "x"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=WAIT)
        assert (process.returncode, errors) == (0, "")

    def test_a_client_that_goes_away(self, start, jump):
        """A connection that is cut in the middle of a request leaves no traceback."""
        process, url = start(jump)
        address, _, token = url.partition("/#token=")
        host, port = address.removeprefix("http://").split(":")
        for request in ("GET /api/exposures/0/frame/0/1", "POST /api/exposures/0/change"):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(
                    f"{request} HTTP/1.1\r\nHost: {host}\r\n{TOKEN_HEADER}: {token}\r\n"
                    "Content-Length: 1000\r\n\r\n{".encode()
                )
                linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        with urllib.request.urlopen(f"{address}/") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=WAIT)
        assert errors == ""

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["gone.fits"], "gone.fits: can't be read as FITS"),
            (["{folder}"], "found no exposure"),
            (["{jump}", "--regions", "{broken}"], "is not valid YAML"),
            (["{jump}", "--regions", "gone/r.yaml"], "in a folder that exists"),
            (["{jump}", "--regions", "r.txt"], "expected a region file with one of"),
            (["{jump}", "--port", "1"], "port 1 can't be used"),
        ],
    )
    def test_errors(self, jump, tmp_path, arguments, sentence):
        """What can't be reviewed is one sentence and exit code 1."""
        if sentence.startswith("port") and os.geteuid() == 0:
            pytest.skip("root may use any port")
        (tmp_path / "empty").mkdir()
        (tmp_path / "broken.yaml").write_text("showers: [")
        names = {
            "folder": tmp_path / "empty", "jump": jump, "broken": tmp_path / "broken.yaml",
        }  # fmt: skip
        done = subprocess.run(
            [COMMAND, "review", "--no-browser", *(a.format(**names) for a in arguments)],
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr

    def test_one_process_for_a_region_file(self, start, jump):
        """Two may look at an exposure, but one has unsaved changes; the other is told so."""
        shower = {"integration": 0, "group": 3, "x": 20, "y": 15, "a": 9, "b": 5, "theta": 30}

        def change(url, kind, **body):
            address, _, token = url.partition("/#token=")
            request = urllib.request.Request(
                f"{address}/api/exposures/0/{kind}",
                data=json.dumps(body).encode(),
                headers={TOKEN_HEADER: token},
            )
            try:
                with urllib.request.urlopen(request) as answer:
                    return answer.status, ""
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, json.load(error)["error"]

        _, first = start(jump)
        _, second = start(jump)
        assert change(second, "change", change="reload") == (200, "")
        assert change(first, "change", change="add", shower=shower) == (200, "")
        status, error = change(second, "change", change="add", shower=shower)
        assert status == 422
        assert "is under review in another process of yours" in error
        done = subprocess.run(
            [COMMAND, "review", "--no-browser", jump], capture_output=True, text=True, timeout=WAIT
        )
        assert done.returncode == 1
        assert "is under review in another process of yours" in done.stderr
        assert change(first, "save") == (200, "")
        assert not list(jump.parent.glob(".*"))
        assert change(second, "change", change="reload") == (200, "")
        assert change(second, "change", change="add", shower=shower) == (200, "")

    def test_a_port_that_is_taken(self, start, jump):
        """A second server on the same port says so."""
        _, url = start(jump)
        jump = Path(shutil.copyfile(jump, jump.with_name("y_jump.fits")))
        port = url.partition("/#")[0].rpartition(":")[2]
        done = subprocess.run(
            [COMMAND, "review", "--no-browser", "--port", port, jump],
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        assert done.returncode == 1
        assert f"port {port} can't be used" in done.stderr


def test_packed_answers_are_gzip(app):
    """A client that does not unpack gets gzip as announced."""
    client = TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: TOKEN})
    with client.stream("GET", "/api/exposures/0/frame/0/1") as answer:
        raw = b"".join(answer.iter_raw())
    assert len(gzip.decompress(raw)) == 2 * 32 * 40


class TestUnderAttack:
    """Found by attacks: what is sent, how much of it, and by whom."""

    @pytest.mark.parametrize("reviewer", [5, ["a"], "a\x1b[2J", "x" * 300, "\ud800"])
    def test_reviewers_that_are_no_names(self, client, entry, jump, reviewer):
        """Are refused before they are kept: the next save is as if nothing had been asked."""
        change(client, "add", shower=entry)
        body = json.dumps({"reviewer": reviewer}).encode()
        answer = client.post("/api/exposures/0/save", content=body)
        assert answer.status_code == 422
        assert "expected a name of at most 200 printable characters" in answer.json()["error"]
        assert client.post("/api/exposures/0/save", json={"reviewer": "B"}).status_code == 200
        assert read_regions(jump.with_name("x_showers.yaml")).reviewer == "B"

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"flags": ["JUMP"]}, "JUMP is not a flag of GROUPDQ, expected names among"),
            ({"comment": "\ud800"}, "expected a text that can be written as UTF-8"),
            ({"image": 5}, "image is not a known key"),
            ({"a": 1e400}, "expected a finite number"),
        ],
    )
    def test_entries_are_checked_before_they_are_kept(self, client, entry, values, said):
        """New ones and changes."""
        for kind, body in (
            ("add", {"shower": {**entry, **values}}),
            ("edit", {"id": 0, "values": values}),
        ):
            if kind == "edit":
                change(client, "add", shower=entry)
            content = json.dumps({"change": kind, **body}).encode()
            answer = client.post("/api/exposures/0/change", content=content)
            assert answer.status_code == 422
            assert said in answer.json()["error"]

    def test_images_are_not_taken_from_clients(self, client):
        """A pixel entry has no image but that of its mask."""
        pixels = {"x": 1, "y": 2, "image": {"shape": [1, 1]}}
        answer = change(client, "add", pixels=pixels)
        assert answer.status_code == 422

    def test_a_disk_error_is_a_sentence(self, client, entry, jump, monkeypatch):
        """Whatever goes wrong in saving."""
        change(client, "add", shower=entry)

        def fail(*_, **__):
            raise OSError(5, "Input/output error", "x_showers.yaml")

        monkeypatch.setattr("showermask.commands.review.session.write_regions", fail)
        answer = client.post("/api/exposures/0/save", json={})
        assert answer.status_code == 422
        assert answer.json()["error"] == "x_showers.yaml: Input/output error"

    def test_a_defect_of_ours_has_the_headers_too(self, jump, monkeypatch):
        """Also the answer that no middleware sees."""
        app = make_app(Review(find_work(jump)), token=TOKEN)
        client = TestClient(
            app,
            base_url="http://localhost",
            headers={TOKEN_HEADER: TOKEN},
            raise_server_exceptions=False,
        )

        def fail(*_, **__):
            raise ZeroDivisionError

        monkeypatch.setattr("showermask.commands.review.api.mask_effect", fail)
        shower = {"integration": 0, "group": 3, "x": 20, "y": 15, "a": 9, "b": 5, "theta": 30}
        answer = client.post("/api/exposures/0/effect", json={"shower": shower})
        assert answer.status_code == 500
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "see its terminal" in answer.json()["error"]

    def test_many_exposures(self, builder, tmp_path, entry):
        """Nothing stays open of those that were looked at or refused; no lock of unchanged ones."""
        builder.model().save(str(tmp_path / "e000_jump.fits"))
        for number in range(1, 60):
            shutil.copyfile(tmp_path / "e000_jump.fits", tmp_path / f"e{number:03d}_jump.fits")
        for number in range(30, 60):
            (tmp_path / f"e{number:03d}_showers.yaml").write_text("showers: 5")
        app = make_app(Review(find_work(tmp_path)), token=TOKEN)
        client = TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: TOKEN})
        client.get("/api/exposures/0/frame/0/1")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for number in range(60):
            answer = client.get(f"/api/exposures/{number}/frame/0/1")
            assert answer.status_code == (200 if number < 30 else 422)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
        assert not list(tmp_path.glob(".*"))
        change(client, "add", number=3, shower=entry)
        names = sorted(path.name for path in tmp_path.glob(".*"))
        assert names == [".e003_showers.draft.yaml", ".e003_showers.lock"]
        client.post("/api/exposures/3/save", json={})
        assert not list(tmp_path.glob(".*"))

    def test_an_exposure_that_changed(self, client, jump, builder):
        """Is not read on as if it were the one that was opened."""
        assert client.get("/api/exposures/0/frame/0/1").status_code == 200
        replace(builder, ngroups=12).model().save(str(jump), overwrite=True)
        answer = client.get("/api/exposures/0/frame/0/1")
        assert answer.status_code == 422
        assert "was changed since it was opened" in answer.json()["error"]

    def test_the_list_reads_only_what_changed(self, builder, tmp_path, write, shower, monkeypatch):
        """Region files are read once for each version of them."""
        from showermask.regionfile import lookup as worklist

        for name in ("a", "b"):
            builder.model().save(str(tmp_path / f"{name}_jump.fits"))
            write(shower, name=f"{name}_showers.yaml")
        read = []
        real = worklist.read_regions
        monkeypatch.setattr(worklist, "read_regions", lambda path: read.append(path) or real(path))
        app = make_app(Review(find_work(tmp_path)), token=TOKEN)
        client = TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: TOKEN})
        for _ in range(3):
            client.get("/api/exposures")
        assert len(read) == 2
        write(shower, shower, name="a_showers.yaml")
        rows = client.get("/api/exposures").json()["exposures"]
        assert [row["accepted"] for row in rows] == [2, 1]
        assert len(read) == 3

    def test_few_images_at_once(self, jump, monkeypatch):
        """However many are asked for."""
        from concurrent.futures import ThreadPoolExecutor

        app = make_app(Review(find_work(jump)), token=TOKEN)
        running, most = [], []
        real = ImageReader.difference

        def slow(self, *args):
            running.append(1)
            most.append(len(running))
            time.sleep(0.05)
            running.pop()
            return real(self, *args)

        monkeypatch.setattr(ImageReader, "difference", slow)
        with (
            TestClient(app, base_url="http://localhost", headers={TOKEN_HEADER: TOKEN}) as client,
            ThreadPoolExecutor(20) as pool,
        ):
            answers = list(
                pool.map(lambda g: client.get(f"/api/exposures/0/frame/0/{g % 10}"), range(20))
            )
        assert {answer.status_code for answer in answers} == {200}
        assert 1 < max(most) <= 4

    def test_small_answers_are_not_delayed(self):
        """A socket whose protocol is named makes asyncio switch Nagle's algorithm off."""
        with _listen(0) as listener:
            assert listener.proto == socket.IPPROTO_TCP
            assert listener.getsockname()[0] == "127.0.0.1"

    def test_connections_are_bounded(self, jump):
        """So many are taken; one more is closed at once."""
        process = subprocess.Popen(
            [COMMAND, "review", "--no-browser", jump], stdout=subprocess.PIPE, text=True
        )
        try:
            url = process.stdout.readline().split()[-1]
            port = int(url.partition("/#")[0].rpartition(":")[2])
            open_ones = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as one_more:
                assert one_more.recv(1) == b""
            for connection in open_ones:
                connection.close()
            assert self.answers(port)
        finally:
            process.kill()
            process.communicate()

    @staticmethod
    def answers(port):
        """Say whether a server answers again, once it has seen that others went away."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                    return answer.status == 200
            except (urllib.error.URLError, ConnectionError, http.client.HTTPException):
                time.sleep(0.05)
        return False

    def test_the_secret_is_not_in_the_list_of_processes(self, jump, tmp_path):
        """The browser is started with a file that only its owner can read, and that goes."""
        browser = tmp_path / "browser"
        browser.write_text(
            f"#!{sys.executable}\n"
            "import os, stat, sys, pathlib, urllib.parse\n"
            "page = pathlib.Path(urllib.parse.urlparse(sys.argv[1]).path)\n"
            "seen = pathlib.Path(__file__).with_name('seen')\n"
            "seen.with_suffix('.tmp').write_text('\\n'.join("
            "[sys.argv[1], oct(stat.S_IMODE(page.stat().st_mode)), page.read_text()]))\n"
            "os.replace(seen.with_suffix('.tmp'), seen)\n"
        )
        browser.chmod(0o755)
        process = subprocess.Popen(
            [*INTERRUPTIBLE, COMMAND, "review", jump],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "BROWSER": str(browser)},
        )
        try:
            url = process.stdout.readline().split()[-1]
            deadline = time.monotonic() + WAIT
            while not (tmp_path / "seen").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            address, mode, page = (tmp_path / "seen").read_text().split("\n", 2)
            assert url.partition("token=")[2] not in address
            assert (address.startswith("file://"), mode) == (True, "0o600")
            assert url in page
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=WAIT)
        assert not Path(address.removeprefix("file://")).exists()
