"""A filter for PasteDeploy, for OpenStack's services: one section in ``api-paste.ini`` traces every request.

::

    [filter:metlog]
    paste.filter_factory = metlog.paste:factory
    service_name = nova-api

The keys are those of ``metlog.init`` and, besides, those of the filter that this one takes the place of
(``openstack_opentracing``): ``config.local_agent.reporting_host`` and ``reporting_port``, the UDP address of a Jaeger
agent; ``sampling_host`` and ``sampling_port``, where it is asked how much to keep; ``service_name``,
``config.logging`` and ``validate``. A request's id (``x-openstack-request-id``) is the attribute
``openstack.request_id``.

``hooks = requests, sqlalchemy`` (or ``all``) makes spans of what the service asks of others: see :mod:`metlog.hooks`.
``propagation = w3c, jaeger`` are the headers that its requests carry.
``hmac_keys = SECRET_KEY`` accepts the traces that osprofiler's tools begin with one of these keys.

Nothing is kept until the sampling address has answered. No thread and no socket is made before the first request, so
whatever forks after the pipeline is loaded does no harm.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Iterable, List, Mapping

from . import hooks, openstack, wsgi
from ._client import Client
from ._spans import Span

_OLD = "config.local_agent."
_KEYS = ("destinations", "statsd", "statsd_destination", "statsd_prefix", "sampling", "key_id", "key", "hostname")
_OWN = ("hooks", "hmac_keys", "propagation")
_IGNORED = ("validate", "paste.filter_factory", "use")
_LOGGER = logging.getLogger("metlog.paste")


def factory(global_conf: Mapping[str, str], **local_conf: str) -> Callable[[Any], "Filter"]:
    """PasteDeploy's ``paste.filter_factory``. Unknown keys are a warning."""
    config = settings(global_conf, local_conf)
    own = options(global_conf, local_conf)

    def filtering(app: Any) -> Filter:
        return Filter(app, config, **own)

    return filtering


def options(global_conf: Mapping[str, str], local_conf: Mapping[str, str], **otherwise: str) -> Dict[str, str]:
    """The keys that are not of ``metlog.init``, for :class:`Filter`."""
    return {key: local_conf.get(key, global_conf.get(key, otherwise.get(key, ""))) for key in _OWN}


def settings(global_conf: Mapping[str, str], local_conf: Mapping[str, str]) -> Dict[str, Any]:
    """What ``metlog.init`` is given. Paste's values are all texts; a key that is not here may be in ``[DEFAULT]``."""

    def get(key: str, otherwise: Any = None) -> Any:
        return local_conf.get(key, global_conf.get(key, otherwise))

    known = {*_KEYS, *_IGNORED, *_OWN, "service_name", "config.logging"}
    known.update(_OLD + name for name in ("reporting_host", "reporting_port", "sampling_host", "sampling_port"))
    for key in sorted(set(local_conf) - known):
        _LOGGER.warning("the key `%s` of the filter is not known, and has no effect", key)
    config = {key: get(key) for key in _KEYS if get(key) is not None}
    config["logger"] = get("service_name", "")
    if get(_OLD + "reporting_host") is not None or get(_OLD + "reporting_port") is not None:
        agent = f"jaeger:{get(_OLD + 'reporting_host', '127.0.0.1')}:{get(_OLD + 'reporting_port', '6831')}"
        config.setdefault("destinations", [agent])
        config.setdefault("statsd", False)
    if "sampling" not in config:
        host, port = get(_OLD + "sampling_host", "127.0.0.1"), get(_OLD + "sampling_port", "5778")
        config["sampling"] = f"http://{host}:{port}/sampling"
    if is_true(get("config.logging", "false")):
        _LOGGER.setLevel(logging.INFO)
        _LOGGER.info("tracing `%s` to %s", config["logger"], config.get("destinations", "127.0.0.1:5565"))
    return config


def is_true(word: Any) -> bool:
    """``bool("False")`` is true; this is not."""
    return str(word).strip().lower() in ("true", "t", "on", "yes", "1")


class Filter(wsgi.Middleware):
    """Traces requests, with a client of its own."""

    response_attributes = (("x-openstack-request-id", "openstack.request_id"),)

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        config: Mapping[str, Any],
        hooks: str = "",
        hmac_keys: str = "",
        propagation: str = "",
    ) -> None:
        """``config`` is that of ``metlog.init``; the others are lists with commas, as in a section of paste.

        Raises:
            ValueError: for a name that is no hook, or no format.
        """
        client = Client(**config)
        super().__init__(app, client, "http", openstack.signed(hmac_keys.split(",")) if hmac_keys.strip() else None)
        _install(_names(hooks), _names(propagation) or ["w3c"], client)

    def describe(self, span: Span, environ: "dict[str, Any]") -> None:
        """The ids that ``oslo.middleware`` has given the request."""
        known = {key for key, _ in span._attributes}
        for key, value in openstack.request_ids(environ):
            if key not in known:
                span.set(key, value)


def _names(text: str) -> "List[str]":
    return [name.strip() for name in text.split(",") if name.strip()]


def _install(names: "List[str]", formats: "List[str]", client: Client) -> None:
    if names:
        hooks.install(*(() if names == ["all"] else names), client=client, formats=formats)
