"""A message that comes in: which carrier it has, and the span that it becomes. What both libraries share."""

from __future__ import annotations

import copy
from typing import Any, Callable, Dict, Generator, Optional, Tuple

from ..propagation import Context
from . import _carriers
from ._calls import UNKNOWN, Handler, Options, Serving, module_of
from ._carriers import Message
from ._proxies import Upgraded

#: What reading the head of a message asks for: so many bytes of the transport, or its head by the protocol.
HEAD = -1
Asking = Generator[int, Any, Message]


class Results:
    """The result classes of a service and of those that it extends."""

    def __init__(self, processor: Any) -> None:
        self._modules = [module_of(kind) for kind in type(processor).__mro__]

    def __getattr__(self, name: str) -> Any:
        for module in self._modules:
            found = getattr(module, name, None)
            if found is not None:
                return found
        raise AttributeError(name)


class Service:
    """What is known of a service: its name, its methods and their results."""

    __slots__ = ("methods", "name", "results")

    def __init__(self, name: str, methods: Any, results: Any) -> None:
        self.name = name
        self.methods = methods
        self.results = results


class Services:
    """All services of a processor: one, or several by their names and perhaps one without."""

    def __init__(self, named: "Callable[[], Dict[str, Service]]", default: "Callable[[], Optional[Service]]") -> None:
        self._named = named
        self._default = default

    def find(self, name: str) -> "Tuple[str, str, Any]":
        """Service, method and results of a call; a method that is not there is ``(unknown)``."""
        before, colon, after = name.partition(":")
        service = self._named().get(before) if colon else self._default()
        if service is None:
            return "", UNKNOWN, None
        method = after if colon else name
        return service.name, method if method in service.methods else UNKNOWN, service.results


class Work:
    """One message that a processor processes."""

    __slots__ = ("call", "can_upgrade", "is_binary", "is_upgraded", "options", "services")

    def __init__(
        self, options: Options, services: Services, is_upgraded: bool, is_binary: bool, can_upgrade: bool
    ) -> None:
        self.options = options
        self.services = services
        self.is_upgraded = is_upgraded
        self.is_binary = is_binary
        self.can_upgrade = can_upgrade
        self.call = Serving(options)

    def head(self, headers: "Callable[[], Any]") -> Asking:
        """Reads what comes before the arguments. Yields what is to be read, and returns the head as the service
        expects it: without any carrier.

        Raises:
            Upgraded: it was Finagle's upgrade, whose arguments have been read.
        """
        options = self.options
        context: Optional[Context] = None
        if self.is_upgraded:
            context = _carriers.from_request_header((yield from _carriers.read_struct()))
        name, kind, sequence = yield HEAD
        if kind == _carriers.CALL and name == _carriers.UPGRADE and self.can_upgrade and not self.is_upgraded:
            yield from _carriers.read_struct()
            raise Upgraded(sequence)
        if kind == _carriers.CALLTRACE and self.is_binary and "milo" in options.accept:
            ids = yield _carriers.MILO_BYTES
            context, kind = _carriers.from_milo(ids), _carriers.CALL
        elif context is None and "header" in options.accept:
            context = quietly(lambda: _carriers.from_info_headers(headers()))
        quietly(lambda: self.call.begin(*self._named(name, kind), context, self.services.find(name)[2]))
        return Message(name, kind, sequence)

    def _named(self, name: str, kind: int) -> "Tuple[str, str, bool]":
        service, method, _ = self.services.find(name)
        return service, method, kind == _carriers.ONEWAY


def quietly(trace: Callable[[], Any]) -> Any:
    """Tracing never fails a call: what goes wrong in it is as if there were no trace."""
    try:
        return trace()
    except Exception:  # noqa: BLE001 - whatever it is
        return None


class Processor:
    """A processor, traced: the base of those of both libraries."""

    def __init__(self, inner: Any, options: Options) -> None:
        self._metlog_options = options
        self._metlog_plain = plain(inner)
        self._metlog_inner, self._metlog_services = self._metlog_parts(inner, options)
        #: Connections that Finagle's upgrade was agreed upon on. Held, so that no other protocol has such an id.
        self._metlog_upgraded: Dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_metlog"):
            raise AttributeError(name)
        return getattr(self._metlog_inner, name)

    def _metlog_parts(self, inner: Any, options: Options) -> "Tuple[Any, Services]":
        """A copy of the processor that notes what its services raise, and what these are."""
        inner = plain(inner)
        named = self._metlog_children(inner)
        traced = copy.copy(inner)
        if named is None:
            one = self._metlog_service(inner, options.service)
            if hasattr(inner, "_handler"):
                traced._handler = Handler(inner._handler)
            return traced, Services(dict, lambda: one)
        attribute, children, default = named
        # Services may be registered later, in the processor that was given: it is looked at for each call.
        setattr(traced, attribute, Children(children))
        known: "Dict[int, Tuple[Any, Service]]" = {}

        def service(child: Any, name: str) -> Service:
            found = known.get(id(child))
            if found is None:
                found = known[id(child)] = (child, self._metlog_service(plain(child), name))
            return found[1]

        def find(name: str) -> Optional[Service]:
            child = children.get(name)
            return None if child is None else service(child, name)

        other = None
        if default is not None:
            other = self._metlog_service(plain(default), options.service)
            traced.defaultProcessor = handled(plain(default))
        return traced, Services(lambda: _Found(find), lambda: other)  # type: ignore[arg-type,return-value]

    def _metlog_children(self, inner: Any) -> "Optional[Tuple[str, Dict[str, Any], Any]]":
        raise NotImplementedError

    def _metlog_service(self, inner: Any, name: str) -> Service:
        raise NotImplementedError

    def _metlog_finish(self, iprot: Any, work: Work, error: Optional[BaseException]) -> None:
        if error is not None and self._metlog_upgraded:
            # Servers close the connection then.
            self._metlog_upgraded.pop(id(iprot), None)
        quietly(lambda: work.call.end(error))


class _Found:
    """A lookup that is no dictionary."""

    def __init__(self, get: "Callable[[str], Optional[Service]]") -> None:
        self.get = get


class Children(dict):  # type: ignore[type-arg]
    """The services of a multiplexed processor, each with what notes its exceptions."""

    def __init__(self, children: Dict[str, Any]) -> None:
        super().__init__()
        self._children = children
        self._made: "Dict[str, Tuple[Any, Any]]" = {}

    def __contains__(self, name: object) -> bool:
        return name in self._children

    def __getitem__(self, name: str) -> Any:
        child = self._children[name]
        made = self._made.get(name)
        if made is None or made[0] is not child:
            made = self._made[name] = (child, handled(plain(child)))
        return made[1]

    def __setitem__(self, name: str, child: Any) -> None:
        self._children[name] = child

    def keys(self) -> Any:
        """The names of the services."""
        return self._children.keys()


def plain(processor: Any) -> Any:
    """The processor in a traced one: a call is one span, however often it was asked for."""
    while isinstance(processor, Processor):
        processor = processor._metlog_plain
    return processor


def handled(processor: Any) -> Any:
    """A copy whose handler notes exceptions."""
    traced = copy.copy(processor)
    if hasattr(processor, "_handler"):
        traced._handler = Handler(processor._handler)
    return traced
