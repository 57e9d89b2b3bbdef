"""The library ``thriftpy2``, and its ``contrib.aio``."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple

from thriftpy2.contrib.aio.client import TAsyncClient
from thriftpy2.contrib.aio.processor import TAsyncProcessor
from thriftpy2.protocol.exc import TProtocolException
from thriftpy2.thrift import TApplicationException, TClient, TMultiplexedProcessor
from thriftpy2.thrift import TProcessor as _Processor
from thriftpy2.transport import TTransportException

from . import _aio, _ask, _carriers, _proxies, _serve
from ._ask import Caller
from ._calls import Options
from ._proxies import Proxy, Upgraded
from ._serve import HEAD, Processor, Service, Work

_classes: "Dict[type, type]" = {}
_BINARY = ("TBinaryProtocol", "TCyBinaryProtocol", "TAsyncBinaryProtocol")


def is_binary(protocol: Any) -> bool:
    """True where messages are of the binary protocol, whatever it lies in."""
    inner = getattr(protocol, "_protocol", protocol)
    return any(kind.__name__ in _BINARY for kind in type(inner).__mro__)


# Servers.


class In(Proxy):
    """What is read, without carriers."""

    read_struct = _proxies.passing("read_struct")
    read_message_end = _proxies.passing("read_message_end")

    def read_message_begin(self) -> Any:
        """See ``TProtocolBase``."""
        inner, work = self._metlog_inner, self._metlog_work
        begun = None
        if not work.is_upgraded:
            begun = inner.read_message_begin()
            if work.is_plain(begun, inner.trans):
                return begun
        asking = work.head(begun, inner.trans)
        try:
            wanted = next(asking)
            while True:
                given = inner.read_message_begin() if wanted == HEAD else _proxies.exactly(inner.trans.read, wanted)
                wanted = asking.send(given)
        except StopIteration as done:
            return tuple(done.value)
        except _carriers.Malformed as error:
            raise TProtocolException(TProtocolException.INVALID_DATA, str(error)) from None


class Out(Proxy):
    """What is written on a connection that was upgraded: each reply begins with a header."""

    def write_message_begin(self, name: str, kind: int, sequence: int) -> Any:
        """See ``TProtocolBase``."""
        self._metlog_inner.trans.write(_carriers.EMPTY_STRUCT)
        return self._metlog_inner.write_message_begin(name, kind, sequence)


class _Base(Processor):
    def _metlog_children(self, inner: Any) -> "Optional[Tuple[str, Dict[str, Any]]]":
        return ("processors", inner.processors) if isinstance(inner, TMultiplexedProcessor) else None

    def _metlog_service(self, inner: Any, name: str) -> Service:
        service = inner._service
        return Service(name or service.__name__, service.thrift_services, service)

    def _metlog_is_binary(self, iprot: Any) -> bool:
        return is_binary(iprot)

    def _metlog_can_upgrade(self, iprot: Any, oprot: Any) -> bool:
        return any(kind.__name__ in _BINARY for kind in type(iprot).__mro__) and _proxies.is_connection(iprot, oprot)


class Traced(_Base):
    """A processor, or a multiplexed one."""

    def process(self, iprot: Any, oprot: Any) -> Any:
        """See ``TProcessor``."""
        work = Work(self, iprot, oprot)
        error: Optional[BaseException] = None
        try:
            return self._metlog_inner.process(In(iprot, work), Out(oprot, work) if work.is_upgraded else oprot)
        except Upgraded as upgrade:
            self._metlog_upgrade(iprot)
            oprot.write_message_begin(_carriers.UPGRADE, _carriers.REPLY, upgrade.args[0])
            oprot.trans.write(_carriers.EMPTY_STRUCT)
            oprot.write_message_end()
            return oprot.trans.flush()
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._metlog_finish(iprot, work, error)
            error = None  # or it and this frame would hold each other


class TracedAsync(_Base):
    """A processor of ``contrib.aio``."""

    async def process(self, iprot: Any, oprot: Any) -> Any:
        """See ``TAsyncProcessor``."""
        work = Work(self, iprot, oprot)
        error: Optional[BaseException] = None
        try:
            inside = Out(oprot, work) if work.is_upgraded else oprot
            return await self._metlog_inner.process(_aio.In(iprot, work), inside)
        except Upgraded as upgrade:
            self._metlog_upgrade(iprot)
            oprot.write_message_begin(_carriers.UPGRADE, _carriers.REPLY, upgrade.args[0])
            oprot.trans.write(_carriers.EMPTY_STRUCT)
            oprot.write_message_end()
            return await oprot.trans.flush()
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._metlog_finish(iprot, work, error)
            error = None  # or it and this frame would hold each other


# Clients.


class Milo(Proxy):
    """Calls have Milo's type, and its ids."""

    def write_message_begin(self, name: str, kind: int, sequence: int) -> Any:
        """See ``TProtocolBase``."""
        inner = self._metlog_inner
        ids = _ask.milo_ids() if kind == _carriers.CALL else None
        if ids is None:
            return inner.write_message_begin(name, kind, sequence)
        inner.write_message_begin(name, _carriers.CALLTRACE, sequence)
        return inner.trans.write(ids)


class Asking(Proxy):
    """Requests begin with Finagle's header."""

    def write_message_begin(self, name: str, kind: int, sequence: int) -> Any:
        """See ``TProtocolBase``."""
        self._metlog_inner.trans.write(_ask.request_header())
        return self._metlog_inner.write_message_begin(name, kind, sequence)


class Answered(Proxy):
    """Replies begin with Finagle's header."""

    def read_message_begin(self) -> Any:
        """See ``TProtocolBase``."""
        try:
            _proxies.drive(_carriers.read_struct(), self._metlog_inner.trans.read)
        except _carriers.Malformed as error:
            raise TProtocolException(TProtocolException.INVALID_DATA, str(error)) from None
        return self._metlog_inner.read_message_begin()


def _upgrade(iprot: Any, oprot: Any) -> bool:
    oprot.write_message_begin(_carriers.UPGRADE, _carriers.CALL, 0)
    oprot.trans.write(_carriers.EMPTY_STRUCT)
    oprot.write_message_end()
    oprot.trans.flush()
    _, kind, _ = iprot.read_message_begin()
    if kind == _carriers.EXCEPTION:
        TApplicationException().read(iprot)
        iprot.read_message_end()
        return False
    _proxies.drive(_carriers.read_struct(), iprot.trans.read)
    iprot.read_message_end()
    return True


def _is_refusal(error: BaseException) -> bool:
    kinds = (TTransportException, TProtocolException, _carriers.Malformed, OSError, EOFError)
    return isinstance(error, kinds) or type(error).__name__ == "ProtocolError"


def _protocols(caller: Caller, iprot: Any, oprot: Any) -> "Tuple[Any, Any]":
    """What a call reads and writes with."""
    if not any(kind.__name__ in _BINARY for kind in type(oprot).__mro__):
        return iprot, oprot  # others have no such carriers, and servers of several services fail at both
    if caller.is_milo:
        return iprot, Milo(oprot, None)
    if caller.is_finagle and _ask.upgraded(oprot.trans, lambda: _upgrade(iprot, oprot), _is_refusal):
        return Answered(iprot, None), Asking(oprot, None)
    return iprot, oprot


class _Client:
    """What a traced client of the library has in front of its own class."""

    def _req(self: Any, _api: str, *args: Any, **kwargs: Any) -> Any:
        caller: Caller = self._metlog_caller
        if caller.nothing():
            return super()._req(_api, *args, **kwargs)  # type: ignore[misc]
        iprot, oprot = self._iprot, self._oprot
        calling = caller.begin(_api, is_oneway(self, _api), oprot.trans)
        headers = caller.set_headers(oprot.trans)
        error: Optional[BaseException] = None
        try:
            if caller.is_milo or caller.is_finagle:
                self._iprot, self._oprot = _protocols(caller, iprot, oprot)
            return super()._req(_api, *args, **kwargs)  # type: ignore[misc]
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


class _AsyncClient:
    """Likewise of ``contrib.aio``, which has no carriers but Milo's."""

    async def _req(self: Any, _api: str, *args: Any, **kwargs: Any) -> Any:
        caller: Caller = self._metlog_caller
        if caller.nothing():
            return await super()._req(_api, *args, **kwargs)  # type: ignore[misc]
        oprot = self._oprot
        calling = caller.begin(_api, is_oneway(self, _api), oprot.trans)
        error: Optional[BaseException] = None
        try:
            if caller.is_milo and is_binary(oprot):
                # Tasks may share a client, so it is a copy that writes otherwise.
                own = _copy(self)
                own._oprot = Milo(oprot, None)
                return await super(_AsyncClient, own)._req(_api, *args, **kwargs)  # type: ignore[misc]
            return await super()._req(_api, *args, **kwargs)  # type: ignore[misc]
        except BaseException as raised:
            error = raised
            raise
        finally:
            if calling is not None:
                _serve.quietly(lambda: calling.end(error))
            error = None  # or it and this frame would hold each other


def _copy(client: Any) -> Any:
    made = object.__new__(type(client))
    made.__dict__.update(client.__dict__)
    return made


def is_oneway(client: Any, method: str) -> bool:
    """True for a method that has no reply."""
    return bool(getattr(getattr(client._service, method + "_result", None), "oneway", False))


def _class(kind: type, base: Callable[..., Any]) -> type:
    made = _classes.get(kind)
    if made is None:
        made = _classes[kind] = type(kind.__name__, (base, kind), {"__module__": kind.__module__})  # type: ignore[arg-type]
        made._metlog_plain = kind  # type: ignore[attr-defined]
    return made


def trace_client(client: Any, options: Options) -> Any:
    """Makes the calls of a client traced."""
    kind = getattr(type(client), "_metlog_plain", type(client))
    if isinstance(client, TAsyncClient):
        if options.carrier in ("header", "finagle"):
            raise ValueError(f"clients of `contrib.aio` do not have the carrier `{options.carrier}`")
        base: Any = _AsyncClient
    elif isinstance(client, TClient):
        base = _Client
    else:
        raise TypeError(f"{type(client).__qualname__} is no client")
    service = getattr(client._oprot, "service_name", "") or client._service.__name__
    client._metlog_caller = Caller(service, options)
    client.__class__ = _class(kind, base)
    return client


def trace_processor(processor: Any, options: Options) -> Any:
    """A traced processor."""
    inner = _serve.plain(processor)
    if isinstance(inner, TAsyncProcessor):
        return TracedAsync(inner, options)
    if isinstance(inner, _Processor):
        return Traced(inner, options)
    raise TypeError(f"{type(processor).__qualname__} is no processor")
