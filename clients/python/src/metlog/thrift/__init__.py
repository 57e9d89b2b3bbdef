"""Thrift services and their clients that are trace aware, for ``thrift`` (Apache's library) and ``thriftpy2``::

    client = metlog.thrift.trace_client(HelloWorld.Client(protocol))
    processor = metlog.thrift.trace_processor(HelloWorld.Processor(handler))

A call becomes a span ``Service.method`` on each side, with the events ``CLIENT_SEND``, ``CLIENT_RECV``, ``SERVER_RECV``
and ``SERVER_SEND``. How the ids of a trace get from one to the other is the *carrier*:

| carrier | what a call says | whom it is for |
|---|---|---|
| ``header`` | ``traceparent``, ``tracestate`` and ``baggage`` in THeader's info headers | peers that speak THeader |
| ``finagle`` | Finagle's header before each request, if the peer agrees to that at first | Finagle, Envoy |
| ``milo`` | message type 5 and three ids, in a trace that is kept | services with Milo's protocol |
| ``none`` | nothing | all others |

By default (``auto``) it is ``header`` where the protocol is THeader, and otherwise nothing: a peer that knows of no
traces gets the bytes that it would get without this module. Servers accept all carriers from whoever uses them.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional

from .._spans import Span
from ._calls import ACCEPTED, CARRIERS, Options, ShortSpan

__all__ = ["ACCEPTED", "CARRIERS", "root", "trace_client", "trace_processor"]


def trace_client(client: Any, *, service: str = "", carrier: str = "auto", sender: Any = None) -> Any:
    """Makes the calls of a client spans, within a trace that is kept, and gives the same client.

    ``client``: of generated code, of ``thriftpy2`` or of its ``contrib.aio``. ``service``: the name in the spans, if
    not that of the Thrift service. ``carrier``: see :mod:`metlog.thrift`.

    Raises:
        ValueError: for a carrier that there is not, or that clients of ``contrib.aio`` do not have.
        TypeError: for what is no client of either library.
    """
    if carrier not in CARRIERS:
        raise ValueError(f"`{carrier}` is not a carrier; the carriers are {', '.join(CARRIERS)}")
    return _library(client, "trace_client")(client, Options(service, carrier, sender=sender))


def trace_processor(
    processor: Any,
    *,
    service: str = "",
    accept: Iterable[str] = ACCEPTED,
    sender: Any = None,
    short_ids: bool = False,
) -> Any:
    """Gives a processor whose calls are spans: below the span of the caller, if it says one, and otherwise of a trace
    that begins here. The processor that is given stays as it is.

    ``service``: the name in the spans, if not that of the Thrift service or the one that it is registered as.
    ``accept``: the carriers that are understood. ``sender``: the client that sends the spans, if not the process's own.
    ``short_ids``: traces that begin here have ids of 64 bits, for services further on that know no others.

    Raises:
        ValueError: for a carrier that cannot be accepted.
        TypeError: for what is no processor of either library.
    """
    wanted = frozenset((accept,) if isinstance(accept, str) else accept)
    unknown = sorted(wanted - set(ACCEPTED))
    if unknown:
        raise ValueError(f"`{unknown[0]}` cannot be accepted; the carriers are {', '.join(ACCEPTED)}")
    options = Options(service, accept=wanted, sender=sender, short_ids=short_ids)
    return _library(processor, "trace_processor")(processor, options)


def root(name: str, attributes: Optional[Mapping[str, Any]] = None, *, sender: Any = None) -> Span:
    """The span that a trace begins with whose ids Milo's services can carry: they have 64 bits. Otherwise as
    ``metlog.span``; within another trace it is a span of that one."""
    return ShortSpan(Options(sender=sender).client, name, "internal", attributes)


def _library(given: Any, what: str) -> Any:
    """The function for a client or processor."""
    from ._serve import plain

    names = {kind.__module__.partition(".")[0] for kind in type(plain(given)).__mro__}
    if "thriftpy2" in names:
        from . import _thriftpy2

        return getattr(_thriftpy2, what)
    if hasattr(given, "_oprot") if what == "trace_client" else hasattr(given, "process"):
        from . import _apache

        return getattr(_apache, what)
    raise TypeError(f"{type(given).__qualname__} is neither of thrift nor of thriftpy2")
