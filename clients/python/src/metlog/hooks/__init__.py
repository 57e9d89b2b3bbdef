"""Spans of what a service asks of others, each library by its own switch.

>>> import metlog.hooks
>>> metlog.hooks.install("requests", "sqlalchemy")
('requests', 'sqlalchemy')

| name | what becomes a span |
|---|---|
| ``requests``, ``urllib3``, ``httpx`` | each request, which carries the trace in its headers |
| ``sqlalchemy`` | each statement, as text without parameters |
| ``pymemcache``, ``memcache`` | each command; keys are hashed |
| ``oslo_messaging`` | each RPC call, cast and notification, on both sides |

There are spans only within a trace that is kept. Otherwise a hook looks at one variable of the context, and what goes
to others carries the trace's ids, if there is a trace. A span is sent by the client of the span that it lies in.
"""

from __future__ import annotations

import importlib
from typing import Any, Callable, Dict, List, Sequence, Tuple

from ..propagation import FORMATS
from ._patch import Options, Undo

__all__ = ["NAMES", "install", "uninstall"]

_MODULES = {
    "requests": ("_http", "requests_library"),
    "urllib3": ("_http", "urllib3_library"),
    "httpx": ("_http", "httpx_library"),
    "sqlalchemy": ("_sql", "sqlalchemy_library"),
    "pymemcache": ("_memcached", "pymemcache_library"),
    "memcache": ("_memcached", "memcache_library"),
    "oslo_messaging": ("_messaging", "messaging_library"),
}
#: All switches.
NAMES: Tuple[str, ...] = tuple(_MODULES)

_installed: "Dict[str, List[Undo]]" = {}


def install(
    *names: str, client: Any = None, formats: Sequence[str] = ("w3c",), hash_key: bytes = b""
) -> "Tuple[str, ...]":
    """Installs these hooks, or all, and gives the names of those whose library is there. A hook that is installed
    already is installed anew.

    ``client`` sends the spans of messages that come in; without one, the process's own client does. ``formats`` are the
    headers that requests carry: see :data:`metlog.propagation.FORMATS`. ``hash_key`` (up to 64 bytes) keeps others from
    guessing keys of memcached by their hashes.

    Raises:
        ValueError: for a name that is no switch or no format, or a key that is too long.
    """
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise ValueError(f"`{unknown[0]}` is not a hook; the hooks are {', '.join(NAMES)}")
    wrong = sorted(set(formats) - set(FORMATS))
    if wrong:
        raise ValueError(f"`{wrong[0]}` is not a format of headers; the formats are {', '.join(FORMATS)}")
    if len(hash_key) > 64:
        raise ValueError("`hash_key` is longer than 64 bytes")
    options = Options(client, tuple(formats), hash_key)
    return tuple(name for name in names or NAMES if _install(name, options))


def _install(name: str, options: Options) -> bool:
    module, function = _MODULES[name]
    begin: "Callable[[Options], List[Undo]]" = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    try:
        importlib.import_module("oslo_messaging" if name == "oslo_messaging" else name)
    except ImportError:
        return False
    uninstall(name)
    _installed[name] = begin(options)
    return True


def uninstall(*names: str) -> None:
    """Takes these hooks out again, or all."""
    for name in names or tuple(_installed):
        for undo in reversed(_installed.pop(name, [])):
            undo()
