"""Who may ask, and how much: token, headers, sizes and times of requests and connections."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from showermask.commands.review.session import ChangedOnDiskError, StaleError
from showermask.exceptions import ShowermaskError
from showermask.messages import printable

__all__ = [
    "TOKEN_HEADER",
    "BodyLimit",
    "BoundedProtocol",
    "Endpoint",
    "SecurityHeaders",
    "http_error",
    "server_error",
]

#: Header in which the page sends the token of the run.
TOKEN_HEADER = "X-Showermask-Token"  # noqa: S105  # its name, not its value

_MAX_BODY = 256 * 1024
#: Seconds that a request may take to come in, or its answer to be taken.
_LONGEST_TRANSFER = 60
#: Connections of browsers, and seconds after which an idle one is closed.
_MOST_CONNECTIONS = 100
_LONGEST_SILENCE = 20
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}

#: HTTP status and kind of each error, the first that fits.
_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (IndexError, 404, "error"),
    (StaleError, 409, "stale"),
    (ChangedOnDiskError, 409, "changed"),
    (ShowermaskError, 422, "error"),
)


class Endpoint:
    """Answers the requests for one path: a few at a time, and each in a bounded time.

    The handler makes the answer of the body and the numbers in the path. Images are large while
    they are packed and sent, and whoever asks for many at once waits.
    """

    def __init__(
        self, handler: Callable[..., Response], token: str, at_once: asyncio.Semaphore
    ) -> None:
        self._handler, self._token, self._at_once = handler, token, at_once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
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
        return _refusal(403, "the token is missing or wrong; open the address that was printed")
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
            return _refusal(status, str(error), kind=kind)
    if isinstance(error, TimeoutError):
        return _refusal(408, "the request did not come to an end; send it again")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return _refusal(422, printable(f"{where}{error.strerror or error}"))
    return _refusal(422, printable(f"the request is not understood ({error})"))


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


def _refusal(status: int, sentence: str, *, kind: str = "error") -> Response:
    return JSONResponse({"error": sentence, "kind": kind}, status_code=status)


def http_error(_: Request, error: Exception) -> Response:
    """Answer for an error of HTTP itself."""
    status = getattr(error, "status_code", 500)
    return _refusal(status, str(getattr(error, "detail", "error")))


def server_error(_: Request, __: Exception) -> Response:
    """Answer for a defect of ours, which the log tells of; nothing adds headers to this answer."""
    sentence = "the server failed at this request; see its terminal"
    return JSONResponse({"error": sentence, "kind": "error"}, status_code=500, headers=_HEADERS)


class SecurityHeaders:
    """Adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Refuses bodies that are larger than any request of the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
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


class BoundedProtocol(H11Protocol):
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
