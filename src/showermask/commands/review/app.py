"""Serve the review page to one person, on this machine only."""

from __future__ import annotations

import asyncio
import secrets
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from showermask.commands.review.api import Api
from showermask.commands.review.exposures import Review
from showermask.commands.review.security import (
    BodyLimit,
    BoundedProtocol,
    Endpoint,
    SecurityHeaders,
    http_error,
    server_error,
)
from showermask.commands.review.views import Views
from showermask.exceptions import ShowermaskError

__all__ = ["make_app", "serve"]

_LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
#: Requests for images, which take some 10 MB each, and others that are answered at the same time.
_IMAGES_AT_ONCE, _OTHERS_AT_ONCE = 4, 16


class _Count(Convertor[int]):
    """A number in a path: of so few digits that nothing can be wrong with it."""

    regex = "[0-9]{1,9}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("count", _Count())


class _Page(StaticFiles):
    """The page's own files; a browser asks whether they are still the same."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def make_app(
    review: Review,
    *,
    token: str,
    base_url: str = "/",
    allowed_hosts: tuple[str, ...] = (),
) -> Starlette:
    """Make the web application of a review.

    Every request for data has to bring the token. ``base_url`` is the prefix under which a proxy
    passes requests on without stripping it, ``allowed_hosts`` are names that proxies keep in the
    Host header.
    """
    prefix = f"/{base_url.strip('/')}".rstrip("/")
    routes: list[BaseRoute] = [
        Mount("/api", routes=_api_routes(Api(review), Views(review), token)),
        Mount("/", _Page(packages=[("showermask.commands.review", "static")], html=True)),
    ]
    return Starlette(
        routes=[*([Mount(prefix, routes=routes)] if prefix else []), *routes],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(
                TrustedHostMiddleware,
                allowed_hosts=[*_LOCAL_HOSTS, *allowed_hosts],
                www_redirect=False,
            ),
            Middleware(BodyLimit),
        ],
        exception_handlers={HTTPException: http_error, Exception: server_error},
    )


def _api_routes(api: Api, views: Views, token: str) -> list[Route]:
    """Return the routes of the requests for data."""
    image, one = "{integration:count}/{group:count}", "exposures/{number:count}"
    handlers: list[tuple[str, str, Callable[..., Any]]] = [
        ("GET", "exposures", api.exposures),
        ("GET", one, api.describe),
        ("GET", f"{one}/frame/{image}", api.frame),
        ("GET", f"{one}/dq/{image}", api.dq),
        ("GET", f"{one}/pixeldq", api.pixel_dq),
        ("GET", f"{one}/pixel/{{integration:count}}/{{x:count}}/{{y:count}}", api.pixel),
        ("GET", f"{one}/history/{{x:count}}/{{y:count}}", api.history),
        ("POST", f"{one}/mask/{image}", api.mask),
        ("POST", f"{one}/effect", api.effect),
        ("POST", f"{one}/view", views.image),
        ("POST", f"{one}/part", views.part),
        ("POST", f"{one}/curve", views.curve),
        ("POST", f"{one}/fit", views.fit),
        ("POST", f"{one}/subtraction", views.subtraction),
        ("POST", f"{one}/witnesses", views.witnesses),
        ("POST", f"{one}/witness", views.witness),
        ("POST", f"{one}/change", api.change),
        ("POST", f"{one}/save", api.save),
        ("POST", f"{one}/apply", api.apply),
    ]
    images = {api.frame, api.dq, api.pixel_dq, api.mask, views.image, views.part}
    few, many = asyncio.Semaphore(_IMAGES_AT_ONCE), asyncio.Semaphore(_OTHERS_AT_ONCE)
    return [
        Route(
            f"/{path}",
            Endpoint(handler, token, few if handler in images else many),
            methods=[method],
        )
        for method, path, handler in handlers
    ]


def serve(
    review: Review,
    *,
    port: int = 0,
    base_url: str = "/",
    open_browser: bool = True,
    allowed_hosts: tuple[str, ...] = (),
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the review page until interrupted, on a port of this machine or a free one."""
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
        http=BoundedProtocol,
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

    The command line of a browser is in the list of processes, for everybody to see.
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
