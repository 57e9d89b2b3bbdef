"""Commands to memcached by ``pymemcache`` and ``python-memcached``: ``memcache:get`` and so on, with hashed keys."""

from __future__ import annotations

import hashlib
from typing import Any, List

from .. import _values
from ._patch import Options, Undo, child, failed, recording, wrap

_COMMANDS = (
    "get", "gets", "gat", "gats", "set", "add", "replace", "append", "prepend", "cas", "delete", "incr", "decr",
    "touch",
)  # fmt: skip
_OF_MANY = ("get_many", "gets_many", "set_many", "delete_many", "get_multi", "set_multi", "delete_multi")
_PREFIX = "memcache:"


def _hash(key: Any, secret: bytes) -> str:
    # python-memcached takes pairs of a server's hash and a key, too.
    key = key[1] if isinstance(key, tuple) and len(key) == 2 else key
    content = key if isinstance(key, bytes) else _values.as_text(key).encode("utf-8", "replace")
    return hashlib.blake2b(content, digest_size=8, key=secret).hexdigest()


def _make(command: str, is_many: bool, secret: bytes) -> Any:
    name = _PREFIX + command

    def make(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            parent = recording()
            # Commands of many keys are built of others.
            if parent is None or parent.name.startswith(_PREFIX):
                return original(self, *args, **kwargs)
            span = child(parent, name).begin()
            try:
                span.set("peer.service", "memcache").set("db.system.name", "memcached")
                given = args[0] if args else kwargs.get("keys", kwargs.get("key", kwargs.get("values", ())))
                if not is_many:
                    span.set("memcache_key", _hash(given, secret))
                elif hasattr(given, "__len__"):
                    span.set("memcache_keys", len(given))
                result = original(self, *args, **kwargs)
                if command in ("get", "gets"):
                    found = result[0] if command == "gets" and isinstance(result, tuple) else result
                    span.set("memcache_hit", found is not None)
                return result
            except BaseException as error:
                # Its text may be the key.
                failed(span, error)
                raise
            finally:
                span.end()

        return call

    return make


def _commands(owner: Any, options: Options) -> List[Undo]:
    undo: "List[Undo]" = []
    for names, is_many in ((_COMMANDS, False), (_OF_MANY, True)):
        for name in names:
            undo += wrap(owner, name, _make(name, is_many, options.hash_key))
    return undo


def pymemcache_library(options: Options) -> List[Undo]:
    """``pymemcache.client.base.Client``, which pools and hashing clients use too."""
    import pymemcache.client.base

    return _commands(pymemcache.client.base.Client, options)


def memcache_library(options: Options) -> List[Undo]:
    """``memcache.Client`` of ``python-memcached``."""
    import memcache

    return _commands(memcache.Client, options)
