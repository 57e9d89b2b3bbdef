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

    __slots__ = ("_default", "_named")

    def __init__(self, named: "Callable[[str], Optional[Service]]", default: "Callable[[], Optional[Service]]") -> None:
        self._named = named
        self._default = default

    def find(self, name: str) -> "Tuple[str, str, Any]":
        """Service, method and results of a call; a method that is not there is ``(unknown)``."""
        before, colon, method = name.partition(":")
        service = self._named(before) if colon else self._default()
        if service is None:
            return "", UNKNOWN, None
        method = method if colon else name
        return service.name, method if method in service.methods else UNKNOWN, service.results


class Work(Serving):
    """One message that a processor processes."""

    __slots__ = ("_iprot", "_oprot", "_owner", "is_upgraded")

    def __init__(self, owner: "Processor", iprot: Any, oprot: Any) -> None:
        super().__init__(owner._metlog_options)
        self._owner, self._iprot, self._oprot = owner, iprot, oprot
        self.is_upgraded: bool = owner._metlog_is_upgraded(iprot)

    def is_plain(self, begun: Any, trans: Any) -> bool:
        """Notes the head of a message. False: it has a carrier that follows it, and :meth:`head` is to be called."""
        name, kind, _ = begun
        if kind not in (_carriers.CALL, _carriers.ONEWAY) or name in _carriers.HANDSHAKES:
            return False
        try:
            self._begin(name, kind == _carriers.ONEWAY, self._of_headers(trans))
        except Exception:  # noqa: BLE001 - whatever it is: tracing never fails a call
            pass
        return True

    def head(self, begun: Any, trans: Any) -> Asking:
        """Reads what comes before the arguments. Yields what is to be read, and returns the head as the service
        expects it: without any carrier. ``begun``: the head, if it was read already.

        Raises:
            Upgraded: it was Finagle's upgrade, whose arguments have been read.
        """
        context: Optional[Context] = None
        if self.is_upgraded:
            context = _carriers.from_request_header((yield from _carriers.read_struct()))
        name, kind, sequence = begun or (yield HEAD)
        owner = self._owner
        if kind == _carriers.CALL and name == _carriers.UPGRADE and not self.is_upgraded:
            if "finagle" in self._options.accept and owner._metlog_can_upgrade(self._iprot, self._oprot):
                yield from _carriers.read_struct()
                raise Upgraded(sequence)
        elif kind == _carriers.CALLTRACE and "milo" in self._options.accept and owner._metlog_is_binary(self._iprot):
            ids = yield _carriers.MILO_BYTES
            context, kind = _carriers.from_milo(ids), _carriers.CALL
        elif context is None:
            context = quietly(lambda: self._of_headers(trans))
        if name not in _carriers.HANDSHAKES:  # refused or not, nobody has asked anything of the service
            quietly(lambda: self._begin(name, kind == _carriers.ONEWAY, context))
        return Message(name, kind, sequence)

    def _of_headers(self, trans: Any) -> Optional[Context]:
        get = getattr(trans, "get_headers", None)
        if get is None or "header" not in self._options.accept or getattr(trans, "_client_type", 0) != 0:
            return None  # in Apache's library headers stay when the next message has none
        return _carriers.from_info_headers(get())

    def _begin(self, name: str, is_oneway: bool, context: Optional[Context]) -> None:
        service, method, results = self._owner._metlog_services.find(name)
        self.begin(service, method, is_oneway, context, results)


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
        #: Connections that Finagle's upgrade was agreed upon on, of protocols that hold no attribute. Held, so that no
        #: other protocol has such an id, until the connection ends.
        self._metlog_upgraded: Dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_metlog"):
            raise AttributeError(name)
        return getattr(self._metlog_inner, name)

    def __reduce__(self) -> "Tuple[Any, ...]":
        # Servers of several processes may send it to them.
        return type(self), (self._metlog_plain, self._metlog_options)

    def _metlog_parts(self, inner: Any, options: Options) -> "Tuple[Any, Services]":
        """A copy of the processor that notes what its services raise, and what these are."""
        inner = plain(inner)
        named = self._metlog_children(inner)
        traced = copy.copy(inner)
        if named is None:
            one = self._metlog_service(inner, options.service)
            if hasattr(inner, "_handler"):
                traced._handler = Handler(inner._handler)
            return traced, Services(lambda _: None, lambda: one)
        # Services may be registered later, in either processor: they are looked at for each call.
        attribute, children = named
        setattr(traced, attribute, Children(children))
        known: "Dict[Optional[str], Tuple[Any, Optional[Service]]]" = {None: (None, None)}

        def service(name: str) -> Optional[Service]:
            child = children.get(name)
            found = known.get(name)
            if child is not None and (found is None or found[0] is not child):
                found = known[name] = (child, self._metlog_service(plain(child), name))
            return None if child is None or found is None else found[1]

        def default() -> Optional[Service]:
            for owner in (inner, traced):
                child = getattr(owner, "defaultProcessor", None)
                if child is not None and not isinstance(child, _Handled) and known[None][0] is not child:
                    known[None] = (child, self._metlog_service(plain(child), options.service))
                    traced.defaultProcessor = _Handled(child)
            return known[None][1]

        default()
        return traced, Services(service, default)

    def _metlog_children(self, inner: Any) -> "Optional[Tuple[str, Dict[str, Any]]]":
        raise NotImplementedError

    def _metlog_service(self, inner: Any, name: str) -> Service:
        raise NotImplementedError

    def _metlog_is_binary(self, iprot: Any) -> bool:
        raise NotImplementedError

    def _metlog_can_upgrade(self, iprot: Any, oprot: Any) -> bool:
        raise NotImplementedError

    def _metlog_upgrade(self, iprot: Any) -> None:
        """From now on requests of this connection begin with a header."""
        try:
            iprot._metlog_upgraded = True
        except AttributeError:
            self._metlog_upgraded[id(iprot)] = iprot

    def _metlog_is_upgraded(self, iprot: Any) -> bool:
        return getattr(iprot, "_metlog_upgraded", False) or id(iprot) in self._metlog_upgraded

    def _metlog_finish(self, iprot: Any, work: Work, error: Optional[BaseException]) -> None:
        if error is not None and self._metlog_upgraded:
            # Servers close the connection then.
            self._metlog_upgraded.pop(id(iprot), None)
        try:
            work.end(error)
        except Exception:  # noqa: BLE001 - whatever it is: tracing never fails a call
            pass


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


class _Handled:
    """The processor for calls that name no service, with what notes its exceptions."""

    def __init__(self, processor: Any) -> None:
        self._inner = handled(plain(processor))

    def process(self, iprot: Any, oprot: Any) -> Any:
        """See ``TProcessor``."""
        return self._inner.process(iprot, oprot)
