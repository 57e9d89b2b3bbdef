"""Apache's library, ``thrift``."""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, Optional, Tuple

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException
from thrift.TMultiplexedProcessor import TMultiplexedProcessor
from thrift.transport.TTransport import TTransportException

from . import _ask, _carriers, _proxies, _serve
from ._ask import Caller
from ._calls import Options, module_of
from ._proxies import Proxy, Upgraded
from ._serve import HEAD, Processor, Results, Service, Work

_classes: "Dict[type, type]" = {}


def is_binary(protocol: Any) -> bool:
    """True where messages are of the binary protocol, whatever it lies in."""
    return isinstance(getattr(protocol, "_protocol", protocol), TBinaryProtocol)


# Servers.


class In(Proxy):
    """What is read, without carriers."""

    trans = _proxies.passing("trans")
    readMessageEnd = _proxies.passing("readMessageEnd")
    _fast_decode = _proxies.passing("_fast_decode")
    string_length_limit = _proxies.passing("string_length_limit")
    container_length_limit = _proxies.passing("container_length_limit")

    def readMessageBegin(self) -> Any:
        """See ``TProtocolBase``."""
        inner, work = self._metlog_inner, self._metlog_work
        begun = None
        if not work.is_upgraded:
            begun = inner.readMessageBegin()
            if work.is_plain(begun, inner.trans):
                return begun
        asking = work.head(begun, inner.trans)
        try:
            wanted = next(asking)
            while True:
                given = inner.readMessageBegin() if wanted == HEAD else _proxies.exactly(inner.trans.readAll, wanted)
                wanted = asking.send(given)
        except StopIteration as done:
            return tuple(done.value)
        except _carriers.Malformed as error:
            raise TProtocolException(TProtocolException.INVALID_DATA, str(error)) from None


class Out(Proxy):
    """What is written on a connection that was upgraded: each reply begins with a header."""

    def writeMessageBegin(self, name: str, kind: int, sequence: int) -> Any:
        """See ``TProtocolBase``."""
        self._metlog_inner.trans.write(_carriers.EMPTY_STRUCT)
        return self._metlog_inner.writeMessageBegin(name, kind, sequence)


class Traced(Processor):
    """A processor of generated code, or a multiplexed one."""

    def _metlog_children(self, inner: Any) -> "Optional[Tuple[str, Dict[str, Any]]]":
        return ("services", inner.services) if isinstance(inner, TMultiplexedProcessor) else None

    def _metlog_service(self, inner: Any, name: str) -> Service:
        module = type(inner).__module__.rpartition(".")[2]
        return Service(name or module, getattr(inner, "_processMap", ()), Results(inner))

    def _metlog_is_binary(self, iprot: Any) -> bool:
        return is_binary(iprot)

    def _metlog_can_upgrade(self, iprot: Any, oprot: Any) -> bool:
        return isinstance(iprot, TBinaryProtocol) and _proxies.is_connection(iprot, oprot)

    def process(self, iprot: Any, oprot: Any) -> Any:
        """See ``TProcessor``."""
        work = Work(self, iprot, oprot)
        error: Optional[BaseException] = None
        try:
            return self._metlog_inner.process(In(iprot, work), Out(oprot, work) if work.is_upgraded else oprot)
        except Upgraded as upgrade:
            self._metlog_upgrade(iprot)
            oprot.writeMessageBegin(_carriers.UPGRADE, _carriers.REPLY, upgrade.args[0])
            oprot.trans.write(_carriers.EMPTY_STRUCT)
            oprot.writeMessageEnd()
            oprot.trans.flush()
            return True
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._metlog_finish(iprot, work, error)
            error = None  # or it and this frame would hold each other


# Clients.


class Milo(Proxy):
    """Calls have Milo's type, and its ids."""

    def writeMessageBegin(self, name: str, kind: int, sequence: int) -> Any:
        """See ``TProtocolBase``."""
        inner = self._metlog_inner
        ids = _ask.milo_ids() if kind == _carriers.CALL else None
        if ids is None:
            return inner.writeMessageBegin(name, kind, sequence)
        inner.writeMessageBegin(name, _carriers.CALLTRACE, sequence)
        return inner.trans.write(ids)


class Asking(Proxy):
    """Requests begin with Finagle's header."""

    def writeMessageBegin(self, name: str, kind: int, sequence: int) -> Any:
        """See ``TProtocolBase``."""
        self._metlog_inner.trans.write(_ask.request_header())
        return self._metlog_inner.writeMessageBegin(name, kind, sequence)


class Answered(Proxy):
    """Replies begin with Finagle's header."""

    def readMessageBegin(self) -> Any:
        """See ``TProtocolBase``."""
        try:
            _proxies.drive(_carriers.read_struct(), self._metlog_inner.trans.readAll)
        except _carriers.Malformed as error:
            raise TProtocolException(TProtocolException.INVALID_DATA, str(error)) from None
        return self._metlog_inner.readMessageBegin()


def _upgrade(iprot: Any, oprot: Any) -> bool:
    oprot.writeMessageBegin(_carriers.UPGRADE, _carriers.CALL, 0)
    oprot.trans.write(_carriers.EMPTY_STRUCT)
    oprot.writeMessageEnd()
    oprot.trans.flush()
    _, kind, _ = iprot.readMessageBegin()
    if kind == _carriers.EXCEPTION:
        TApplicationException().read(iprot)
        iprot.readMessageEnd()
        return False
    _proxies.drive(_carriers.read_struct(), iprot.trans.readAll)
    iprot.readMessageEnd()
    return True


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, (TTransportException, TProtocolException, _carriers.Malformed, OSError, EOFError))


def _protocols(caller: Caller, iprot: Any, oprot: Any) -> "Tuple[Any, Any]":
    """What a call reads and writes with."""
    is_plain = type(oprot).__name__.startswith("Decorated") or not isinstance(oprot, TBinaryProtocol)
    if is_plain:  # others have no such carriers, and servers of several services fail at both
        return iprot, oprot
    if caller.is_milo:
        return iprot, Milo(oprot, None)
    if caller.is_finagle and _ask.upgraded(oprot.trans, lambda: _upgrade(iprot, oprot), _is_refusal):
        return Answered(iprot, None), Asking(oprot, None)
    return iprot, oprot


def _wrapped(original: Callable[..., Any], method: str, is_oneway: bool) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        caller: Caller = self._metlog_caller
        if caller.nothing():
            return original(self, *args, **kwargs)
        iprot, oprot = self._iprot, self._oprot
        calling = caller.begin(method, is_oneway, oprot.trans)
        headers = caller.set_headers(oprot.trans)
        error: Optional[BaseException] = None
        try:
            if caller.is_milo or caller.is_finagle:
                self._iprot, self._oprot = _protocols(caller, iprot, oprot)
            return original(self, *args, **kwargs)
        except BaseException as raised:
            error = raised
            if headers:
                _ask.forget_headers(oprot.trans, headers)
            raise
        finally:
            self._iprot, self._oprot = iprot, oprot
            if calling is not None:
                _serve.quietly(lambda: calling.end(error))
            error = None  # or it and this frame would hold each other

    return call


def _class(kind: type) -> type:
    """The class of generated code, each of whose calls is traced."""
    made = _classes.get(kind)
    if made is None:
        calls: "Dict[str, Any]" = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
        for name in dir(kind):
            method = name[5:]
            if name.startswith("send_") and callable(getattr(kind, method, None)):
                calls[method] = _wrapped(getattr(kind, method), method, not hasattr(kind, "recv_" + method))
        made = _classes[kind] = type(kind.__name__, (kind,), calls)
        made._metlog_plain = kind  # type: ignore[attr-defined]
    return made


def trace_client(client: Any, options: Options) -> Any:
    """Makes the calls of a client traced."""
    kind = getattr(type(client), "_metlog_plain", type(client))
    oprot = client._oprot
    service = getattr(oprot, "serviceName", "") or module_of(kind).__name__.rpartition(".")[2]
    client._metlog_caller = Caller(service, options)
    client.__class__ = _class(kind)
    return client


def trace_processor(processor: Any, options: Options) -> Any:
    """A traced processor."""
    return Traced(processor, options)
