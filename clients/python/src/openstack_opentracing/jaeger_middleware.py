"""``paste.filter_factory = openstack_opentracing.jaeger_middleware:JaegerMiddleware.factory``, with its seven keys."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from metlog import paste


class JaegerMiddleware(paste.Filter):
    """The filter, by its old name."""

    @classmethod
    def factory(cls, global_conf: Mapping[str, str], **local_conf: str) -> "Callable[[Any], JaegerMiddleware]":
        """PasteDeploy's ``paste.filter_factory``. The old filter installed its hooks and spoke Jaeger's headers, and so
        does this one, unless ``hooks`` and ``propagation`` say otherwise: ``hooks = none`` for no hook."""
        config = paste.settings(global_conf, local_conf)
        options = paste.options(global_conf, local_conf, hooks="all", propagation="w3c, jaeger")
        if options["hooks"].strip() == "none":
            options["hooks"] = ""
        return lambda app: cls(app, config, **options)
