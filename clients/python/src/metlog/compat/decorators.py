"""``@timeit`` and ``@incr_count``: their client is looked up when the function is first called."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, Dict, Optional

from .client import MetlogClient
from .holder import CLIENT_HOLDER


def _decorator(
    kind: str, measured: Callable[[MetlogClient, Dict[str, Any], Callable[[], Any]], Any], call: str, doc: str
) -> Any:
    """A decorator that takes a function, or arguments for ``MetlogClient``'s method of that name."""
    signature = inspect.signature(getattr(MetlogClient, call))

    def decorator(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and callable(args[0]):
            return wrap(args[0], {}, None, None)
        client, client_name = kwargs.pop("client", None), kwargs.pop("client_name", None)
        bound = signature.bind_partial(None, *args, **kwargs)
        given = {name: value for name, value in bound.arguments.items() if name != "self"}
        return lambda function: wrap(function, given, client, client_name)

    def wrap(function: Any, given: Dict[str, Any], client: Any, client_name: Optional[str]) -> Any:
        inner = inspect.unwrap(function)
        name = given.get("name") or f"{inner.__module__}.{inner.__name__}"

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            if kind in (CLIENT_HOLDER.global_config.get("disabled_decorators") or ()):
                return function(*args, **kwargs)
            used = client or (CLIENT_HOLDER.get_client(client_name) if client_name else CLIENT_HOLDER.default_client)
            return measured(used, {**given, "name": name}, lambda: function(*args, **kwargs))

        return decorated

    decorator.__name__ = kind
    decorator.__doc__ = doc
    return decorator


def _timed(client: MetlogClient, given: Dict[str, Any], run: Callable[[], Any]) -> Any:
    with client.timer(**given):
        return run()


def _counted(client: MetlogClient, given: Dict[str, Any], run: Callable[[], Any]) -> Any:
    try:
        return run()
    finally:
        client.incr(**given)


timeit = _decorator("timeit", _timed, "timer", "Times each call of a function, under its own name or another.")
incr_count = _decorator("incr_count", _counted, "incr", "Counts each call of a function, by its own name or another.")
