"""RPC and notifications of ``oslo.messaging``, on both sides.

What goes out is a span around ``Transport``'s sending, and carries the trace in the context; what comes in is a span
around the dispatcher's work. :class:`metlog.openstack.Serializer` alone carries the trace, without any hook.
"""

from __future__ import annotations

from typing import Any, List, Optional

from .. import openstack, propagation
from .._spans import Span
from ._patch import Options, Undo, child, held, recording, wrap


def _send(original: Any, options: Options) -> Any:
    def send(self: Any, target: Any, ctxt: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        if held() is None:
            return original(self, target, ctxt, message, *args, **kwargs)
        parent = recording()
        if parent is None:
            return original(self, target, openstack.carrying(ctxt, options.formats), message, *args, **kwargs)
        is_call = bool(kwargs.get("wait_for_reply", args[0] if args else None))
        span = child(parent, "RPC_CALL" if is_call else "RPC_CAST", "client" if is_call else "producer")
        with span:
            _describe(span, target).set("rpc.method", message.get("method", ""))
            return original(self, target, openstack.carrying(ctxt, options.formats), message, *args, **kwargs)

    return send


def _notify(original: Any, options: Options) -> Any:
    def send_notification(self: Any, target: Any, ctxt: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        if held() is None:
            return original(self, target, ctxt, message, *args, **kwargs)
        parent = recording()
        if parent is None:
            return original(self, target, openstack.carrying(ctxt, options.formats), message, *args, **kwargs)
        with child(parent, "NOTIFY", "producer") as span:
            _describe(span, target).set("messaging.event_type", message.get("event_type", ""))
            return original(self, target, openstack.carrying(ctxt, options.formats), message, *args, **kwargs)

    return send_notification


def _describe(span: Span, target: Any) -> Span:
    span.set("messaging.system", "oslo.messaging").set("messaging.destination.name", target.topic or "")
    return span.set("messaging.server", target.server) if target.server else span


def _serve(original: Any, options: Options) -> Any:
    def dispatch(self: Any, incoming: Any) -> Any:
        method = incoming.message.get("method")
        known = isinstance(method, str) and any(hasattr(endpoint, method) for endpoint in self.endpoints)
        # Names are those of the service's own methods: a peer cannot invent any.
        with _served(incoming.ctxt, method if known else "RPC", "server", options) as span:
            span.set("rpc.method", method if known else str(method)[:100])
            return original(self, incoming)

    return dispatch


def _notified(original: Any, options: Options) -> Any:
    def dispatch(self: Any, incoming: Any) -> Any:
        batch = incoming if isinstance(incoming, (list, tuple)) else [incoming]
        with _served(batch[0].ctxt if batch else {}, "notification", "consumer", options) as span:
            if batch is not incoming:
                span.set("messaging.event_type", incoming.message.get("event_type", ""))
            for other in batch[1:]:
                context = openstack.carried(other.ctxt)
                if context is not None:
                    span.link(context)
            return original(self, incoming)

    return dispatch


def _served(ctxt: Any, name: Any, kind: str, options: Options) -> Span:
    context: Optional[propagation.Context] = openstack.carried(ctxt)
    span: Span = options.sender.span(name, kind, {"messaging.system": "oslo.messaging"}, context)
    request_id = ctxt.get("request_id") if isinstance(ctxt, dict) else None
    if request_id:
        span._options = ({"messaging.system": "oslo.messaging", "openstack.request_id": request_id}, context)
    return span


def messaging_library(options: Options) -> List[Undo]:
    """``Transport`` and the dispatchers of ``oslo.messaging``."""
    import oslo_messaging.notify.dispatcher as notify
    import oslo_messaging.rpc.dispatcher as rpc
    import oslo_messaging.transport

    transport = oslo_messaging.transport.Transport
    return (
        wrap(transport, "_send", lambda original: _send(original, options))
        + wrap(transport, "_send_notification", lambda original: _notify(original, options))
        + wrap(rpc.RPCDispatcher, "dispatch", lambda original: _serve(original, options))
        + wrap(notify.NotificationDispatcher, "dispatch", lambda original: _notified(original, options))
        + wrap(notify.BatchNotificationDispatcher, "dispatch", lambda original: _notified(original, options))
    )
