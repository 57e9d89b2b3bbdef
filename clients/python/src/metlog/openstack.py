"""For OpenStack's services: traces across ``oslo.messaging``, and requests that osprofiler's tools have signed.

>>> client = oslo_messaging.get_rpc_client(transport, target, serializer=metlog.openstack.Serializer())

The filter for paste is :mod:`metlog.paste`; spans of libraries are :mod:`metlog.hooks`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from . import _spans, propagation
from .propagation import Context, Get

_KEYS = frozenset(("traceparent", "tracestate", "baggage", "uber-trace-id", "b3", "context.span"))
_HEADER_BYTES_MAX = 4_096


def carrying(ctxt: Any, formats: Sequence[str] = ("w3c",)) -> Any:
    """The context of a message, as a copy that carries the current trace; what is no dictionary stays as it is."""
    context = _spans.current_context()
    if context is None or not isinstance(ctxt, dict):
        return ctxt
    carried = {key: value for key, value in ctxt.items() if key not in _KEYS}
    propagation.inject(context, carried, formats)
    if "jaeger" in formats:
        # Where services that still have `openstack_opentracing` look for it.
        carried["context.span"] = {}
        propagation.inject(context, carried["context.span"], ("jaeger",))
    return carried


def carried(ctxt: Any) -> Optional[Context]:
    """The trace that the context of a message carries. Also as ``context.span``, a dictionary of headers, which
    ``openstack_opentracing`` sends."""
    if not isinstance(ctxt, dict):
        return None
    inner = ctxt.get("context.span")
    texts = [(key, value) for key, value in ctxt.items() if isinstance(key, str) and isinstance(value, str)]
    found = propagation.extract(propagation.getter([pair for pair in texts if _is_ours(pair[0])]))
    if (found is None or not found.is_valid) and isinstance(inner, dict):
        pairs = [(key, value) for key, value in inner.items() if isinstance(key, str) and isinstance(value, str)]
        names = [key for key, _ in pairs]
        return propagation.extract(propagation.getter(pairs), propagation.FORMATS, names)
    return found


def _is_ours(key: str) -> bool:
    return key.lower() in _KEYS or key.lower().startswith("x-b3-")


class Serializer:
    """A serializer for ``oslo.messaging`` that carries the trace beside another one's work, for RPC and notifications.

    On the side that receives, the trace is the current context of the thread or greenlet that dispatches the message:
    spans of the endpoint's methods belong to it.
    """

    def __init__(self, base: Any = None, formats: Sequence[str] = ("w3c",)) -> None:
        self._base = base
        self._formats = tuple(formats)

    def serialize_entity(self, ctxt: Any, entity: Any) -> Any:
        """An argument or result, as the other serializer has it."""
        return entity if self._base is None else self._base.serialize_entity(ctxt, entity)

    def deserialize_entity(self, ctxt: Any, entity: Any) -> Any:
        """Likewise, back."""
        return entity if self._base is None else self._base.deserialize_entity(ctxt, entity)

    def serialize_context(self, ctxt: Any) -> Any:
        """The context, with the current trace."""
        return carrying(ctxt if self._base is None else self._base.serialize_context(ctxt), self._formats)

    def deserialize_context(self, ctxt: Any) -> Any:
        """The context without the trace, which becomes the current one unless a span for this message has begun."""
        context = carried(ctxt)
        held = _spans.current.get()
        # A span of the hook around the dispatcher goes on with this trace, or has begun one where there is none.
        if not isinstance(held, _spans.Span) or (context is not None and held.context.trace_id != context.trace_id):
            _spans.current.set(context)
        if isinstance(ctxt, dict):
            ctxt = {key: value for key, value in ctxt.items() if key not in _KEYS}
        return ctxt if self._base is None else self._base.deserialize_context(ctxt)


# osprofiler.


def signed(keys: Iterable[str]) -> "Callable[[Get], Optional[Context]]":
    """Reads ``X-Trace-Info``, if it was signed with one of these keys. Such a request is kept whatever samplers say:
    who has a key has asked for it."""
    secrets = tuple(key.strip().encode() for key in keys if key.strip())

    def read(get: Get) -> Optional[Context]:
        info, signature = get("x-trace-info"), get("x-trace-hmac")
        if len(info) != 1 or len(signature) != 1 or len(info[0]) > _HEADER_BYTES_MAX or not secrets:
            return None
        packed, given = info[0].encode("latin-1", "replace"), signature[0].strip().encode("latin-1", "replace")
        # All keys are tried, whichever fits: how long it takes tells nothing.
        fits = [hmac.compare_digest(hmac.new(key, packed, hashlib.sha1).hexdigest().encode(), given) for key in secrets]
        return _unpacked(packed) if any(fits) else None

    return read


def _unpacked(packed: bytes) -> Optional[Context]:
    try:
        said = json.loads(base64.urlsafe_b64decode(packed))
        trace_id, span_id = uuid.UUID(str(said["base_id"])).int, uuid.UUID(str(said["parent_id"])).int
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    context = Context(trace_id, span_id & (1 << 64) - 1, propagation.SAMPLED, is_debug=True)
    return context if context.is_valid else None


#: What ``oslo.middleware`` and the services know of a request: attributes by the names that its own tracing uses.
REQUEST_IDS = ("request_id", "global_request_id")
CONTEXT_IDS = ("request_id", "global_request_id", "project_id", "user_id", "domain_id")


def request_ids(environ: "Dict[str, Any]") -> "List[Tuple[str, str]]":
    """The ids in the WSGI environment of a request, as attributes: those of ``RequestId`` and of ``oslo.context``."""
    found = {f"openstack.{key}": environ.get(f"openstack.{key}") for key in REQUEST_IDS}
    context = environ.get("oslo.context")
    if context is not None:
        for key in CONTEXT_IDS:
            value = getattr(context, key, None)
            if value:
                found[f"openstack.{key}"] = value
    return [(key, str(value)) for key, value in found.items() if value]
