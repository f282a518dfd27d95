"""Serve the review page to one person, on this machine only.

A thin layer: it checks who asks, reads numbers from the request, calls the session or the frame
reader, and answers in JSON or packed pixels. No path ever comes from the client: exposures are
numbered, static files are known by name.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import socket
import tempfile
import threading
import webbrowser
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from showermask.exceptions import ShowermaskError
from showermask.exposure import Product, known_flags
from showermask.files import FileLock
from showermask.flagging import footprints, masked_pixels
from showermask.frames import FrameReader
from showermask.messages import printable
from showermask.pixels import PixelRegion
from showermask.review.encoding import CODE_SCALE, LINEAR_MADS, compress, encode_frame
from showermask.review.session import ChangedOnDiskError, ReviewSession, StaleError
from showermask.shower import Shower
from showermask.slopes import mask_effect
from showermask.worklist import WorkItem


class _Count(Convertor[int]):
    """A number in a path: of so few digits that nothing can be wrong with it."""

    regex = "[0-9]{1,9}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("count", _Count())

__all__ = ["TOKEN_HEADER", "Review", "make_app", "serve"]

#: Header in which the page sends the token of the run.
TOKEN_HEADER = "X-Showermask-Token"  # noqa: S105  # its name, not its value

_LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_MAX_BODY = 256 * 1024
#: Requests for images, which take some 10 MB each, and others that are answered at the same time.
_IMAGES_AT_ONCE, _OTHERS_AT_ONCE = 4, 16
#: Seconds that a request may take to come in, or its answer to be taken.
_LONGEST_TRANSFER = 60
#: Connections of browsers, and seconds after which an idle one is closed.
_MOST_CONNECTIONS = 100
_LONGEST_SILENCE = 20
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Review:
    """The exposures of a run, opened when they are first asked for.

    Parameters
    ----------
    items : list of WorkItem
        What there is to review.
    reviewer : str
        Name to write into region files.
    """

    def __init__(self, items: list[WorkItem], *, reviewer: str = "") -> None:
        self.items = items
        self.reviewer = reviewer
        self._open: dict[int, tuple[FrameReader, ReviewSession]] = {}
        self._opening = threading.Lock()
        self._changing: dict[int, threading.Lock] = defaultdict(threading.Lock)

    def get(self, number: int) -> tuple[FrameReader, ReviewSession]:
        """Return reader and session of an exposure.

        Parameters
        ----------
        number : int
            Position in the list.

        Returns
        -------
        tuple
            `FrameReader` and `ReviewSession`.

        Raises
        ------
        ShowermaskError
            When it can't be opened, or is under review elsewhere.
        """
        if not 0 <= number < len(self.items):
            raise IndexError(f"exposure {number}: expected 0 to {len(self.items) - 1}")
        found = self._open.get(number)
        if found is not None:  # images don't wait for what is opened or saved meanwhile
            return found
        with self._opening:
            if number not in self._open:
                item = self.items[number]
                reader = FrameReader(item.exposure)
                session = ReviewSession(
                    reader.exposure,
                    item.regions,
                    reviewer=self.reviewer,
                    lock=FileLock(_lock_path(item.regions)),
                )
                self._open[number] = reader, session
            return self._open[number]

    def close(self) -> None:
        """Let others review the exposures; what is unsaved stays in drafts."""
        with self._opening:
            for _, session in self._open.values():
                session.close()
            self._open.clear()

    def changing(self, number: int) -> threading.Lock:
        """Return the lock under which the session of an exposure is changed.

        Parameters
        ----------
        number : int
            Position in the list.

        Returns
        -------
        `threading.Lock`
            The lock.
        """
        with self._opening:
            return self._changing[number]

    def has_unsaved(self, number: int) -> bool:
        """Tell whether an exposure has something to save.

        Parameters
        ----------
        number : int
            Position in the list.

        Returns
        -------
        bool
            False for one that has not been opened.
        """
        return number in self._open and self._open[number][1].is_dirty


def _lock_path(regions: Path) -> Path:
    """Return where it is noted that a region file has unsaved changes: beside it, for all hosts."""
    real = regions.resolve()
    return real.with_name(f".{real.stem}.lock")


def make_app(
    review: Review,
    *,
    token: str,
    base_url: str = "/",
    allowed_hosts: tuple[str, ...] = (),
) -> Starlette:
    """Make the web application.

    Parameters
    ----------
    review : Review
        What is reviewed.
    token : str
        Secret that every request for data has to bring.
    base_url : str, optional
        Prefix under which a proxy passes requests on without stripping it.
    allowed_hosts : tuple of str, optional
        Host names beyond those of this machine, for proxies that keep the Host header.

    Returns
    -------
    `starlette.applications.Starlette`
        The application.
    """
    api = _Api(review)
    routes: list[tuple[str, str, Callable[..., Any]]] = [
        ("GET", "exposures", api.exposures),
        ("GET", "exposures/{number:count}", api.describe),
        ("GET", "exposures/{number:count}/frame/{integration:count}/{group:count}", api.frame),
        ("GET", "exposures/{number:count}/dq/{integration:count}/{group:count}", api.dq),
        (
            "GET",
            "exposures/{number:count}/pixel/{integration:count}/{x:count}/{y:count}",
            api.pixel,
        ),
        ("POST", "exposures/{number:count}/mask/{integration:count}/{group:count}", api.mask),
        ("POST", "exposures/{number:count}/effect", api.effect),
        ("POST", "exposures/{number:count}/change", api.change),
        ("POST", "exposures/{number:count}/save", api.save),
        ("POST", "exposures/{number:count}/apply", api.apply),
    ]
    prefix = "/" + base_url.strip("/")
    prefixes = {"", prefix.rstrip("/")}
    images = {api.frame, api.dq, api.mask}
    few, many = asyncio.Semaphore(_IMAGES_AT_ONCE), asyncio.Semaphore(_OTHERS_AT_ONCE)
    mounted = [
        Route(
            f"{start}/api/{path}",
            _Endpoint(handler, token, few if handler in images else many),
            methods=[method],
        )
        for start in prefixes
        for method, path, handler in routes
    ]
    for start in prefixes:
        mounted += [
            Route(f"{start}/", _static("index.html")),
            *(Route(f"{start}/{name}", _static(name)) for name in _static_names()),
        ]
    return Starlette(
        routes=mounted,
        middleware=[
            Middleware(_SecurityHeaders),
            Middleware(
                TrustedHostMiddleware,
                allowed_hosts=[*_LOCAL_HOSTS, *allowed_hosts],
                www_redirect=False,
            ),
            Middleware(_BodyLimit),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _server_error},
    )


class _Api:
    """What the page can ask for. Each method takes the numbers in the path, and the body."""

    def __init__(self, review: Review) -> None:
        self._review = review

    def exposures(self, _: Mapping[str, Any]) -> Response:
        rows = [
            {
                "root": item.root,
                "file": item.exposure.name,
                "isUnsaved": self._review.has_unsaved(number),
                **item.progress(),
            }
            for number, item in enumerate(self._review.items)
        ]
        return JSONResponse({"exposures": rows})

    def describe(self, _: Mapping[str, Any], number: int) -> Response:
        reader, session = self._review.get(number)
        exposure = reader.exposure
        nints, ngroups = reader.nframes
        ny, nx = exposure.frame
        is_ramp = exposure.product is Product.RAMP
        return JSONResponse(
            {
                "number": number,
                "count": len(self._review.items),
                "root": exposure.root,
                "file": reader.path.name,
                "regionFile": session.path.name,
                "product": exposure.product.value,
                "isRaw": exposure.is_raw,
                "isRamp": is_ramp,
                "nints": nints,
                "ngroups": ngroups,
                "ngroupsOfRamp": exposure.ngroups,
                "nintsOfRamp": exposure.nints,
                "ny": ny,
                "nx": nx,
                "groupTime": exposure.group_time,
                "flags": {k: v for k, v in known_flags(exposure.product).items() if v},
                "pixelFlags": {k: v for k, v in known_flags(Product.IMAGE).items() if v},
                "codeScale": CODE_SCALE,
                "linearMads": LINEAR_MADS,
                "state": _state(session),
            }
        )

    def frame(self, _: Mapping[str, Any], number: int, integration: int, group: int) -> Response:
        reader, _session = self._review.get(number)
        packed = encode_frame(reader.difference(integration, group))
        return _packed(packed.data, {"X-Median": repr(packed.median), "X-Mad": repr(packed.mad)})

    def dq(self, _: Mapping[str, Any], number: int, integration: int, group: int) -> Response:
        reader, _session = self._review.get(number)
        flags = reader.dq(integration, group)
        return _packed(compress(flags.astype(flags.dtype.newbyteorder("<")).tobytes()), {})

    def pixel(
        self, _: Mapping[str, Any], number: int, integration: int, x: int, y: int
    ) -> Response:
        reader, _session = self._review.get(number)
        ny, nx = reader.exposure.frame
        if not (0 <= x < nx and 0 <= y < ny):
            raise IndexError(f"pixel ({x}, {y}): expected x 0 to {nx - 1} and y 0 to {ny - 1}")
        ramp = reader.pixel(integration, x, y)
        return JSONResponse(
            {"values": ramp.values, "flags": ramp.flags, "pixelFlags": ramp.pixel_flags}
        )

    def mask(self, body: Mapping[str, Any], number: int, integration: int, group: int) -> Response:
        """Return the pixels that the step would mask in this frame, one bit each.

        With the shower ``extra`` and the entry ``selected``, or of one entry ``only``.
        """
        reader, session = self._review.get(number)
        reader.check_index(integration, group)
        shown = body.get("only", body.get("selected"))
        entries = [] if "only" in body else list(session.accepted)
        entries += [mark.entry for mark in session.marks if mark.id == shown]
        if body.get("extra") is not None:
            entries.append(Shower.from_mapping(body["extra"]))
        here = [
            mark
            for mark in footprints(entries, reader.exposure.shape)
            if mark.integration == integration and mark.groups.start <= group < mark.groups.stop
        ]
        masked = masked_pixels(here, reader.exposure.frame)
        return _packed(compress(np.packbits(masked, bitorder="little").tobytes()), {})

    def effect(self, body: Mapping[str, Any], number: int) -> Response:
        """Return what the mask of a shower would remove and cost."""
        reader, _ = self._review.get(number)
        (mark,) = footprints([Shower.from_mapping(body["shower"])], reader.exposure.shape)
        effect = mask_effect(reader, mark)
        return JSONResponse(
            {
                "pixels": effect.pixels,
                "seconds": effect.seconds,
                "removed": effect.removed,
                "withoutRate": effect.without_rate,
            }
        )

    def change(self, body: Mapping[str, Any], number: int) -> Response:
        _, session = self._review.get(number)
        revision = body.get("revision")
        kind = body.get("change")
        added = None
        with self._review.changing(number):
            if kind == "add":
                added = session.add(_new_entry(body), revision=revision)
            elif kind == "edit":
                session.edit(body["id"], dict(body["values"]), revision=revision)
            elif kind == "status":
                session.set_status(body["ids"], body["status"], revision=revision)
            elif kind == "remove":
                session.remove(body["id"], revision=revision)
            elif kind == "undo":
                session.undo(revision=revision)
            elif kind == "redo":
                session.redo(revision=revision)
            elif kind == "reload":
                session.reload()
            else:
                raise ShowermaskError(f"change is {kind!r}, expected add, edit, status, remove …")
        return JSONResponse({"state": _state(session), "added": added})

    def save(self, body: Mapping[str, Any], number: int) -> Response:
        _, session = self._review.get(number)
        with self._review.changing(number):
            session.save(reviewer=body.get("reviewer"), force=bool(body.get("force")))
        return JSONResponse({"state": _state(session)})

    def apply(self, _: Mapping[str, Any], number: int) -> Response:
        from showermask.review.applying import apply_regions

        reader, session = self._review.get(number)
        if session.is_dirty:
            raise ShowermaskError("there are unsaved marks; save them first")
        session.refuse_changed_file()
        reader.exposure.refuse_raw()
        product, lines = apply_regions(reader.path, session.path)
        return JSONResponse({"product": product.name, "folder": str(product.parent), "log": lines})


def _new_entry(body: Mapping[str, Any]) -> Shower | PixelRegion:
    if "pixels" in body:
        return PixelRegion.from_mapping(body["pixels"])
    return Shower.from_mapping(body["shower"])


def _state(session: ReviewSession) -> dict[str, Any]:
    shown = [(mark.entry, mark.row) for mark in session.marks]
    return {
        "revision": session.revision,
        "showers": [row for entry, row in shown if isinstance(entry, Shower)],
        "pixels": [
            {**row, "place": entry.place} for entry, row in shown if isinstance(entry, PixelRegion)
        ],
        "isDirty": session.is_dirty,
        "canUndo": session.can_undo,
        "canRedo": session.can_redo,
        "recovered": session.recovered,
        "reviewer": session.reviewer_on_show,
    }


def _packed(data: bytes, headers: dict[str, str]) -> Response:
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"Content-Encoding": "gzip", "Cache-Control": "no-store", **headers},
    )


class _Endpoint:
    """Answers the requests for one path: a few at a time, and each in a bounded time.

    Images are large while they are packed and sent, and whoever asks for many at once waits.

    Parameters
    ----------
    handler : callable
        Makes the answer of the body and the numbers in the path.
    token : str
        Secret that every request has to bring.
    at_once : `asyncio.Semaphore`
        Lets a few through.
    """

    def __init__(
        self, handler: Callable[..., Response], token: str, at_once: asyncio.Semaphore
    ) -> None:
        self._handler, self._token, self._at_once = handler, token, at_once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        async with self._at_once:
            answer = await _answer(self._handler, self._token, request)
            with suppress(TimeoutError):  # a client that does not take its answer loses it
                async with asyncio.timeout(_LONGEST_TRANSFER):
                    await answer(scope, receive, send)


async def _answer(handler: Callable[..., Response], token: str, request: Request) -> Response:
    """Check the token, read the body, run the handler in a thread, and put errors in words."""
    given = request.headers.get(TOKEN_HEADER, "")
    if not hmac.compare_digest(given.encode(), token.encode()):
        return _refuse(403, "the token is missing or wrong; open the address that was printed")
    try:
        async with asyncio.timeout(_LONGEST_TRANSFER):
            body = await _json_body(request)
        return await run_in_threadpool(handler, body, **request.path_params)
    except ClientDisconnect:
        return Response(status_code=499)
    except (IndexError, KeyError, TypeError, ValueError, RecursionError, OSError) as error:
        return _refusal_of(error)


def _refusal_of(error: Exception) -> Response:
    """Return the answer to a request that failed: status, kind and sentence."""
    for known, status, kind in _ERRORS:
        if isinstance(error, known):
            return _refuse(status, str(error), kind=kind)
    if isinstance(error, TimeoutError):
        return _refuse(408, "the request did not come to an end; send it again")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return _refuse(422, printable(f"{where}{error.strerror or error}"))
    return _refuse(422, printable(f"the request is not understood ({error})"))


#: HTTP status and kind of each error, the first that fits.
_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (IndexError, 404, "error"),
    (StaleError, 409, "stale"),
    (ChangedOnDiskError, 409, "changed"),
    (ShowermaskError, 422, "error"),
)


async def _json_body(request: Request) -> Mapping[str, Any]:
    if request.method != "POST":
        return {}
    data = await request.body()
    try:
        body = json.loads(data) if data else {}
    except (ValueError, RecursionError) as error:
        raise ShowermaskError(f"the request is not JSON ({error})") from error
    if not isinstance(body, dict):
        raise ShowermaskError("the request is not a JSON object")
    return body


def _refuse(status: int, sentence: str, *, kind: str = "error") -> Response:
    return JSONResponse({"error": sentence, "kind": kind}, status_code=status)


def _http_error(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    return _refuse(status, str(getattr(error, "detail", "error")))


def _server_error(_: Request, __: Exception) -> Response:
    """Answer for a defect of ours, which the log tells of; nothing adds headers to this answer."""
    sentence = "the server failed at this request; see its terminal"
    return JSONResponse(
        {"error": sentence, "kind": "error"}, status_code=500, headers=_SECURITY_HEADERS
    )


def _static_names() -> list[str]:
    folder = resources.files("showermask.review") / "static"
    return sorted(
        entry.name for entry in folder.iterdir() if Path(entry.name).suffix in _MEDIA_TYPES
    )


def _static(name: str) -> Callable[[Request], Response]:
    content = (resources.files("showermask.review") / "static" / name).read_bytes()
    media_type = _MEDIA_TYPES[Path(name).suffix]

    def send(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return send


class _SecurityHeaders:
    """Add the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in _SECURITY_HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _BodyLimit:
    """Refuse bodies that are larger than any request of the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > _MAX_BODY:
                raise HTTPException(413, f"the request has more than {_MAX_BODY} bytes")
            return message

        await self._app(scope, receive_limited, send)


def serve(
    review: Review,
    *,
    port: int = 0,
    base_url: str = "/",
    open_browser: bool = True,
    allowed_hosts: tuple[str, ...] = (),
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the review page until interrupted.

    Parameters
    ----------
    review : Review
        What is reviewed.
    port : int, optional
        Port on 127.0.0.1; a free one without it.
    base_url : str, optional
        Prefix under which a proxy shows the page.
    open_browser : bool, optional
        Whether to open a browser, where there is one.
    allowed_hosts : tuple of str, optional
        Further host names that requests may carry.
    announce : callable, optional
        Takes the lines that tell where the page is.

    Raises
    ------
    ShowermaskError
        When the port is taken.
    """
    token = secrets.token_urlsafe(24)
    app = make_app(review, token=token, base_url=base_url, allowed_hosts=allowed_hosts)
    listener = _listen(port)
    port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/#token={token}"
    announce(f"Review at  {url}")
    if base_url.strip("/"):
        announce(f"Behind the proxy:  /{base_url.strip('/')}/#token={token}")
    announce(f"From another machine:  ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}")
    announce("Ctrl-C ends the review; unsaved marks are kept in a draft.")
    config = uvicorn.Config(
        app,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=2,
        http=_BoundedProtocol,
        # A request on a connection that is just being closed for idleness would be lost.
        timeout_keep_alive=3600,
    )
    server = uvicorn.Server(config)
    try:
        with listener, _shown_in_browser(url, wanted=open_browser), suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    finally:
        review.close()


def _listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine only."""
    # With its protocol named, asyncio switches Nagle's algorithm off, which delays small answers.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()  # so that the address works from the moment it is printed
    except OSError as error:
        listener.close()
        raise ShowermaskError(
            f"port {port} can't be used ({error.strerror}); try another"
        ) from error
    return listener


@contextmanager
def _shown_in_browser(url: str, *, wanted: bool) -> Iterator[None]:
    """Open a page in the browser by way of a file that only its owner can read.

    What a browser is started with is in the list of processes, for everybody to see.
    """
    if not wanted:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="showermask-") as folder:
        page = Path(folder) / "open.html"
        page.touch(mode=0o600)
        page.write_text(
            '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0; url={escape(url)}"><title>showermask</title>'
            f'<a href="{escape(url)}">Review</a>\n',
            encoding="utf-8",
        )
        with suppress(webbrowser.Error):
            threading.Timer(0.5, webbrowser.open, [page.as_uri()]).start()
        yield


class _BoundedProtocol(H11Protocol):
    """HTTP on a connection: one of so many, which is closed if nothing comes in at first."""

    _first_words: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.close()
            return
        self._first_words = self.loop.call_later(_LONGEST_SILENCE, transport.close)

    def data_received(self, data: bytes) -> None:
        """Take what comes in."""
        self._stop_waiting()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._first_words is not None:  # one connection too many never waits
            self._first_words.cancel()
