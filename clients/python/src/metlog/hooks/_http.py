"""Requests that go out by ``requests``, ``urllib3`` and ``httpx``: client spans, and headers that carry the trace."""

from __future__ import annotations

import urllib.parse
from typing import Any, List

from .. import _requests, _spans, propagation
from .._spans import Span
from ._patch import Options, Undo, child, failed, held, recording, wrap


def _begin(parent: Span, method: Any, url: str) -> Span:
    word = str(method).upper()
    span = child(parent, word if word.lower() in _requests.METHODS else "HTTP").begin()
    span.set("http.request.method", word[:32])
    try:
        parts = urllib.parse.urlsplit(url)
        # Neither passwords nor what is asked for: both may be secret.
        host = parts.netloc.rpartition("@")[2]
        span.set("url.full", f"{parts.scheme}://{host}{parts.path}").set("server.address", parts.hostname or "")
        span.set("server.port", parts.port or (443 if parts.scheme == "https" else 80))
    except ValueError:
        pass  # an address that cannot be: the library will say so
    return span


def _end(span: Span, status: Any) -> None:
    if isinstance(status, int):
        span.set("http.response.status_code", status)
        if status >= 400:
            span.status("error", f"HTTP {status}")
    span.end()


def _inject(headers: Any, options: Options) -> None:
    context = _spans.current_context()
    if context is not None and headers is not None:
        propagation.inject(context, headers, options.formats)


def _sending(options: Options) -> Any:
    """For a method that takes a request with ``method``, ``url`` and ``headers``: of ``requests``, and of ``httpx``."""

    def make(original: Any) -> Any:
        def send(self: Any, request: Any, **kwargs: Any) -> Any:
            if held() is None:
                return original(self, request, **kwargs)
            parent = recording()
            if parent is None:
                _inject(request.headers, options)
                return original(self, request, **kwargs)
            span = _begin(parent, request.method, str(request.url or ""))
            try:
                _inject(request.headers, options)
                response = original(self, request, **kwargs)
            except BaseException as error:
                failed(span, error).end()
                raise
            _end(span, response.status_code)
            return response

        return send

    return make


def requests_library(options: Options) -> List[Undo]:
    """``requests.Session.send``, which all of its calls go through, redirects too."""
    import requests

    return wrap(requests.Session, "send", _sending(options))


def urllib3_library(options: Options) -> List[Undo]:
    """``HTTPConnectionPool.urlopen``. Requests that carry a trace already, such as those of ``requests``, pass."""
    import urllib3.connectionpool

    def make(original: Any) -> Any:
        def urlopen(
            self: Any, method: Any, url: str, body: Any = None, headers: Any = None, *args: Any, **kw: Any
        ) -> Any:
            if held() is None or (headers is not None and _carries(headers)):
                return original(self, method, url, body, headers, *args, **kw)
            # Of the same kind: one header may have several values.
            carried = (self.headers if headers is None else headers).copy()
            parent = recording()
            if parent is None:
                _inject(carried, options)
                return original(self, method, url, body, carried, *args, **kw)
            where = url if "://" in url else f"{self.scheme}://{self.host}:{self.port}{url}"
            span = _begin(parent, method, where)
            try:
                _inject(carried, options)
                response = original(self, method, url, body, carried, *args, **kw)
            except BaseException as error:
                failed(span, error).end()
                raise
            _end(span, response.status)
            return response

        return urlopen

    return wrap(urllib3.connectionpool.HTTPConnectionPool, "urlopen", make)


def _carries(headers: Any) -> bool:
    return any(str(name).lower() in ("traceparent", "uber-trace-id", "b3", "x-b3-traceid") for name in headers)


def httpx_library(options: Options) -> List[Undo]:
    """``send`` of both clients of ``httpx``. A span ends when the headers of the response are there."""
    import httpx

    def make_async(original: Any) -> Any:
        async def send(self: Any, request: Any, **kwargs: Any) -> Any:
            if held() is None:
                return await original(self, request, **kwargs)
            parent = recording()
            if parent is None:
                _inject(request.headers, options)
                return await original(self, request, **kwargs)
            span = _begin(parent, request.method, str(request.url))
            try:
                _inject(request.headers, options)
                response = await original(self, request, **kwargs)
            except BaseException as error:
                failed(span, error).end()
                raise
            _end(span, response.status_code)
            return response

        return send

    return wrap(httpx.Client, "send", _sending(options)) + wrap(httpx.AsyncClient, "send", make_async)
