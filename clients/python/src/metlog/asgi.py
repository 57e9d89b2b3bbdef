"""ASGI middleware: requests are timed and counted, and are spans of the trace of whoever asks.

>>> application = metlog.asgi.Middleware(application)

A request ends when the application has sent its last piece of the body, or has failed. Web sockets and lifespans pass
through.
"""

from __future__ import annotations

from typing import Any, Awaitable, Callable, MutableMapping, Optional

from . import default
from ._client import Client
from ._requests import Measures
from .propagation import getter, in_asgi

Message = MutableMapping[str, Any]


class Middleware:
    """Wraps an ASGI application. ``prefix`` begins each name: ``http.request``, ``http.response.get.200``."""

    def __init__(
        self, app: Callable[..., Awaitable[None]], client: Optional[Client] = None, prefix: str = "http"
    ) -> None:
        self.app = app
        self._measures = Measures(default if client is None else client, prefix)

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serves one connection or request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status: Optional[int] = None
        measures = self._measures
        began = measures.begin()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = scope["headers"]
        if in_asgi(headers):
            names = [name.decode("latin-1").lower() for name, _ in headers if name[:8].lower() == b"uberctx-"]
            span = measures.span(scope["method"], scope["path"], getter(headers), names)
        else:
            span = measures.span(scope["method"], scope["path"], None)
        try:
            await self.app(scope, receive, sending)
        except BaseException as error:
            measures.end_span(span, None, error)
            measures.end(began, scope["method"], None)
            raise
        measures.end_span(span, status, None)
        measures.end(began, scope["method"], status)
