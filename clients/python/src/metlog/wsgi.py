"""WSGI middleware: requests are timed and counted, and are spans of the trace of whoever asks.

>>> application = metlog.wsgi.Middleware(application)

A request ends when its body has been sent, or was given up: streamed bodies count in full.
"""

from __future__ import annotations

import contextvars
from typing import Any, Callable, Iterable, Iterator, Optional

from . import default
from ._client import Client
from ._requests import Measures
from ._spans import Span
from ._stderr import complain
from .propagation import Context, Get, in_wsgi, wsgi_getter


class Middleware:
    """Wraps a WSGI application. ``prefix`` begins each name: ``http.request``, ``http.response.get.200``."""

    #: Headers of responses, in lower case, and the attributes that they become.
    response_attributes: "tuple[tuple[str, str], ...]" = ()

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        client: Optional[Client] = None,
        prefix: str = "http",
        accept: "Optional[Callable[[Get], Optional[Context]]]" = None,
    ) -> None:
        """``accept`` reads the trace of a request that has none of the formats: see :func:`metlog.openstack.signed`."""
        self.app = app
        self._measures = Measures(default if client is None else client, prefix, accept)

    def describe(self, span: Span, environ: "dict[str, Any]") -> None:
        """For subclasses: attributes of a request that has ended, and is kept."""

    def __call__(self, environ: "dict[str, Any]", start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serves one request."""
        request = _Request(self, environ)

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            request.status = _code(status)
            if self.response_attributes and request.span.is_recording:
                given = {str(name).lower(): value for name, value in headers}
                for name, attribute in self.response_attributes:
                    if name in given:
                        request.span.set(attribute, given[name])
            # Not passed where there is none: servers tell the two apart.
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        try:
            body = request.inside.run(self.app, environ, start)
        except BaseException as error:
            request.end(None, error)
            raise
        return _Body(body, request)


class _Request:
    __slots__ = ("status", "_began", "_environ", "_has_ended", "_measures", "_method", "_middleware", "inside", "span")

    def __init__(self, middleware: Middleware, environ: "dict[str, Any]") -> None:
        self.status: Optional[int] = None
        self._middleware = middleware
        self._environ = environ
        measures = self._measures = middleware._measures
        self._method = environ.get("REQUEST_METHOD", "")
        self._has_ended = False
        self._began = measures.begin()
        #: What the application is run in, piece by piece: the spans that it has open while a piece is sent are not the
        #: server's.
        self.inside = contextvars.copy_context()
        path = environ.get("PATH_INFO", "")
        if not path.isascii():
            # WSGI has bytes as Latin-1.
            path = path.encode("latin-1", "replace").decode("utf-8", "replace")
        if not in_wsgi(environ):
            self.span: Span = self.inside.run(measures.span, self._method, path, None)
            return
        names = (name[5:].replace("_", "-").lower() for name in environ if name.startswith("HTTP_UBERCTX_"))
        self.span = self.inside.run(measures.span, self._method, path, wsgi_getter(environ), names)

    def end(self, status: Optional[int], error: Optional[BaseException] = None) -> None:
        if not self._has_ended:
            self._has_ended = True
            # What is not kept has nothing to be ended: the context that it is current in ends with the request.
            if self.span.is_recording:
                try:
                    self._middleware.describe(self.span, self._environ)
                except Exception as why:  # noqa: BLE001 - what an application put there is not its problem now
                    complain(f"a request cannot be described: {why!r}")
                self.inside.run(self._measures.end_span, self.span, status, error)
            self._measures.end(self._began, self._method, status)


class _Body:
    """The application's body, whose end ends the request."""

    __slots__ = ("_body", "_items", "_request")

    def __init__(self, body: Iterable[bytes], request: _Request) -> None:
        self._body, self._request = body, request
        self._items: Optional[Iterator[bytes]] = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        request = self._request
        try:
            if self._items is None:
                self._items = iter(self._body)
            return request.inside.run(next, self._items)
        except StopIteration:
            request.end(request.status)
            raise
        except BaseException as error:
            request.end(None, error)
            raise

    def __len__(self) -> int:
        # Servers ask for the number of items to make a Content-Length of a single one.
        return len(self._body)  # type: ignore[arg-type]

    def close(self) -> None:
        """Called by the server when it is done with the body, whatever happened."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                self._request.inside.run(close)
        except BaseException as error:
            self._request.end(None, error)
            raise
        self._request.end(self._request.status)


def _code(status: str) -> int:
    try:
        return int(status[:3])
    except (TypeError, ValueError):
        return 0
